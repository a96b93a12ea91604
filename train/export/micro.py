"""One module for a board with 9 KB of heap, made of the board's own sources for one model.

What the model settles is settled here, see residual.py; what one place calls becomes part of it, see inlining.py; names
are those that the firmware has in its flash already. The module is a sequence of chunks that a board compiles one
after the other, the largest first, for its parser needs several times the room of what it leaves.
"""

from __future__ import annotations

import ast
import re
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from offbeat.device import VERSION, features, lines, micro, tables
from offbeat.device.detector import Decision, Detector, Ring
from offbeat.device.families import FAMILIES
from offbeat.device.fit import misfit
from offbeat.device.modelfile import BAND, CHANGE, CORRELATION, Model
from offbeat.device.sensors import Source, clock
from offbeat.train.errors import InputError

from .inlining import inlined
from .joining import without_tuples
from .renaming import MICROBIT_NAMES, renamed
from .residual import External, Residue, residue

__all__ = ["FAMILIES_THAT_FIT", "MicroModule", "Table", "micro_module", "sized"]

FAMILIES_THAT_FIT: Final = ("gaussian", "mixture", "pca", "prototypes")
"""Families of which a model may be small enough. The others' scorers alone would take the heap."""

_KEPT: Final = ("run", "f", "send", "addr")
_CLOCK: Final = ("ticks_ms", "ticks_us", "ticks_add", "ticks_diff")
_SCALE: Final = 0.001  # g, as the text of a CHANNEL line in micro.py says it
_SMALL: Final = frozenset({-2, -1, 0, 1})  # what a small integer of bytecode leaves after >> 30


@dataclass(frozen=True)
class Table:
    """Constant data of the module. name: its variable; kind: typecode of an array, or "bytes"; data: little-endian."""

    name: str
    kind: str
    data: bytes

    @property
    def text(self) -> str:
        """The statement that makes it."""
        return f"{self.name} = {_literal(self.data if self.kind == 'bytes' else array(self.kind, self.data))}"


@dataclass(frozen=True)
class MicroModule:
    """The module. imports: first chunk; tables: data that never changes; data: data that does; code: functions.

    sensor_imports: what the sensor's driver needs of the board.
    """

    identity: str
    imports: str
    names: tuple[str, ...]
    tables: tuple[Table, ...]
    data: tuple[str, ...]
    code: tuple[str, ...]

    def chunks(self, tables: Collection[str] | None = None) -> list[str]:
        """Chunks in order. tables: statements for the tables, where they are not part of the module."""
        made = [table.text for table in self.tables] if tables is None else list(tables)
        # All globals at once, so that their dictionary has its size before the heap is in pieces.
        names = sorted(set(self.names) - {table.name for table in self.tables})
        return [self.imports, *made, "=".join(names) + "=0", *self.data, *self.code, "del array\nf=0"]

    @property
    def source(self) -> str:
        """The module as one file: plain Python, each chunk after a comment that says its length."""
        return sized(self.chunks())


def sized(chunks: Collection[str]) -> str:
    """Chunks as one text: before each a line, # and its length in four digits."""
    return "".join(f"#{len(chunk) + 1:04d}\n{chunk}\n" for chunk in chunks)


class _Port:
    """Stands for the board's serial port, of which nothing is called here."""

    def write(self, data: bytes, length: int) -> None:
        """Never called."""


def _refuse(model: Model, sensor: Source) -> None:
    family = FAMILIES.get(model.family, str(model.family))
    if family not in FAMILIES_THAT_FIT:
        raise InputError(
            f"a model of family {family} does not fit the micro:bit; train with --family "
            + " or ".join(FAMILIES_THAT_FIT)
        )
    why = misfit(model, sensor)
    if why:
        have = {
            "channels": f"{len(sensor.channels)} channels ({', '.join(sensor.channels)})",
            "rate": f"{sensor.rate_millihertz / 1000:g} Hz",
            "range": f"{sensor.scales[0]} {sensor.units[0]} a count",
            "sensor": sensor.sensor,
        }[why]
        raise InputError(
            f"the model is for another {why} than the micro:bit's sensor has: {have}; train with a recording of it"
        )


def _refuse_sensor(sensor: Source) -> None:
    if sensor.channels != ("x", "y", "z") or {*sensor.units} != {"g"} or any(float(s) != _SCALE for s in sensor.scales):
        raise InputError(
            f"the micro:bit measures x, y and z in {_SCALE:g} g a count, not {', '.join(sensor.channels)} in "
            f"{sensor.scales[0]} {sensor.units[0]}; choose a recording of it, or the simulator's --sensor MMA8653"
        )


def _who(model: Model, sensor: Source, board: str) -> bytes:
    rate = sensor.rate_millihertz
    return (
        f"v=1 fw={VERSION} model={model.identity} rate={rate // 1000}.{rate % 1000:03d} "
        f"channels={len(sensor.channels)} window={model.window} hop={model.hop} line={micro.LINE} mode=score "
        f"board={board} sensor={sensor.sensor}"
    ).encode()


def _facts(model: Model) -> dict[str, dict[str, Collection[int]]]:
    kinds = {kind for kind, *_ in model.features}
    return {
        "Features.compute": {"kind": kinds},
        "Features._feature": {"kind": kinds - {BAND, CORRELATION, CHANGE}},
        "Ring.push": {"self.filled": range(model.window + model.hop)},  # Micro.sample() gives it no more
        "standardize": {"x >> 30": _SMALL},
        "without_baseline": {"b >> 30": _SMALL},
    }


def _evaluated(
    model: Model, sensor: Source, board: str, externals: Mapping[int, External]
) -> tuple[Residue, dict[int, str]]:
    """The residue, and which of its data never change, by id."""
    port = _Port()
    program = micro.Micro(model, sensor, port, _who(model, sensor, board), reasons=False)
    detector = program.detector
    parts: Any = detector.features
    known = {
        **externals,
        id(port): External("uart"),
        id(program.lines._write): External("uart.write"),
        **{id(getattr(clock, name)): External(name) for name in _CLOCK},
    }
    classes: list[type] = [
        micro.Micro,
        type(program.lines),
        lines.LineWriter,
        Detector,
        Decision,
        Ring,
        features.Features,
    ]
    classes += [type(detector.scorer), Source, type(sensor)]
    found = residue(
        program, {"run": program.run}, classes=classes, externals=known, facts=_facts(model),
        hooks={"Features.compute": program.sample},
        records=(parts._state, parts._other_state),
    )  # fmt: skip
    constant = [tables.LOG2, tables.CRC, parts.descriptors, parts.scales]
    constant += [parts.sine, parts._slew]
    constant += [value for value in vars(detector.scorer).values() if isinstance(value, array | memoryview)]
    return found, {id(value): "" for value in constant}


def _made_local(functions: Collection[ast.FunctionDef], cells: Collection[tuple[str, int]]) -> list[tuple[str, int]]:
    """Make variables that run() alone uses, which never ends, its locals; returns the others.

    So are those that a window's features leave for one another, where one function is left of what computes them.
    """
    left = []
    for name, value in cells:
        users = [f for f in functions if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(f))]
        scratch = name.startswith("cell_Features__") and len(users) == 1
        if not scratch and [function.name for function in users] != ["run"]:
            left.append((name, value))
            continue
        (run,) = users
        for node in run.body:
            if isinstance(node, ast.Global):
                node.names = [other for other in node.names if other != name]
        run.body = [node for node in run.body if not (isinstance(node, ast.Global) and not node.names)]
        at = int(isinstance(run.body[0], ast.Global))
        run.body.insert(at, ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value)))
    return left


def _literal(value: Any) -> str:
    if isinstance(value, array):
        data = value.tobytes()
        return f"array({value.typecode!r},{f'bytes({len(data)})' if not any(data) else repr(data)})"
    if isinstance(value, bytearray):
        return f"bytearray({len(value)})" if not any(value) else f"bytearray({bytes(value)!r})"
    return repr(bytes(value)) if isinstance(value, memoryview) else repr(value)


def _table(name: str, value: Any) -> Table:
    if isinstance(value, array):
        if value.typecode == "H" and all(word < 256 for word in value):
            return Table(name, "bytes", bytes(list(value)))
        return Table(name, value.typecode, value.tobytes())
    return Table(name, "bytes", bytes(value))


def _text(node: ast.stmt) -> str:
    """Source with one blank a level."""
    text = without_tuples(ast.unparse(ast.fix_missing_locations(node)))
    return re.sub(r"^( {4})+", lambda blanks: " " * (len(blanks.group()) // 4), text, flags=re.MULTILINE)


def _statements(pairs: Collection[tuple[str, Any]]) -> Iterator[ast.stmt]:
    for name, value in pairs:
        yield ast.parse(f"{name} = {_literal(value)}").body[0]


def micro_module(
    model: Model, sensor: Source, board: str = "microbit", externals: Mapping[int, External] | None = None,
    imports: str = "from microbit import uart,accelerometer", prelude: Collection[str] = (),
) -> MicroModule:  # fmt: skip
    """The module for a model and a sensor.

    externals: what of the sensor's attributes only the board has, by id; imports, prelude: statements and chunks that
    define them there. Raises InputError where the model is for another sensor, or of a family that is too large.
    """
    _refuse_sensor(sensor)
    _refuse(model, sensor)
    found, constant = _evaluated(model, sensor, board, externals or {})
    functions = inlined([function for _, function in found.functions], _KEPT)
    cells_left = _made_local(functions, found.cells)
    data = list(_statements(found.data))
    cells = list(_statements(cells_left))
    used = {n.id for function in functions for n in ast.walk(function) if isinstance(n, ast.Name)}
    names = renamed([*functions, *data, *cells], _KEPT, MICROBIT_NAMES)
    pairs = [(names[name], value) for name, value in found.data if name in used]
    fixed = {name for name, value in pairs if id(value) in constant or isinstance(value, bytes)}
    changing = [ast.unparse(node) for node in _statements([pair for pair in pairs if pair[0] not in fixed])]
    code = sorted((_text(function) for function in functions), key=len, reverse=True)
    return MicroModule(
        identity=model.identity,
        imports=f"import gc\nfrom array import array\nfrom time import {','.join(_CLOCK)}\n{imports}",
        names=tuple(sorted(name for name in names.values())),
        tables=tuple(_table(name, value) for name, value in pairs if name in fixed),
        data=(*prelude, *changing, "\n".join(_text(cell) for cell in cells)),
        code=tuple(code),
    )
