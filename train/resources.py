"""Where the files lie that ship with offbeat beside its Python modules."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

__all__ = ["environment", "folder"]


def folder(package: str) -> Path:
    """Return the directory of a package of offbeat, for instance ``"device"`` or ``"runtime"``.

    Raises ModuleNotFoundError where the installation lacks it.
    """
    module = import_module(f"offbeat.{package}")
    assert module.__file__ is not None  # noqa: S101  every such package has an __init__.py
    return Path(module.__file__).parent


def environment() -> dict[str, str]:
    """Versions that a result depends on: offbeat, Python, NumPy, scikit-learn."""
    import platform
    from importlib.metadata import version

    names = ("offbeat", "numpy", "scikit-learn")
    return {**{name: version(name) for name in names}, "python": platform.python_version()}
