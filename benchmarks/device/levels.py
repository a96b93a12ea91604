"""The levels that offbeat is to reach, each held against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .build import CORES
from .rows import OURS, OURS_PAIR, Row

__all__ = ["Result", "results"]

_EMLEARN_GCC = {  # instructions by gcc 12.2 -O2, which the levels were set against
    "mixture of 4, diag": (780_341, 339_228, 21_250),
    "mixture of 4, full": (780_341, 339_228, 21_250),
}
_INSTRUCTIONS = {
    ("window, gaussian", OURS): (40_000, 27_000, 15_700),
    ("window, autoencoder", OURS): (43_500, 28_700, 17_700),
    ("gaussian", OURS): (3_300, 2_200, 1_350),
    ("forest of 20", f"{OURS}, if-else"): (945, 606, 598),
    ("MLPerf Tiny autoencoder", OURS): (1_040_000, 640_000, 300_000),
    ("real FFT of 128, power", OURS): (8_800, 5_500, 3_250),
}
_FLASH = {
    ("window, gaussian", OURS_PAIR): 3_200,
    ("window, autoencoder", OURS_PAIR): 4_200,
    ("gaussian", OURS): 1_024,
    ("MLPerf Tiny autoencoder", OURS): 8_192,
    ("real FFT of 128, power", OURS): 1_331,
}
_RAM = {("window, gaussian", OURS): 900, ("window, autoencoder", OURS): 950}
_SHARE = {"mixture of 4, diag": (40, 40, 5), "mixture of 4, full": (40, 40, 5)}
_VIPER = (3, 4, 6)


@dataclass(frozen=True)
class Result:
    """A level: of what, on which core, at most how much, and how much was found; None where nothing was."""

    work: str
    quantity: str
    core: str
    most: float
    found: float | None
    why: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.found is not None and self.found <= self.most


class _Found:
    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {(row.work, row.contender, row.core): row for row in rows}

    def row(self, work: str, who: str, core: str) -> Row | None:
        """The row, where it has numbers."""
        found = self._rows.get((work, who, core))
        return None if found is None or found.failure else found

    def why(self, work: str, who: str, core: str) -> str:
        """Why there is none."""
        found = self._rows.get((work, who, core))
        return found.failure if found else "not measured"


def _fixed(found: _Found, position: int, core: str) -> list[Result]:
    given = []
    for (work, who), most in _INSTRUCTIONS.items():
        row = found.row(work, who, core)
        name = work if who == OURS else f"{work}, {who.split(', ')[1]}"
        value = row.instructions if row else None
        given.append(Result(name, "instructions", core, most[position], value, found.why(work, who, core)))
    for quantity, levels in (("flash", _FLASH), ("RAM with stack", _RAM)):
        for (work, who), limit in levels.items():
            row = found.row(work, who, core)
            size = (row.flash if quantity == "flash" else row.ram) if row else None
            given.append(Result(work, f"{quantity}, bytes", core, limit, size, found.why(work, who, core)))
    return given


def _against_emlearn(found: _Found, position: int, core: str) -> list[Result]:
    given = []
    for work, shares in _SHARE.items():
        row, peer = found.row(work, OURS, core), found.row(work, "emlearn", core)
        least = min(_EMLEARN_GCC[work][position], peer.instructions) if peer else _EMLEARN_GCC[work][position]
        share = shares[position]
        value = row.instructions if row else None
        given.append(
            Result(work, f"instructions, 1/{share} of emlearn", core, least / share, value, found.why(work, OURS, core))
        )
        if peer and peer.flash:
            given.append(Result(work, "flash, 1/4 of emlearn", core, peer.flash / 4, row.flash if row else None))
    row, peer = found.row("forest of 20", f"{OURS}, table", core), found.row("forest of 20", "emlearn, table", core)
    if peer and peer.flash:
        most = 0.7 * peer.flash
        given.append(Result("forest of 20, table", "flash, 0.7 of emlearn", core, most, row.flash if row else None))
    return given


def results(rows: Sequence[Row]) -> list[Result]:
    """Every level on every core, in the order of the cores."""
    found, given = _Found(rows), []
    for position, core in enumerate(CORES):
        given += _fixed(found, position, core) + _against_emlearn(found, position, core)
        work = "window, k-means 8 x 24"
        ours, viper = found.row(work, OURS, core), found.row(work, f"{OURS}, MicroPython viper", core)
        times = _VIPER[position]
        if ours:
            value = viper.instructions if viper else None
            why = found.why(work, f"{OURS}, MicroPython viper", core)
            given.append(Result(work, f"viper, {times} times our C", core, times * ours.instructions, value, why))
    return given
