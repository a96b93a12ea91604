"""Instructions by kind, from machine code: what the estimate of cycles needs to tell apart, and no more.

Encodings: ARMv7-M architecture reference manual (DDI 0403E) A5.2 and A5.3; the RISC-V instruction set manual, volume I,
chapters on RV32I, M and C.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

__all__ = ["Kinds", "kinds_of"]


@dataclass
class Kinds:
    """Numbers of instructions by kind. words: registers beyond the first of multiple loads and stores; taken: branches,
    calls and returns that were taken; these two are no instructions of their own."""

    plain: int = 0
    load: int = 0
    store: int = 0
    multiply: int = 0
    long_multiply: int = 0
    divide: int = 0
    word: int = 0
    taken: int = 0

    @property
    def instructions(self) -> int:
        """All of them."""
        return self.plain + self.load + self.store + self.multiply + self.long_multiply + self.divide

    def add(self, other: Kinds, times: int = 1) -> None:
        """Add another one's numbers, so many times."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + times * getattr(other, each.name))

    def as_dict(self) -> dict[str, int]:
        """Plain values for JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@lru_cache(maxsize=100_000)
def kinds_of(code: bytes, thumb: bool) -> Kinds:
    """Kinds of the instructions of one basic block; the caller must not change the result."""
    found, at = Kinds(), 0
    while at < len(code):
        first = int.from_bytes(code[at : at + 2], "little")
        second = int.from_bytes(code[at + 2 : at + 4], "little")
        if thumb:
            wide = first >> 11 >= 0b11101
            kind, words = _wide_thumb(first, second) if wide else _narrow_thumb(first)
        else:
            wide = first & 3 == 3
            kind, words = (_riscv(first | second << 16) if wide else _compressed(first)), 0
        setattr(found, kind, getattr(found, kind) + 1)
        found.word += words
        at += 4 if wide else 2
    return found


def _narrow_thumb(half: int) -> tuple[str, int]:
    top, five = half >> 12, half >> 11
    if five == 0b01001:  # from the literal pool
        return "load", 0
    if top == 0b0101:  # register offset: opcodes 000, 001, 010 store
        return ("store" if (half >> 9 & 7) < 3 else "load"), 0
    if top in (0b0110, 0b0111, 0b1000, 0b1001):  # immediate offset
        return ("load" if half >> 11 & 1 else "store"), 0
    if half >> 9 in (0b1011010, 0b1011110):  # push, pop: eight registers and LR or PC
        return ("load" if half >> 11 & 1 else "store"), max((half & 0x1FF).bit_count() - 1, 0)
    if top == 0b1100:  # STMIA, LDMIA
        return ("load" if half >> 11 & 1 else "store"), max((half & 0xFF).bit_count() - 1, 0)
    return ("multiply" if half >> 6 == 0b0100001101 else "plain"), 0


def _wide_thumb(first: int, second: int) -> tuple[str, int]:
    if first >> 9 == 0b1110100:
        loads = "load" if first >> 4 & 1 else "store"
        if first >> 6 & 1 == 0:  # LDM, STM
            return loads, max(second.bit_count() - 1, 0)
        if first >> 4 == 0xE8D and second >> 5 & 0x7FF == 0b11110000000:  # TBB, TBH
            return "load", 0
        return loads, int(first >> 5 & 0b1011 != 0b0010)  # LDRD and STRD move two; exclusive ones are not in C
    if first >> 9 == 0b1111100:
        return ("load" if first >> 4 & 1 else "store"), 0
    if first >> 7 == 0b111110110:
        return "multiply", 0
    if first >> 7 == 0b111110111:
        return ("divide" if first >> 4 & 0b111 in (0b001, 0b011) else "long_multiply"), 0
    return "plain", 0


def _riscv(word: int) -> str:
    opcode = word & 0x7F
    if opcode == 0b0000011:
        return "load"
    if opcode == 0b0100011:
        return "store"
    if opcode == 0b0110011 and word >> 25 == 1:
        function = word >> 12 & 7
        return "multiply" if function == 0 else "long_multiply" if function < 4 else "divide"
    return "plain"


def _compressed(half: int) -> str:
    quadrant, function = half & 3, half >> 13
    if quadrant in (0, 2) and function == 0b010:  # C.LW, C.LWSP
        return "load"
    if quadrant in (0, 2) and function == 0b110:  # C.SW, C.SWSP
        return "store"
    return "plain"
