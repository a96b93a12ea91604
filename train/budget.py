"""False-alarm budgets that a person can state: ``1/day``, ``2/week``, ``0.5/hour``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InputError

__all__ = ["Budget", "duration", "parse_budget", "rate_in_words"]

_HOURS = {"hour": 1.0, "day": 24.0, "week": 168.0, "month": 730.5, "year": 8766.0}


@dataclass(frozen=True)
class Budget:
    """How many false alarms are acceptable. text: as stated; per_hour: alarms an hour."""

    text: str
    per_hour: float


def parse_budget(text: str) -> Budget:
    """Read ``NUMBER/UNIT`` or ``NUMBER per UNIT``, UNIT one of hour, day, week, month, year.

    Raises InputError.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/|per)\s*([a-z]+?)s?\s*", text.lower())
    if not match or match[2] not in _HOURS or float(match[1]) == 0:
        raise InputError(
            f"{text!r} is not a false-alarm budget; write a number above 0 and a unit, for instance 1/day, "
            "2/week or 0.5/hour"
        )
    return Budget(f"{match[1]}/{match[2]}", float(match[1]) / _HOURS[match[2]])


def duration(hours: float) -> str:
    """A length of time as a person says it: ``13 minutes``, ``2.5 hours``, ``9 days``."""
    for unit, length in (("day", 24.0), ("hour", 1.0), ("minute", 1 / 60)):
        if hours >= 2 * length or unit == "minute":
            break
    if hours < 2 / 60:
        unit, length = "second", 1 / 3600
    value = hours / length
    number = f"{value:.0f}" if value >= 10 or abs(value - round(value)) < 0.05 else f"{value:.1f}"
    return f"{number} {unit}{'' if number == '1' else 's'}"


def rate_in_words(per_hour: float) -> str:
    """A rate of alarms as a person says it: ``1 alarm per 13 minutes``."""
    return f"1 alarm per {duration(1 / per_hour)}"
