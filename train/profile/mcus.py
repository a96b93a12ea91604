"""The cores that a model can be measured on: how to compile for them, how to emulate them, what their cycles are."""

from __future__ import annotations

from dataclasses import dataclass

from offbeat.train.errors import InputError

__all__ = ["DEFAULT_MCUS", "MCUS", "Cycles", "Mcu", "mcus_named"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Cycles:
    """Cycles of an instruction by its kind, each from least to most, with no wait state anywhere.

    plain: moves, additions, shifts, comparisons, branches that are not taken; load, store: of one register; word: each
    further register of a multiple load or store; multiply: also with accumulation; long_multiply: 32 x 32 to 64 bits;
    divide; taken: added where a branch, call or return is taken, for the pipeline to fill again.
    source: the document that says so.
    """

    plain: Range
    load: Range
    store: Range
    word: Range
    multiply: Range
    long_multiply: Range
    divide: Range
    taken: Range
    source: str


@dataclass(frozen=True)
class Mcu:
    """A core. target, flags: of zig cc; thumb: ARM's Thumb instructions, else RISC-V's; model: of Unicorn, by the end
    of its constant's name; clock: Hz, usual for boards with this core."""

    name: str
    target: str
    flags: tuple[str, ...]
    thumb: bool
    model: str
    clock: float
    cycles: Cycles


_M0 = Cycles(
    (1, 1), (1, 2), (2, 2), (1, 1), (1, 1), (1, 1), (1, 1), (1, 3),
    "Arm DDI 0432C table 3-1 and DDI 0484C table 3-1 (Cortex-M0 at most, Cortex-M0+ at least), single-cycle multiplier",
)  # fmt: skip
_M3 = Cycles(
    (1, 1), (1, 2), (1, 2), (1, 1), (1, 2), (3, 7), (2, 12), (1, 3),
    "Arm DDI 0337I table 3-1",
)  # fmt: skip
_M4 = Cycles(
    (1, 1), (1, 2), (1, 2), (1, 1), (1, 1), (1, 1), (2, 12), (1, 3),
    "Arm DDI 0439B table 3-1",
)  # fmt: skip
_M7 = Cycles(
    (0.5, 1), (0.5, 2), (0.5, 2), (0.5, 1), (0.5, 1), (0.5, 1), (2, 12), (0, 3),
    "none from Arm: at most as a Cortex-M4, at least two instructions a cycle and every branch predicted",
)  # fmt: skip
_M33 = Cycles(
    (0.5, 1), (1, 2), (1, 2), (1, 1), (1, 1), (1, 1), (2, 12), (1, 3),
    "none from Arm: at most as a Cortex-M4, at least with each pair of plain instructions in one cycle",
)  # fmt: skip
_E31 = Cycles(
    (1, 1), (1, 3), (1, 1), (1, 1), (1, 5), (1, 5), (2, 33), (0, 3),
    "SiFive E31 core complex manual, 3.2 and 3.3; other makers' cores differ",
)  # fmt: skip
_V2A = Cycles(
    (1, 2), (1, 3), (1, 2), (1, 1), (1, 1), (1, 1), (1, 1), (1, 3),
    "none from WCH: a two-stage pipeline, assumed one to two cycles an instruction",
)  # fmt: skip

_THUMB = "thumb-freestanding-eabi"
_RISCV = "riscv32-freestanding-none"

MCUS: dict[str, Mcu] = {
    mcu.name: mcu
    for mcu in (
        Mcu("cortex-m0", _THUMB, ("-mcpu=cortex_m0",), True, "CORTEX_M0", 48e6, _M0),
        Mcu("cortex-m3", _THUMB, ("-mcpu=cortex_m3",), True, "CORTEX_M3", 72e6, _M3),
        Mcu("cortex-m4", _THUMB, ("-mcpu=cortex_m4",), True, "CORTEX_M4", 64e6, _M4),
        Mcu("cortex-m7", _THUMB, ("-mcpu=cortex_m7",), True, "CORTEX_M7", 480e6, _M7),
        Mcu("cortex-m33", _THUMB, ("-mcpu=cortex_m33",), True, "CORTEX_M33", 150e6, _M33),
        Mcu("rv32imc", _RISCV, ("-mcpu=generic_rv32+m+c",), False, "SIFIVE_E31", 160e6, _E31),
        Mcu("rv32ec", _RISCV, ("-mcpu=generic_rv32+e+c", "-mabi=ilp32e"), False, "SIFIVE_E31", 48e6, _V2A),
    )
}  # fmt: skip

DEFAULT_MCUS = ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "rv32imc")


def mcus_named(text: str | None) -> list[Mcu]:
    """Cores of a list like ``cortex-m0,cortex-m4``, each once; None: the usual six. Raises InputError, which lists
    those that there are."""
    names = list(DEFAULT_MCUS) if text is None else [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in MCUS:
            raise InputError(f"--mcu {name} is none that offbeat can measure; choose among {', '.join(MCUS)}")
    if not names:
        raise InputError(f"--mcu names no core; choose among {', '.join(MCUS)}")
    return [MCUS[name] for name in dict.fromkeys(names)]
