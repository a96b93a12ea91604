"""Recordings in, models out: everything of offbeat that runs before flashing."""

from __future__ import annotations

from typing import Any

__all__ = ["OffbeatDetector"]


def __getattr__(name: str) -> Any:
    """Import the estimator when it is asked for: scikit-learn takes a second that most commands do not need."""
    if name == "OffbeatDetector":
        from .estimator import OffbeatDetector

        return OffbeatDetector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
