"""Cycles from instructions: a range, by the kinds of instructions and what a core's manual says of each."""

from __future__ import annotations

from .instructions import Kinds
from .mcus import Cycles

__all__ = ["ASSUMPTION", "cycles_of"]

ASSUMPTION = (
    "Time is estimated: exact instructions times the cycles of each kind in the core's manual, code and data without "
    "wait states. Flash that is slower than the core (above some 24 to 30 MHz on most parts) adds to it where neither "
    "prefetch nor cache hides it, as does every interrupt."
)


def cycles_of(kinds: Kinds, cycles: Cycles) -> tuple[float, float]:
    """Cycles that instructions take, at least and at most."""
    numbers = kinds.as_dict()
    low = sum(count * getattr(cycles, kind)[0] for kind, count in numbers.items())
    high = sum(count * getattr(cycles, kind)[1] for kind, count in numbers.items())
    return low, high
