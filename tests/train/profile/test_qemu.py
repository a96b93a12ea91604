"""Instructions that QEMU executes one by one, against those that were counted by blocks in Unicorn."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from offbeat.device.modelfile import parse
from offbeat.train.profile import MCUS, Emulator, Firmware, build_firmware
from offbeat.train.profile.measure import windows_of
from tests.train.profile.models import needs_toolchain, shipped

QEMU = shutil.which("qemu-system-arm")
BOARDS = {"cortex-m3": "stm32vldiscovery", "cortex-m4": "netduinoplus2"}  # flash and RAM where the layout has them
STUB, TOP = 0x2000_1800, 0x2000_1800  # code that calls the driver; the stack grows down from it


def stub(firmware: Firmware) -> bytes:
    """Thumb code that calls the driver's functions one after the other and ends QEMU by semihosting."""
    literals = [TOP]
    halves = [0x4800, 0x4685]  # ldr r0, [pc, ...]; mov sp, r0
    loads = [(0, 0)]
    for name in ("driver_init", "driver_features", "driver_score", "driver_decide"):
        if name != "driver_decide":
            halves.append(0x2000)  # movs r0, #0; the score stays in r0 for the decision
        loads.append((len(halves), len(literals)))
        literals.append(firmware.symbols[name] | 1)
        halves += [0x4B00, 0x4798]  # ldr r3, [pc, ...]; blx r3
    halves.append(0x2018)  # movs r0, #0x18: SYS_EXIT
    loads.append((len(halves), len(literals)))
    literals.append(0x20026)  # ADP_Stopped_ApplicationExit
    halves += [0x4900, 0xBEAB]  # ldr r1, [pc, ...]; bkpt 0xab
    halves += [0xBF00] * (len(halves) % 2)
    for at, number in loads:
        halves[at] |= (2 * len(halves) + 4 * number - (2 * at + 4 & ~3)) // 4
    return struct.pack(f"<{len(halves)}H{len(literals)}I", *halves, *literals)


def executed(firmware: Firmware, board: str, frames: bytes, folder: Path) -> int:
    """Instructions of offbeat's that QEMU executes for one window, counted from its log of single instructions."""
    assert QEMU is not None
    version = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = map(int, re.findall(r"version (\d+)\.(\d+)", version)[0])
    single = ["-singlestep"] if (major, minor) < (8, 1) else ["-accel", "tcg,one-insn-per-tb=on"]
    parts = [*firmware.segments, (firmware.symbols["driver_frames"], frames), (STUB, stub(firmware))]
    loaders = []
    for number, (address, data) in enumerate(parts):
        (folder / f"{number}.bin").write_bytes(data)
        loaders += ["-device", f"loader,file={folder / f'{number}.bin'},addr={address:#x},force-raw=on"]
    log = folder / "log"
    quiet = ["-nographic", "-monitor", "none", "-serial", "none", "-semihosting"]
    start = ["-device", f"loader,addr={STUB | 1:#x},cpu-num=0"]
    command = [QEMU, "-M", board, *quiet, *single, *loaders, *start, "-d", "exec,nochain", "-D", str(log)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    low, high = firmware.code
    places = re.findall(r"^Trace .*?\[[0-9a-f]+/([0-9a-f]+)/", log.read_text(), re.MULTILINE)
    return sum(low <= int(place, 16) < high for place in places)


@needs_toolchain
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-arm: apt-get install qemu-system-arm")
@pytest.mark.parametrize("core", BOARDS)
def test_qemu_executes_as_many_instructions(core: str, tmp_path: Path) -> None:
    firmware, window = build_firmware(shipped(), MCUS[core]), windows_of(parse(shipped()))[0]
    emulator = Emulator(firmware)
    emulator.write("driver_frames", window)
    emulator.call("driver_init")
    emulator.call("driver_features")
    emulator.call("driver_decide", emulator.call("driver_score"))
    counted = emulator.take_count().instructions
    assert executed(firmware, BOARDS[core], window.astype("<i2").tobytes(), tmp_path) == counted > 10_000
