"""What a model takes of a microcontroller: counted from its parts, by a cost model of each core.

Its numbers are in cost_table.json: measured by ``offbeat.train.profile`` over models of every family, and brought up to
date by ``make costs``. Memory of the data is exact; code, stack and instructions are estimates, and say so wherever
they are shown, until the model itself was compiled and run (Cost.measured).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from offbeat.device.families import module

from .arithmetic import sine_table
from .boards import DEFAULT_CORE, Limits
from .families import Family
from .features import Feature, needs_spectrum
from .limits import size_in_words, time_in_words
from .resources import folder

__all__ = [
    "FEATURE_TERMS",
    "STATE_BYTES",
    "Cost",
    "code_bytes",
    "constant_bytes",
    "cost_of",
    "cost_table",
    "feature_terms",
    "members_of",
]

STATE_BYTES: Final = 32  # offbeat_state with pointers of 32 bits
_MODEL_BYTES: Final = 56 + 20  # offbeat_model, and the text of its identity
_DESCRIPTION_BYTES: Final = 6 + 8  # offbeat_feature and offbeat_scale

FEATURE_TERMS: Final = (
    "window", "channel", "sample", "normalised sample", "spectrum sample", "transform", "bin", "feature",
    "crossing sample", "correlation sample", "change sample",
)  # fmt: skip
"""What the instructions for a window's features are linear in, see feature_terms()."""

_OF_COUNTS: Final = {"mean", "change", "correlation", "peak_to_peak", "mean_abs_difference", "crossings"}


@dataclass(frozen=True)
class Cost:
    """flash, ram: bytes with the C runtime; instructions: of a window; cycles: of a window, at most, estimated from
    the core's manual; features: how many; core: that these are of; measured: whether this very model was compiled and
    run, or its parts were added up."""

    flash: int
    ram: int
    instructions: int
    cycles: float
    features: int
    core: str = DEFAULT_CORE
    measured: bool = False

    def seconds(self, clock: float) -> float:
        """Estimated time of one window at ``clock`` Hz, without wait states."""
        return self.cycles / clock

    def excess(self, limits: Limits, hop_seconds: float) -> list[str]:
        """What of the limits is exceeded, in words; nothing where the model fits."""
        found = []
        for size, limit, what in ((self.flash, limits.flash, "flash"), (self.ram, limits.ram, "RAM")):
            if limit is not None and size > limit:
                found.append(f"{size_in_words(size)} of {what}")
        allowed = min(hop_seconds, limits.latency or hop_seconds)
        if (limits.latency is not None or limits.text) and self.seconds(limits.clock) > allowed:
            found.append(f"{time_in_words(self.seconds(limits.clock))} a window")
        return found


@cache
def cost_table() -> dict[str, Any]:
    """The measured numbers of the cost model, by core; written by train/profile/calibration.py."""
    found: dict[str, Any] = json.loads((folder("train") / "cost_table.json").read_text(encoding="utf-8"))
    return found


def _of_core(core: str) -> dict[str, Any]:
    cores = cost_table()["cores"]
    found: dict[str, Any] = cores[core if core in cores else DEFAULT_CORE]
    return found


def members_of(family: Family) -> list[Family]:
    """Families that a family has as members; none but in an ensemble."""
    return [member.family for member in getattr(family, "members", ())]


def feature_terms(features: Sequence[Feature], window: int) -> NDArray[np.float64]:
    """How much of each of FEATURE_TERMS a window takes; float64 [11].

    window, channels, samples of all channels; those of channels that are normalised and that are transformed, the
    latter also times log2 of the window; bins of all bands, features; samples of which crossings, correlations and
    changes are counted.
    """
    channels = {feature.channel for feature in features}
    kinds = {channel: {f.kind for f in features if f.channel == channel} for channel in channels}
    bands = [feature for feature in features if feature.kind == "band"]
    transformed = window * len({band.channel for band in bands})
    terms = {
        "window": 1,
        "channel": len(channels),
        "sample": window * len(channels),
        "normalised sample": window * sum(1 for found in kinds.values() if found - _OF_COUNTS),
        "spectrum sample": transformed,
        "transform": transformed * np.log2(window),
        "bin": sum(band.bins for band in bands),
        "feature": len(features),
        "crossing sample": window * sum("crossings" in found for found in kinds.values()),
        "correlation sample": window * sum(feature.kind == "correlation" for feature in features),
        "change sample": sum(feature.first for feature in features if feature.kind == "change"),
    }
    return np.array([terms[name] for name in FEATURE_TERMS], dtype=np.float64)


def code_bytes(family: str, spectrum: bool, members: Sequence[str] = (), core: str = DEFAULT_CORE) -> int:
    """Code and constants of the C runtime with one family, and those that an ensemble has as members, bytes; with the
    compiler's own library."""
    code = _of_core(core)["code"]
    families = sum(code["families"][name] for name in (family, *members))
    return int(code["runtime"] + code["helpers"] + families + (code["spectrum"] if spectrum else 0))


def constant_bytes(features: Sequence[Feature], parameters: int, window: int, baseline: bool = False) -> int:
    """Bytes of a model's own constants in flash: parameters (bytes), sine table, twiddles, description of features, the
    model."""
    sine = len(sine_table(window)) * 2 + 12 * (window // 8 - 1) if needs_spectrum(features) else 0
    each = _DESCRIPTION_BYTES + (2 if baseline else 0)
    return parameters + sine + each * len(features) + _MODEL_BYTES


def _model_instructions(family: Family, count: int, table: dict[str, Any]) -> float:
    members = members_of(family)
    if members:
        window, knot = table["ensemble"]
        knots = family.operations - sum(member.operations for member in members)
        return float(window + knot * knots + sum(_model_instructions(each, count, table) for each in members))
    window, feature, operation = table[family.name]
    return float(window + feature * count + operation * family.operations)


def cost_of(
    features: Sequence[Feature], family: Family, window: int, hop: int, channels: int, baseline: bool = False,
    core: str = DEFAULT_CORE,
) -> Cost:  # fmt: skip
    """What a model with these features and this family takes, estimated.

    window, hop: samples; baseline: whether the features have a slow baseline; core: of the table, another one counts
    as DEFAULT_CORE. In flash: code and constants; in RAM: the ring of samples, the work buffer, standard scores with
    the family's room and the baselines, features, state, and the deepest call.
    """
    count, section, table = len(features), family.parameters(), _of_core(core)
    scorer = module(family.number).Scorer(memoryview(section), count)
    work = window * (2 if any(feature.kind == "correlation" for feature in features) else 1) + 1
    vector = scorer.room() + (2 * count if baseline else 0)
    ring = (window + hop) * channels
    members = [member.name for member in members_of(family)]
    stack = max(table["stack"][name] for name in (family.name, *members))
    own = table["instructions"]
    of_features = feature_terms(features, window) @ [own["features"][name] for name in FEATURE_TERMS]
    of_model = _model_instructions(family, count, own["model"]) + (own["baseline"] * count if baseline else 0)
    instructions = round(of_features + of_model)
    return Cost(
        flash=code_bytes(family.name, needs_spectrum(features), members, core)
        + constant_bytes(features, len(section), window, baseline),
        ram=2 * (ring + work + vector) + 4 * count + STATE_BYTES + stack,
        instructions=instructions,
        cycles=instructions * table["cycles_per_instruction"],
        features=count,
        core=core if core in cost_table()["cores"] else DEFAULT_CORE,
    )
