"""Training that takes seconds, for tests of what comes before and after the families."""

from __future__ import annotations

import pytest

from offbeat.train import training

__all__ = ["try_only"]


def try_only(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Let --family auto try these families alone."""
    patch.setattr(
        training, "_families", lambda options, slow: list(names) if options.family == "auto" else [options.family]
    )
