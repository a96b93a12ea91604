"""Models that ship, and what a test of measuring needs to be skipped."""

from __future__ import annotations

import pytest

from offbeat.train.profile import toolchain_missing
from offbeat.train.resources import folder

__all__ = ["needs_toolchain", "shipped"]

needs_toolchain = pytest.mark.skipif(
    bool(toolchain_missing()), reason="needs a compiler and an emulator of boards: pip install 'offbeat[profile]'"
)


def shipped(machine: str = "fan") -> bytes:
    """The model file of a machine."""
    return (folder("models") / machine / "model.beat").read_bytes()
