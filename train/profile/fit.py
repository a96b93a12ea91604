"""Which boards a measured model fits, by how much it is too large for the others, and what would make it smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offbeat.device.modelfile import Model
from offbeat.train.boards import BOARDS, Board, limits_of
from offbeat.train.limits import size_in_words, time_in_words

from .measure import Measurement

__all__ = ["Fit", "advice", "fits"]

_ADVICE = {
    "flash": "a smaller family (train --family kmeans or gaussian), fewer features (--features time), --optimize Os",
    "RAM": "a shorter --window or --hop (the samples), fewer --channels, features without correlations",
    "time": "features without bands (--features time), a shorter --window, a longer --hop",
}


@dataclass(frozen=True)
class Fit:
    """A board and a model. fits: None where the board's core was not measured; excess: what is too large, "flash",
    "RAM" or "time", and by how much, bytes or seconds; text: as a sentence says it; share: of the time between two
    windows that a window takes at most, None where it was not measured."""

    board: Board
    fits: bool | None
    excess: Mapping[str, float]
    text: str
    share: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "board": self.board.name,
            "core": self.board.core,
            "fits": self.fits,
            "excess": dict(self.excess),
            "busy": self.share,
            "text": self.text,
        }


def fits(model: Model, measurements: Sequence[Measurement]) -> list[Fit]:
    """Every board of train/boards.py: does half of its flash and RAM hold the model, and is a window done before the
    next is due at its clock (by the estimate of most cycles)?"""
    by_name = {measurement.firmware.mcu.name: measurement for measurement in measurements}
    found = []
    for board in BOARDS.values():
        if not board.mcu:
            found.append(Fit(board, None, {}, "not measured: no emulator of its core", None))
        elif board.mcu not in by_name:
            found.append(Fit(board, None, {}, f"not measured: say --mcu {board.mcu}", None))
        else:
            found.append(_fit(board, model, by_name[board.mcu]))
    return found


def _fit(board: Board, model: Model, measured: Measurement) -> Fit:
    limits, hop = limits_of(board), model.hop * 1000 / model.rate_millihertz
    spent = measured.seconds(board.clock)[1]
    excess: dict[str, float] = {}
    for what, size, limit in (
        ("flash", measured.flash + measured.helpers, limits.flash),
        ("RAM", measured.ram_in_all, limits.ram),
    ):
        if limit is not None and size > limit:
            excess[what] = size - limit
    if spent > hop:
        excess["time"] = spent - hop
    parts = [
        f"{time_in_words(by)} longer than the {time_in_words(hop)} between two windows"
        if what == "time"
        else f"{size_in_words(int(by))} of {what} more than half of the board's"
        for what, by in excess.items()
    ]
    return Fit(board, not excess, excess, "; ".join(parts), spent / hop)


def advice(found: Sequence[Fit]) -> list[str]:
    """What would make the model smaller where a board lacks something; one sentence a thing."""
    lacking = [what for what in _ADVICE if any(what in fit.excess for fit in found)]
    return [f"Less {what}: {_ADVICE[what]}" for what in lacking]
