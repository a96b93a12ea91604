"""Where the files lie that ship with offbeat beside its Python modules."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

__all__ = ["folder"]


def folder(package: str) -> Path:
    """Return the directory of a package of offbeat, for instance ``"device"`` or ``"runtime"``.

    Raises ModuleNotFoundError where the installation lacks it.
    """
    module = import_module(f"offbeat.{package}")
    assert module.__file__ is not None  # noqa: S101  every such package has an __init__.py
    return Path(module.__file__).parent
