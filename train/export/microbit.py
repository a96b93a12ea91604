"""A program for the BBC micro:bit v1: MicroPython's firmware with the detector's module in it, as one hex file.

The firmware is MicroPython for the micro:bit 1.0.1 (Debian: firmware-microbit-micropython); addresses are of its own
layout. Its file system, microfs, lies above its code: chunks of 128 bytes, numbered from 1. A file's first chunk is
0xFE, the offset at which its last chunk ends, the length of its name, name and data; each other one begins with the
number of the one before; each ends with the number of the next, or 0xFF. What never changes is read where it lies
in flash: an array is made that is empty, and told where its words are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offbeat.device.modelfile import parse
from offbeat.device.sensors.microbit import Accelerometer
from offbeat.device.sensors.semihosted import Ring
from offbeat.train.errors import InputError

from .micro import MicroModule, Table, micro_module, sized
from .micro_fit import check_fit
from .residual import External
from .target import Files

__all__ = [
    "MODULE",
    "files",
    "find_firmware",
    "flash_image",
    "live_module",
    "read_hex",
    "virtual_module",
    "write_hex",
]

MODULE: Final = "offbeat_model.py"

_FIRMWARE: Final = Path("/usr/share/firmware-microbit-micropython/firmware.hex")
_CODE_END: Final = 0x3B88C  # the firmware's last byte is before this
_FILES: Final = 0x3BC00  # chunk 1
_PERSISTENT: Final = 0x3F800  # the page that says with 0xFD that the file system has been made
_FLASH_END: Final = 0x40000
_CHUNK: Final = 128
_ROOM: Final = _CHUNK - 2
_MOST_CHUNKS: Final = (_PERSISTENT - _FILES) // _CHUNK
_VERSION: Final = b"micro:bit v1.0.1 with nRF51822"

_SIZES: Final = {"bytes": 1, "h": 2, "H": 2, "i": 4}
_VIEW: Final = "from machine import mem32\ndef view(a,b,c):\n d=id(a)\n mem32[d+8]=b\n mem32[d+12]=c\n return a"
"""Length and place of the items of an array, or of bytes, are words 2 and 3 of the object."""
_NO_VIEW: Final = "del view,mem32"
_MAIN: Final = (
    "import gc,micropython\nmicropython.opt_level(3)\ndel micropython\nf=open({name!r})\nwhile f:\n"
    " exec(f.read(int(f.read(6)[1:5])))\n gc.collect()\ndel f\nrun()\n"
)
_SEMIHOSTING: Final = (
    "import micropython\n@micropython.asm_thumb\ndef send(r0,r1):\n data(2,0xBEAB)\n"  # bkpt 0xAB
    "@micropython.asm_thumb\ndef addr(r0):\n mov(r0,r0)\ndel micropython"
)

_README: Final = """# A detector for the BBC micro:bit v1

`{hex}` is MicroPython with the detector in it: drag it onto the drive MICROBIT. It scores the accelerometer, 50 samples
a second of x, y and z in 1/1000 g, as soon as it has power. From then on, on the host:

    offbeat validate MODEL_DIR --port PORT
    offbeat monitor --port PORT

`offbeat_model.py` is the module that is in it, to read. Record for it with a sensor of the same name, rate and scale.
"""
_README_WITHOUT: Final = """# A detector for the BBC micro:bit v1

`offbeat_model.py` is the module, `main.py` what loads it, piece by piece. MicroPython's firmware 1.0.1 for the
micro:bit was not found where this was exported (Debian: apt install firmware-microbit-micropython; or --firmware FILE),
so there is no hex file; with the constants in the heap instead of in flash, there is 1 KB less room for the model.
"""


def find_firmware(named: str | Path | None = None) -> Path | None:
    """MicroPython's hex file for the micro:bit: named, or $OFFBEAT_MICROBIT_FIRMWARE, or Debian's; None without one."""
    place = Path(named or os.environ.get("OFFBEAT_MICROBIT_FIRMWARE") or _FIRMWARE)
    return place if place.is_file() else None


@dataclass
class _Constants:
    """Places constants in flash: the largest in the gap above the code, the others in chunks of a file.

    in_heap: bytes of those for which there was no place.
    """

    gap: bytearray = field(default_factory=bytearray)
    chunks: list[bytearray] = field(default_factory=list)
    in_heap: int = 0

    def place(self, data: bytes) -> int:
        """Address of the data, which is even."""
        at = (len(self.gap) + 1) // 2 * 2
        if _CODE_END + at + len(data) <= _FILES:
            self.gap += b"\xff" * (at - len(self.gap)) + data
            return _CODE_END + at
        if len(data) > _ROOM - 4:
            raise ValueError("a table is larger than a chunk")
        for number in range(len(self.chunks) + 1):
            if number == len(self.chunks):
                self.chunks.append(bytearray(3 if number == 0 else 0))  # the first begins with offset and name
            chunk = self.chunks[number]
            start = len(chunk) + 1 - len(chunk) % 2  # the chunk's own first byte stands at an even address
            if start + len(data) <= _ROOM:
                chunk += b"\0" * (start - len(chunk)) + data
                return _FILES + _CHUNK * number + 1 + start
        raise AssertionError

    def statements(self, tables: tuple[Table, ...]) -> list[str]:
        """What defines the tables on the board."""
        found = [_VIEW]
        for table in sorted(tables, key=lambda table: len(table.data), reverse=True):
            try:
                address = self.place(table.data)
            except ValueError:
                found.append(table.text)
                self.in_heap += len(table.data)
                continue
            empty = "bytes(bytearray(1))" if table.kind == "bytes" else f"array({table.kind!r})"
            found.append(f"{table.name} = view({empty},{len(table.data) // _SIZES[table.kind]},{address})")
        return [*found, _NO_VIEW]

    def file(self) -> bytes:
        """The file that holds the chunks, without what its first chunk begins with; its name has one letter."""
        return b"".join(bytes(chunk.ljust(_ROOM, b"\0")) for chunk in self.chunks)[3:]


def _file_system(contents: Mapping[str, bytes]) -> dict[int, bytes]:
    """Chunks by address. Raises InputError where they are too many."""
    made: dict[int, bytes] = {}
    number = 1
    for name, data in contents.items():
        whole = bytes([0, len(name)]) + name.encode() + data
        count = len(whole) // _ROOM + 1
        whole = bytes([len(whole) % _ROOM]) + whole[1:]
        for i in range(count):
            if number > _MOST_CHUNKS:
                raise InputError(
                    f"the module does not fit the micro:bit: it takes more than the {_MOST_CHUNKS * _ROOM} bytes of "
                    "its file system; train with fewer features"
                )
            first = 0xFE if i == 0 else number - 1
            last = 0xFF if i == count - 1 else number + 1
            part = whole[_ROOM * i : _ROOM * (i + 1)].ljust(_ROOM, b"\xff")
            made[_FILES + _CHUNK * (number - 1)] = bytes([first, *part, last])
            number += 1
    return made


def read_hex(text: str) -> dict[int, bytes]:
    """Data records of an Intel hex file by address. Raises ValueError where a line is none."""
    found: dict[int, bytes] = {}
    base = 0
    for line in text.split():
        record = bytes.fromhex(line[1:])
        if line[:1] != ":" or len(record) < 5 or sum(record) & 0xFF or len(record) != record[0] + 5:
            raise ValueError(line)
        if record[3] == 4:
            base = int.from_bytes(record[4:6], "big") << 16
        elif record[3] == 0:
            found[base + int.from_bytes(record[1:3], "big")] = record[4:-1]
    return found


def _record(kind: int, address: int, data: bytes) -> str:
    record = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return ":" + (record + bytes([-sum(record) & 0xFF])).hex().upper() + "\n"


def write_hex(parts: Mapping[int, bytes]) -> str:
    """An Intel hex file. parts: by address."""
    lines, base = [], -1
    for address, data in sorted(parts.items()):
        for at in range(0, len(data), 16):
            place = address + at
            if place >> 16 != base:
                base = place >> 16
                lines.append(_record(4, 0, base.to_bytes(2, "big")))
            lines.append(_record(0, place & 0xFFFF, data[at : at + 16]))
    return "".join([*lines, _record(1, 0, b"")])


def _base(firmware: Path) -> dict[int, bytes]:
    try:
        parts = read_hex(firmware.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise InputError(f"{firmware}: is no hex file that can be read ({str(error)[:80]})") from None
    code = b"".join(data for _, data in sorted(parts.items()))
    if _VERSION not in code or any(_CODE_END <= place < 0x10000000 for place in parts):
        raise InputError(
            f"{firmware}: is not MicroPython 1.0.1 for the micro:bit v1; Debian's firmware-microbit-micropython has it"
        )
    return parts


def flash_image(module: MicroModule, firmware: Path) -> str:
    """The hex file with a module. Raises InputError where the firmware is another one, or the module too large."""
    constants = _Constants()
    text = sized(module.chunks(constants.statements(module.tables)))
    check_fit(module, constants.in_heap)
    empty = dict.fromkeys(range(_FILES, _FLASH_END, 16), b"\xff" * 16)
    parts = {_CODE_END: bytes(constants.gap), **empty}
    contents = {"d": constants.file()} if constants.chunks else {}
    contents |= {"main.py": _MAIN.format(name="m").encode(), "m": text.encode()}
    for place, chunk in _file_system(contents).items():
        parts |= {place + at: chunk[at : at + 16] for at in range(0, _CHUNK, 16)}
    parts[_PERSISTENT] = b"\xfd".ljust(16, b"\xff")
    return write_hex({**_base(firmware), **parts})


def live_module(model: bytes) -> MicroModule:
    """The module that scores the micro:bit's own accelerometer. Raises InputError where the model does not fit."""
    accelerometer = object()
    return micro_module(
        parse(model), Accelerometer(accelerometer), externals={id(accelerometer): External("accelerometer")}
    )


def virtual_module(model: bytes, about: Mapping[str, object]) -> MicroModule:
    """The module for an emulated micro:bit, whose sensor is the host's. about: see sensors.Source."""

    def semihost(operation: int, words: object) -> int:
        raise NotImplementedError

    def address(buffer: object) -> int:
        raise NotImplementedError

    return micro_module(
        parse(model), Ring(about, semihost, address),
        externals={id(semihost): External("send"), id(address): External("addr")},
        imports="from microbit import uart", prelude=(_SEMIHOSTING,),
    )  # fmt: skip


def files(model: bytes, firmware: str | Path | None = None) -> Files:
    """The module, what loads it, a README and, where MicroPython's firmware is found, the hex file.

    firmware: of MicroPython for the micro:bit. Raises InputError where the model does not fit, or there is
    no such file.
    """
    found = find_firmware(firmware)
    if firmware is not None and found is None:
        raise InputError(f"--firmware {firmware} is no file; name MicroPython's hex file for the micro:bit v1")
    module = live_module(model)
    made: Files = {MODULE: module.source, "main.py": _MAIN.format(name=MODULE)}
    check_fit(module)
    if found is None:
        return {**made, "README.md": _README_WITHOUT}
    return {**made, "offbeat.hex": flash_image(module, found), "README.md": _README.format(hex="offbeat.hex")}
