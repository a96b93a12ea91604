"""What a measurement counts: the same on each run, nothing of the driver's, and every number equal to NumPy's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from offbeat.device.modelfile import parse
from offbeat.train.errors import InputError, OffbeatError
from offbeat.train.pipeline import Pipeline
from offbeat.train.profile import (
    MCUS,
    CoreFaultError,
    Emulator,
    Firmware,
    build_firmware,
    firmware,
    mcus_named,
    measure,
)
from offbeat.train.profile.cycles import cycles_of
from offbeat.train.profile.instructions import Kinds, kinds_of
from offbeat.train.profile.measure import windows_of
from tests.parity.models import Case, make_case
from tests.train.profile.models import needs_toolchain, shipped


@pytest.fixture(scope="module")
def m3() -> Firmware:
    return build_firmware(shipped(), MCUS["cortex-m3"])


@needs_toolchain
def test_two_runs_are_equal(m3: Firmware) -> None:
    first = measure(shipped(), m3)
    again = build_firmware(shipped(), MCUS["cortex-m3"])
    assert again == m3, "the compiler gives the same bytes wherever its temporary folder is"
    assert measure(shipped(), again).as_dict() == first.as_dict()


@needs_toolchain
def test_what_the_core_computes_is_what_numpy_computes(m3: Firmware) -> None:
    pipeline, emulator = Pipeline(parse(shipped())), Emulator(m3)
    assert emulator.call("driver_init") == 0
    windows = windows_of(pipeline.model)
    features = pipeline.extract(windows)
    for window, expected, score in zip(windows, features, pipeline.score(windows), strict=True):
        emulator.write("driver_frames", window)
        emulator.call("driver_features", 0)
        np.testing.assert_array_equal(emulator.read("driver_values", len(expected)), expected)
        assert emulator.call("driver_score") == score


@needs_toolchain
def test_a_difference_is_found(m3: Firmware) -> None:
    case = Case(make_case("gaussian", 64, 2, seed=3).parts)
    other = Case(
        replace(case.parts, standardize=tuple(replace(s, center=s.center + 99) for s in case.parts.standardize))
    )
    built = build_firmware(case.data, MCUS["cortex-m3"])
    assert measure(case.data, built).windows == 11
    with pytest.raises(
        OffbeatError, match=r"cortex-m3: (the score|a contribution) .* on the emulated core and .* in NumPy"
    ):
        measure(other.data, built)


@needs_toolchain
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "rv32imc"])
def test_blocks_count_what_single_steps_count(core: str) -> None:
    built = build_firmware(shipped(), MCUS[core])
    emulator, steps, skipped = Emulator(built), 0, 0

    def step(unicorn: object, address: int, *_: object) -> None:
        nonlocal steps, skipped
        steps += 1
        low, high = emulator._core.mem_read(address, 2)
        # Of an if-then block, as many instructions are skipped as its conditions rule out: one of two, or one of one.
        skipped += built.mcu.thumb and high == 0xBF and low & 15 != 0

    import unicorn

    emulator._core.hook_add(unicorn.UC_HOOK_CODE, step, None, built.code[0], built.code[1] - 1)
    emulator.call("driver_init")
    emulator.write("driver_frames", windows_of(parse(shipped()))[0])
    emulator.call("driver_features", 0)
    count = emulator.take_count()
    assert steps <= count.instructions <= steps + 4 * skipped
    assert core == "cortex-m3" or (skipped == 0 and count.instructions == steps)
    assert count.by_function.total() == count.instructions == count.kinds.instructions


@needs_toolchain
def test_the_drivers_own_work_is_not_counted(m3: Firmware) -> None:
    found = measure(shipped(), m3)
    assert not any(name.startswith("driver") for name in found.largest.functions)
    assert {"offbeat_scan", "offbeat_score", "gaussian: score"} <= found.largest.functions.keys()
    assert not any(function.name.startswith("driver") for function in m3.functions)


@needs_toolchain
def test_sizes_are_those_of_the_model() -> None:
    model = parse(shipped())
    found = measure(shipped(), build_firmware(shipped(), MCUS["cortex-m0"]))
    sections = found.firmware.sections
    assert found.samples == (model.window + model.hop) * model.channels * 2
    assert (sections[".data"], sections[".bss"]) == (0, 0), "all state is the caller's"
    assert found.ram == sections[".buffers"] and found.ram_in_all == found.ram + found.samples + found.stack
    assert len(model.parameters) + 14 * len(model.features) < sections[".rodata"] < 1000
    assert found.helpers > 0 and "__aeabi_uidiv" in found.as_dict()["helpers"]["functions"]
    assert found.typical is not None and found.typical.total <= found.largest.total
    assert found.largest.as_dict()["total"] == found.largest.features + found.largest.model


@needs_toolchain
def test_size_or_speed() -> None:
    small, fast = (measure(shipped(), build_firmware(shipped(), MCUS["cortex-m4"], o)) for o in ("Os", "O2"))
    assert small.firmware.sections[".text"] < fast.firmware.sections[".text"]


@needs_toolchain
def test_what_would_stop_a_core_is_a_fault(m3: Firmware) -> None:
    emulator = Emulator(m3)
    with pytest.raises(CoreFaultError, match=r"cortex-m3: .* in "):
        emulator.call("driver_features")  # without driver_init: the state points nowhere
    assert emulator.call("driver_init") == 0, "the emulator works on after a fault"


@needs_toolchain
def test_a_compiler_that_fails_says_why() -> None:
    mcu = replace(MCUS["cortex-m3"], flags=("-mcpu=cortex_m3000",))
    with pytest.raises(OffbeatError, match=r"zig cc .* cannot compile the code for cortex-m3: "):
        build_firmware(shipped(), mcu)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "find_spec", lambda name: None if name in ("unicorn", "elftools") else object())
    assert firmware.toolchain_missing() == ["unicorn", "pyelftools"]
    with pytest.raises(InputError, match=r"needs unicorn and pyelftools, .*pip install 'offbeat\[profile\]'"):
        build_firmware(shipped(), MCUS["cortex-m3"])


def test_cores_by_name() -> None:
    assert [mcu.name for mcu in mcus_named("rv32imc, Cortex-M0,rv32imc")] == ["rv32imc", "cortex-m0"]
    assert len(mcus_named(None)) == 6
    with pytest.raises(InputError, match=r"--mcu cortex-m9 is none .* choose among cortex-m0, .*rv32ec"):
        mcus_named("cortex-m0,cortex-m9")
    with pytest.raises(InputError, match="--mcu names no core"):
        mcus_named(" , ")


def kinds(code: str, thumb: bool) -> dict[str, int]:
    found = kinds_of(bytes.fromhex(code.replace(" ", "")), thumb).as_dict()
    return {name: number for name, number in found.items() if number}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("0030", {"plain": 1}),  # adds r0, #0
        ("0868", {"load": 1}),  # ldr r0, [r1]
        ("0860", {"store": 1}),  # str r0, [r1]
        ("0848", {"load": 1}),  # ldr r0, [pc, #32]
        ("885e", {"load": 1}),  # ldrsh r0, [r1, r2]
        ("8852", {"store": 1}),  # strh r0, [r1, r2]
        ("f0b5", {"store": 1, "word": 4}),  # push {r4-r7, lr}
        ("f0bd", {"load": 1, "word": 4}),  # pop {r4-r7, pc}
        ("4843", {"multiply": 1}),  # muls r0, r1, r0
        ("00fb 0100", {"multiply": 1}),  # mul r0, r0, r1
        ("00fb 0120", {"multiply": 1}),  # mla r0, r0, r1, r2
        ("10fb 0120", {"multiply": 1}),  # smlabb
        ("a0fb 0123", {"long_multiply": 1}),  # umull
        ("90fb f1f0", {"divide": 1}),  # sdiv r0, r0, r1
        ("b0fb f1f0", {"divide": 1}),  # udiv r0, r0, r1
        ("2de9 f04f", {"store": 1, "word": 8}),  # push.w {r4-r11, lr}
        ("d1e9 0023", {"load": 1, "word": 1}),  # ldrd r2, r3, [r1]
        ("b0f9 0010", {"load": 1}),  # ldrsh.w r1, [r0]
        ("a0f8 0010", {"store": 1}),  # strh.w r1, [r0]
        ("4ff0 0100", {"plain": 1}),  # mov.w r0, #1
        ("0868 0860 4843", {"load": 1, "store": 1, "multiply": 1}),
    ],
)
def test_kinds_of_thumb_instructions(code: str, expected: dict[str, int]) -> None:
    assert kinds(code, True) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("13051500", {"plain": 1}),  # addi a0, a0, 1
        ("03250500", {"load": 1}),  # lw a0, 0(a0)
        ("2320a500", {"store": 1}),  # sw a0, 0(a0)
        ("3305b502", {"multiply": 1}),  # mul a0, a0, a1
        ("3335b502", {"long_multiply": 1}),  # mulhu
        ("3355b502", {"divide": 1}),  # divu
        ("0841", {"load": 1}),  # c.lw a0, 0(a0)
        ("08c1", {"store": 1}),  # c.sw
        ("0245", {"load": 1}),  # c.lwsp a0, 0(sp)
        ("2ac0", {"store": 1}),  # c.swsp a0, 0(sp)
        ("0505", {"plain": 1}),  # c.addi
        ("8280", {"plain": 1}),  # c.jr ra
    ],
)
def test_kinds_of_riscv_instructions(code: str, expected: dict[str, int]) -> None:
    assert kinds(code, False) == expected


def test_cycles_are_a_range_by_kind() -> None:
    some = Kinds(plain=10, load=5, store=2, multiply=1, divide=1, word=3, taken=4)
    assert cycles_of(some, MCUS["cortex-m3"].cycles) == (10 + 5 + 2 + 1 + 2 + 3 + 4, 10 + 10 + 4 + 2 + 12 + 3 + 12)
    twice = Kinds()
    twice.add(some, 2)
    assert twice.instructions == 2 * some.instructions == 38
    assert Counter(twice.as_dict())["taken"] == 8
