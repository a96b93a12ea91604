"""Reads a .mpy file: header, names, constants, and the tree of code in which viper functions lie.

The format is version 6, sub-version 3, of MicroPython's py/persistentcode.c (MicroPython 1.23 and later);
the module's own bytecode, which gives each function its name, is that of py/bc.h and py/bc0.h. What only
hand-linked native modules use (read-only data, relocations) is refused, for mpy-cross never writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["FUN_TABLE", "CodeKind", "MpyError", "MpyFile", "RawCode", "module_globals", "read_mpy"]

VERSION = 6
SUB_VERSION = 3
ARCHITECTURES = (
    "bytecode", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp",
    "xtensa", "xtensawin", "rv32imc", "rv64imc",
)  # fmt: skip

# py/makeqstrdata.py: names every MicroPython knows, so a file holds only their number; 0 is no name.
STATIC_WORDS = """
__call__ __class__ __delitem__ __enter__ __exit__ __getattr__ __getitem__ __hash__ __init__ __int__
__iter__ __len__ __main__ __module__ __name__ __new__ __next__ __qualname__ __repr__ __setitem__ __str__
ArithmeticError AssertionError AttributeError BaseException EOFError Ellipsis Exception GeneratorExit
ImportError IndentationError IndexError KeyError KeyboardInterrupt LookupError MemoryError NameError
NoneType NotImplementedError OSError OverflowError RuntimeError StopIteration SyntaxError SystemExit
TypeError ValueError ZeroDivisionError abs all any append args bool builtins bytearray bytecode bytes
callable chr classmethod clear close const copy count dict dir divmod end endswith eval exec extend find
format from_bytes get getattr globals hasattr hash id index insert int isalpha isdigit isinstance islower
isspace issubclass isupper items iter join key keys len list little locals lower lstrip main map
micropython next object open ord pop popitem pow print range read readinto readline remove replace repr
reverse rfind rindex round rsplit rstrip self send sep set setattr setdefault sort sorted split start
startswith staticmethod step stop str strip sum super throw to_bytes tuple type update upper utf-8 value
values write zip
"""
STATIC_NAMES = ("", "", "__dir__", "\n", " ", "*", "/", "<module>", "_", *STATIC_WORDS.split())


class MpyError(ValueError):
    """The file is not what this reader knows: one sentence says what it is instead."""


class CodeKind(IntEnum):
    """What a piece of code holds (py/persistentcode.c, less MP_CODE_BYTECODE)."""

    BYTECODE = 0
    NATIVE = 1
    VIPER = 2
    ASSEMBLER = 3


class _FunctionTable:
    """Stands in the constants for the address of MicroPython's table of helpers."""

    def __repr__(self) -> str:
        return "mp_fun_table"


FUN_TABLE = _FunctionTable()


@dataclass
class RawCode:
    """A function's or module's code: bytecode with its prelude, or machine code; and the functions in it."""

    kind: CodeKind
    data: bytes
    children: list[RawCode] = field(default_factory=list)


@dataclass
class MpyFile:
    """A .mpy file: `names` and `constants` are the tables that code refers to by index."""

    architecture: str
    small_int_bits: int
    names: list[str]
    constants: list[object]
    code: RawCode


class _Reader:
    """Takes bytes off the front of a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise MpyError(f"the .mpy file ends at byte {len(self.data)}, within what it announced")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def uint(self) -> int:
        """A number in groups of seven bits, highest first; the top bit says that another byte follows."""
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    def name(self) -> str:
        length = self.uint()
        if length & 1:
            if length >> 1 >= len(STATIC_NAMES):
                raise MpyError(f"the .mpy file refers to fixed name {length >> 1}, which version 6 has not")
            return STATIC_NAMES[length >> 1]
        return self.take((length >> 1) + 1)[:-1].decode()

    def constant(self) -> object:
        kind = self.byte()
        if kind <= 4:
            return (FUN_TABLE, None, False, True, Ellipsis)[kind]
        length = self.uint()
        if kind == 10:
            return tuple(self.constant() for _ in range(length))
        text = self.take(length)
        if kind in (5, 6):
            self.take(1)
            return text if kind == 6 else text.decode()
        if kind > 9:
            raise MpyError(f"the .mpy file has a constant of kind {kind}, which version 6 has not")
        return (int, float, complex)[kind - 7](text.decode())

    def code(self) -> RawCode:
        kind_and_length = self.uint()
        kind = CodeKind(kind_and_length & 3)
        code = RawCode(kind, self.take(kind_and_length >> 3))
        if kind == CodeKind.NATIVE:
            self.uint()  # where its prelude starts, which only a debugger needs
        elif kind in (CodeKind.VIPER, CodeKind.ASSEMBLER):
            if self.uint() != 0:
                raise MpyError("the .mpy file was linked from C (it has relocations), not made by mpy-cross")
            if kind == CodeKind.ASSEMBLER:
                self.uint()
                self.uint()
        if kind_and_length & 4:
            code.children = [self.code() for _ in range(self.uint())]
        return code


def read_mpy(data: bytes) -> MpyFile:
    """The file's tables and code.

    Raises MpyError for anything but version 6 (sub-version 3 where it has machine code), or if it is cut off.
    """
    reader = _Reader(data)
    mark, version, features, small_int_bits = reader.take(4)
    if mark != ord("M") or version != VERSION:
        raise MpyError(f"not a .mpy file of version {VERSION}: it starts with {bytes(data[:4]).hex(' ')}")
    architecture = features >> 2 & 0xF
    if architecture >= len(ARCHITECTURES):
        raise MpyError(f"the .mpy file is for architecture number {architecture}, which version 6 has not")
    if architecture and features & 3 != SUB_VERSION:
        raise MpyError(f"machine code of .mpy version {VERSION}.{features & 3}, not {VERSION}.{SUB_VERSION}")
    if features & 0x40:
        reader.uint()  # which extensions of the architecture the code uses
    name_count, constant_count = reader.uint(), reader.uint()
    names = [reader.name() for _ in range(name_count)]
    constants = [reader.constant() for _ in range(constant_count)]
    return MpyFile(ARCHITECTURES[architecture], small_int_bits, names, constants, reader.code())


# The opcodes of py/bc0.h that bind a name to a function or to an integer at a module's top level.
LOAD_SMALL_INT = 0x22
LOAD_CONSTANT = 0x23
LOAD_SMALL_INT_MULTI = range(0x70, 0xB0)
SMALL_INT_MULTI_EXCESS = 16
STORE_NAME = 0x16
MAKE_FUNCTION = (0x32, 0x33)  # without and with default arguments


def _first_opcode(bytecode: bytes) -> int:
    """Index of the first opcode, past the signature, the sizes, the line numbers and the cells."""
    at = 0
    while bytecode[at] & 0x80:
        at += 1
    at += 1
    information = cells = shift = 0
    while True:
        byte = bytecode[at]
        at += 1
        information |= (byte >> 1 & 0x3F) << 6 * shift
        cells |= (byte & 1) << shift
        shift += 1
        if byte < 0x80:
            return at + information + cells


def _opcodes(bytecode: bytes) -> Iterator[tuple[int, int]]:
    """Each opcode with its argument (0 if it has none; of a jump, its encoded offset)."""
    reader = _Reader(bytecode)
    reader.at = _first_opcode(bytecode)
    while reader.at < len(bytecode):
        opcode = reader.byte()
        form = 0x3A4 >> 2 * (opcode >> 4) & 3
        argument = 0
        if form in (1, 2):
            start = reader.at
            argument = reader.uint()
            if opcode == LOAD_SMALL_INT and bytecode[start] & 0x40:
                argument -= 1 << 7 * (reader.at - start)
        elif form == 3:
            argument = reader.byte()
            if argument & 0x80:
                argument |= reader.byte() << 8
        if opcode & 0x9E == 0:
            reader.byte()
        yield opcode, argument


def module_globals(file: MpyFile) -> dict[str, RawCode | int]:
    """What the module binds to a name straight away: functions of any kind, and integers.

    Read off its bytecode, wherever a function is made, or an integer loaded, and the next opcode stores it
    under a name; nothing is executed, so what a condition or a call would choose is not seen.
    """
    bound: dict[str, RawCode | int] = {}
    value: RawCode | int | None = None
    for opcode, argument in _opcodes(file.code.data):
        if opcode == STORE_NAME and value is not None:
            bound[file.names[argument]] = value
        value = None
        if opcode in MAKE_FUNCTION:
            value = file.code.children[argument]
        elif opcode == LOAD_SMALL_INT:
            value = argument
        elif opcode in LOAD_SMALL_INT_MULTI:
            value = opcode - LOAD_SMALL_INT_MULTI.start - SMALL_INT_MULTI_EXCESS
        elif opcode == LOAD_CONSTANT:
            constant = file.constants[argument]
            value = constant if isinstance(constant, int) and not isinstance(constant, bool) else None
    return bound
