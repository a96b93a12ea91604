"""Runs a firmware's functions on an emulated core, and counts every instruction of offbeat's that it executes.

Counted are whole basic blocks as they are entered, as QEMU's own counter does: an instruction that its condition
skips (in an if-then block of the Cortex-M3 and later) counts one, as it takes a cycle on a core. The driver's own
instructions are not counted, those of the compiler's library are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import OffbeatError

from .firmware import Firmware, require_toolchain
from .instructions import Kinds, kinds_of

__all__ = ["CoreFaultError", "Count", "Emulator", "emulator"]

_PAGE: Final = 4096
_FLASH: Final = 0x0800_0000
_RAM: Final = 0x2000_0000
_STACK: Final = 0x2800_0000
_STACK_BYTES: Final = 4 * _PAGE
_HALT: Final = 0x0700_0000  # where a called function returns to
_FILL: Final = b"\xa5"  # what the stack holds where nobody has written
_MOST_BLOCKS: Final = 20_000_000


class CoreFaultError(OffbeatError):
    """The core would stop or hang here: bad address, unaligned access, unknown instruction, endless loop."""


def emulator() -> str:
    """Emulator by name and version. Raises InputError where there is none."""
    require_toolchain()
    return f"Unicorn {version('unicorn')}"


@dataclass
class Count:
    """What calls executed. kinds: instructions by kind; functions: the same by function, without branches taken; stack:
    bytes of the deepest call, without the driver's own."""

    kinds: Kinds = field(default_factory=Kinds)
    functions: dict[str, Kinds] = field(default_factory=dict)
    stack: int = 0

    @property
    def instructions(self) -> int:
        """How many in all."""
        return self.kinds.instructions

    @property
    def by_function(self) -> Counter[str]:
        """How many of each function."""
        return Counter({name: kinds.instructions for name, kinds in self.functions.items()})


class Emulator:
    """A firmware on its core. Memory is as after a reset; nothing of the host's is in reach.

    Raises InputError where the extra ``profile`` is not installed.
    """

    def __init__(self, firmware: Firmware) -> None:
        require_toolchain()
        unicorn: Any = import_module("unicorn")
        self.firmware = firmware
        mcu = firmware.mcu
        # UC_MODE_MCLASS would replace the model by a Cortex-M33, which allows what a Cortex-M0 does not.
        architecture = "ARM" if mcu.thumb else "RISCV"
        mode = unicorn.UC_MODE_THUMB if mcu.thumb else unicorn.UC_MODE_RISCV32
        names = vars(import_module(f"unicorn.{architecture.lower()}_const"))
        model = names[f"UC_CPU_{'ARM' if mcu.thumb else 'RISCV32'}_{mcu.model}"]
        self._core = unicorn.Uc(getattr(unicorn, f"UC_ARCH_{architecture}"), mode, model)
        registers = ("R0", "LR", "SP", "PC") if mcu.thumb else ("A0", "RA", "SP", "PC")
        self._argument, self._return, self._stack_pointer, self._counter = (
            names[f"UC_{architecture}_REG_{register}"] for register in registers
        )
        self._error = unicorn.UcError
        self._failure = ""
        self._map()
        self._blocks: dict[tuple[int, int], int] = {}
        self._taken = 0
        self._end = self._top = self._lowest = self._entered = 0
        self._seen: set[tuple[int, int]] = set()
        self._depths = dict.fromkeys((function.start for function in firmware.functions), -1)
        low, high = firmware.code
        self._core.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block, None, low, high - 1)
        self._core.hook_add(unicorn.UC_HOOK_INTR, self._on_exception)

    def _map(self) -> None:
        sections = self.firmware.sections
        end = max(address + len(data) for address, data in self.firmware.segments if address < _RAM)
        ram = sum(sections[name] for name in (".data", ".bss", ".buffers", ".samples")) + _PAGE
        for start, size in ((_FLASH, end - _FLASH), (_RAM, ram), (_STACK, _STACK_BYTES), (_HALT, 1)):
            self._core.mem_map(start, -(-size // _PAGE) * _PAGE)
        for address, data in self.firmware.segments:
            self._core.mem_write(address, data)
        halt = b"\xc0\x46\xc0\x46" if self.firmware.mcu.thumb else b"\x01\x00\x01\x00"
        self._core.mem_write(_HALT, halt)

    def write(self, name: str, values: NDArray[np.integer]) -> None:
        """Write an array to where a symbol is, as little-endian words of its type."""
        raw = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
        self._core.mem_write(self.firmware.symbols[name], raw)

    def read(self, name: str, count: int) -> NDArray[np.int32]:
        """int32 [count] that are at a symbol."""
        return np.frombuffer(bytes(self._core.mem_read(self.firmware.symbols[name], 4 * count)), "<i4")

    def call(self, name: str, argument: int = 0) -> int:
        """Call a function of one int32 that returns an int32. Raises CoreFaultError where the core would not return."""
        core, top = self._core, _STACK + _STACK_BYTES - 16
        core.mem_write(_STACK, _FILL * _STACK_BYTES)
        for register, value in (
            (self._argument, argument & 0xFFFF_FFFF),
            (self._stack_pointer, top),
            (self._return, _HALT | self.firmware.mcu.thumb),
        ):
            core.reg_write(register, value)
        self._end, self._top, self._entered, self._failure = 0, 0, 0, ""
        try:
            core.emu_start(self.firmware.symbols[name] | self.firmware.mcu.thumb, _HALT)
        except self._error as error:
            self._failure = self._failure or str(error)
        if self._failure:
            raise CoreFaultError(f"{self.firmware.mcu.name}: {self._failure} in {self._place()}")
        self._note_painted()
        return (core.reg_read(self._argument) ^ 0x8000_0000) - 0x8000_0000

    def take_count(self) -> Count:
        """What has been executed since the last time this was asked."""
        count = Count(stack=self._lowest)
        names = self._names()
        for (address, size), times in self._blocks.items():
            kinds = self._kinds(address, size)
            count.kinds.add(kinds, times)
            count.functions.setdefault(names(address), Kinds()).add(kinds, times)
        count.kinds.taken = self._taken
        self._blocks, self._taken, self._lowest = {}, 0, 0
        self._seen.clear()
        self._depths = dict.fromkeys(self._depths, -1)
        return count

    def _kinds(self, address: int, size: int) -> Kinds:
        code = bytes(self._core.mem_read(address, size))
        return kinds_of(code, self.firmware.mcu.thumb)

    def _names(self) -> Any:
        starts = np.array([function.start for function in self.firmware.functions])
        functions = self.firmware.functions

        def name(address: int) -> str:
            return functions[int(np.searchsorted(starts, address, side="right")) - 1].name

        return name

    def _place(self) -> str:
        address = self._core.reg_read(self._counter) & ~1
        low, high = self.firmware.code
        return self._names()(address) if low <= address < high else f"address {address:#x}"

    def _note_painted(self) -> None:
        """Stack that was written to, below what the driver itself used, which starts where its first call begins."""
        if not self._top:
            return
        stack = bytes(self._core.mem_read(_STACK, self._top - _STACK))
        untouched = len(stack) - len(stack.lstrip(_FILL))
        self._lowest = max(self._lowest, len(stack) - untouched)

    def _note_depth(self, pointer: int, address: int) -> None:
        """Look at the stack pointer where a function begins, and once in each block that it goes through from there.

        Within a function it stands at each block where it always stands, counted from the function's start: it need be
        looked at again only when a function begins deeper than ever before.
        """
        self._top = self._top or pointer
        depth = self._top - pointer
        self._lowest = max(self._lowest, depth)
        if depth > self._depths.get(address, depth):
            self._depths[address] = depth
            self._seen.clear()

    # Hooks: an exception must not leave them, for C code calls them

    def _on_block(self, core: Any, address: int, size: int, data: Any) -> None:
        key = (address, size)
        self._blocks[key] = self._blocks.get(key, 0) + 1
        if address != self._end and self._top:
            self._taken += 1
        if address in self._depths or key not in self._seen:
            self._note_depth(core.reg_read(self._stack_pointer), address)
            self._seen.add(key)
        self._end = address + size
        self._entered += 1
        if self._entered > _MOST_BLOCKS:
            self._failure = f"no end after {_MOST_BLOCKS} blocks of instructions"
            core.emu_stop()

    def _on_exception(self, core: Any, number: int, data: Any) -> None:
        self._failure = f"exception {number}"
        core.emu_stop()
