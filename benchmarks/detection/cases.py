"""The data sets of the benchmark, loaded by ``protocols.py``, which lies beside the recordings."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["DATA_SETS", "PARTS", "DataSet", "data_directory", "load", "parts_present", "protocols"]

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("dev", "holdout")


def data_directory() -> Path:
    """Where the recordings are: $OFFBEAT_DATA, else shared/data beside the repository."""
    return Path(os.environ.get("OFFBEAT_DATA") or ROOT.parent / "shared" / "data").resolve()


@cache
def protocols() -> Any:
    """The module ``protocols.py`` of the recordings, imported by its path."""
    path = data_directory() / "protocols.py"
    spec = importlib.util.spec_from_file_location("offbeat_protocols", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class DataSet:
    """A set of recordings under its protocol.

    key: what --only names; folder: below the data directory; rate: Hz of the windows or rows; loader: of
    protocols.py, called with options; large: so many rows that only some methods are run on it.
    """

    key: str
    title: str
    folder: str
    rate: float
    loader: str
    options: tuple[tuple[str, Any], ...] = ()
    large: bool = False


DATA_SETS: tuple[DataSet, ...] = (
    DataSet("skab", "water rig, valves closed", "skab", 1.0, "load_skab"),
    DataSet("fan_uci", "fan at many speeds, unbalanced", "fan_uci", 50.0, "load_fan_uci"),
    DataSet("fan_esp32", "ceiling fan, coin on a blade, off", "fan_esp32", 200.0, "load_fan_esp32"),
    DataSet("cwru0", "bearing at 3 kHz", "cwru0", 3000.0, "load_cwru0", (("window", 256), ("k", 16))),
    DataSet("gear1", "gearbox, one channel", "gear", 500.0, "load_gear", (("channels", (0,)),)),
    DataSet("gear4", "gearbox, four channels", "gear", 500.0, "load_gear"),
    DataSet("nab", "temperature of a machine", "nab", 1 / 300, "load_nab"),
    DataSet("nicla", "motion of a Nicla Vision", "nicla", 59.0, "load_nicla"),
    DataSet("smd", "server metrics", "smd", 1 / 60, "load_smd", large=True),
)


def parts_present(data_set: DataSet, asked: str) -> list[str]:
    """The parts of a set that are here. asked: dev, holdout or all."""
    wanted = PARTS if asked == "all" else (asked,)
    return [part for part in wanted if (data_directory() / data_set.folder / part).is_dir()]


def load(data_set: DataSet, part: str, most: int | None = None) -> Sequence[Any]:
    """Cases of protocols.py, at most so many."""
    loader: Callable[..., list[Any]] = getattr(protocols(), data_set.loader)
    return loader(str(data_directory() / data_set.folder), part, **dict(data_set.options))[:most]
