"""Make NAME_bytecode.py of each NAME_viper.py: the same lines without viper. Called by `make generate`.

Arrays have no addresses in bytecode, so a pointer that moves becomes the place in its array that it points to,
NAME_at, counted in the array's words:

    row = ptr16(int(rows) + step_bytes)      row_at = rows_at + step     (or: step, where rows does not move)
    row[3]                                   rows[row_at + 3]
    step_bytes = 2 * columns                 step = columns

and, because arrays hold 16-bit words with their sign and viper loads them without:

    (row[3] ^ 0x8000) - 0x8000               rows[row_at + 3]
    row[3] ^ 0x8000                          rows[row_at + 3] + 32768

Two words that viper reads or writes at once are the low one and the high one, of numbers without sign:

    ptr32(row)[1]                            (rows[row_at + 3] << 16) + rows[row_at + 2]

or of any kind, where they change places with two others, in three lines that come to six.

A loop marked `# unrolled` is left out, as are lines marked so: the loop over what is left of it, whose count is marked
`# rest`, does it all. Bytecode gains little from unrolling, and lies in the heap of a small board.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent / "offbeat"
HEADING = '''"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from {name} by `make generate`; a test holds the two together. Do not edit.
"""
'''
_UNROLLED = "  # unrolled"
_MOVE = re.compile(r"^( +)(\w+) = ptr(?:8|16|32)\((.*)\)$")
_COPY = re.compile(r"^( +)(\w+) = (\w+)$")
_PAIR = re.compile(r"ptr32\((\w+)\)\[(\d+)\]")
_EXCHANGE = re.compile(
    r"^( +)(\w+) = ptr32\((\w+)\)\[(\d)\]\n +ptr32\(\3\)\[\4\] = ptr32\((\w+)\)\[(\d)\]\n"
    r" +ptr32\(\5\)\[\6\] = \2\n",
    re.MULTILINE,
)
_BYTES = {"8": 1, "16": 2, "32": 4}


def sources() -> list[Path]:
    """The viper modules, each of which has a twin."""
    return sorted(PACKAGE.rglob("*_viper.py"))


def twin_of(viper: Path) -> Path:
    """Where the twin of a viper module lies."""
    return viper.with_name(viper.name.replace("_viper.py", "_bytecode.py"))


def bytecode_twin(viper: Path) -> str:
    """Return the source of the bytecode twin for a module of viper kernels."""
    body = viper.read_text(encoding="utf-8").split("import micropython\n", 1)[1]
    before, *functions = body.split("@micropython.viper\n")
    body = before + "".join(_Function(text).twin() for text in functions)
    body = re.sub(r": (?:ptr8|ptr16|ptr32|int)(?=[,)])", "", body)
    body = body.replace(") -> int:", "):")
    assert not re.search(r"\bptr\d|_bytes\b|# (?:rest|unrolled)", body), f"{viper.name} has what bytecode cannot do"
    return HEADING.format(name=viper.name) + body


def _by_halves(exchange: re.Match[str]) -> str:
    """Two exchanges of one word for one of two words."""
    indent, between, one, one_at, other, other_at = exchange.groups()
    lines = []
    for half in (0, 1):
        here, there = f"{one}[{2 * int(one_at) + half}]", f"{other}[{2 * int(other_at) + half}]"
        lines += [f"{between} = {here}", f"{here} = {there}", f"{there} = {between}"]
    return "".join(f"{indent}{line}\n" for line in lines)


def _rolled(lines: list[str]) -> Iterator[str]:
    """The lines without what is unrolled."""
    depth = None  # of the loop that is being left out
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if depth is not None and (indent > depth or not line):
            continue
        depth = None
        if not line.endswith(_UNROLLED):
            yield re.sub(r" & \d+  # rest$", "", line)
        elif line.lstrip().startswith("while "):
            depth = indent


class _Function:
    """One function's lines, and the arrays that its pointers point into."""

    def __init__(self, text: str) -> None:
        self._lines = list(_rolled(_EXCHANGE.sub(_by_halves, text).splitlines()))
        self._sizes = {name: _BYTES[bits] for name, bits in re.findall(r"(\w+): ptr(8|16|32)\b", self._lines[0])}
        self._arrays: dict[str, str] = {}  # pointer that moves -> its array
        for line in self._lines:
            if move := _MOVE.match(line):
                base = re.findall(r"\bint\((\w+)\)", move[3])[0]
                self._arrays[move[2]] = self._arrays.get(base, base)
            elif (copy := _COPY.match(line)) and copy[3] in self._arrays:
                self._arrays[copy[2]] = self._arrays[copy[3]]

    def twin(self) -> str:
        """The function's source in bytecode."""
        start = next(i for i, line in enumerate(self._lines) if line.endswith('"""') and i > 0) + 1
        moving = [name for name, array in self._arrays.items() if name == array]
        places = [f"    {name}_at = 0" for name in moving]
        lines = [*self._lines[:start], *places, *(self._line(line) for line in self._lines[start:])]
        return "\n".join(lines) + "\n"

    def _line(self, line: str) -> str:
        if move := _MOVE.match(line):
            return f"{move[1]}{move[2]}_at = {self._place(move[2], move[3])}".replace("_bytes", "")
        if (copy := _COPY.match(line)) and copy[3] in self._arrays:
            return f"{copy[1]}{copy[2]}_at = {copy[3]}_at"
        if "_bytes" in line:
            line = re.sub(r"= 2 \* (?:\((.*)\)$)?", r"= \1", line.replace("_bytes", ""))
        if (pair := _PAIR.search(line)) and (value := re.search(r"\] = (\w+)$", line)):
            indent = line[: pair.start()]
            low, high = self._pair(pair)
            return f"{indent}{low} = {value[1]} & 0xFFFF\n{indent}{high} = {value[1]} >> 16"
        line = _PAIR.sub(lambda pair: "(({1} << 16) + {0})".format(*self._pair(pair)), line)
        words = "|".join({*self._arrays, *self._sizes}) or "-"
        line = re.sub(rf"\(\(((?:{words})\[[^][]+\]) \^ 0x8000\) - 0x8000\)", r"\1", line)
        line = re.sub(rf"\(((?:{words})\[[^][]+\]) \^ 0x8000\) - 0x8000", r"\1", line)
        line = re.sub(rf"((?:{words})\[[^][]+\]) \^ 0x8000", r"\1 + 32768", line)
        return self._indexed(line)

    def _pair(self, found: re.Match[str]) -> tuple[str, str]:
        """Low and high word of what a pointer to 32 bits reads or writes."""
        at = 2 * int(found[2])
        return self._indexed(f"{found[1]}[{at}]"), self._indexed(f"{found[1]}[{at + 1}]")

    def _place(self, name: str, address: str) -> str:
        """What comes into NAME_at for an address in bytes."""
        size = self._sizes[self._arrays[name]]

        def words(found: re.Match[str]) -> str:
            factor = found[0].endswith(" * ")
            count, rest = divmod(int(found[0].removesuffix(" * ")), size)
            assert rest == 0, f"{address} is no whole number of words"
            return f"{count} * " * (count != 1) if factor else str(count)

        place = re.sub(r"(?<![\w(])\d+(?: \* )?", words, address)
        place = re.sub(r"\+ (\w+) \+ \1$", r"+ \1", place) if size == 2 else place
        for base in set(re.findall(r"\bint\((\w+)\)", address)) - {*self._arrays}:
            place = place.replace(f"int({base}) + ", "")
        return self._addresses(place)

    def _addresses(self, line: str) -> str:
        """Addresses of pointers that move are their places."""
        for name in self._arrays:
            line = line.replace(f"int({name})", f"{name}_at")
        return line

    def _indexed(self, line: str) -> str:
        for name, array in self._arrays.items():
            line = re.sub(rf"\b{name}\[0\]", f"{array}[{name}_at]", line)
            line = re.sub(rf"\b{name}\[(\d+)\]", rf"{array}[{name}_at + \1]", line)
        return self._addresses(line)


if __name__ == "__main__":
    for source in sources():
        twin_of(source).write_text(bytecode_twin(source), encoding="utf-8")
