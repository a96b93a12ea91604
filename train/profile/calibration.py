"""Measures the cost model's numbers: ``python -m offbeat.train.profile.calibration`` writes train/cost_table.json.

Models of every family in several sizes, on windows and features of several kinds, are compiled for each core and run;
the numbers of the cost model (train/cost.py) are the least squares of relative errors, none of them negative.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from joblib import Parallel, cpu_count, delayed
from scipy.optimize import nnls

from offbeat.train.arithmetic import sine_table
from offbeat.train.boards import DEFAULT_CORE
from offbeat.train.choose import scale_features
from offbeat.train.cost import FEATURE_TERMS, constant_bytes, feature_terms, members_of
from offbeat.train.families import FAMILIES, Family
from offbeat.train.features import Feature, extract, needs_spectrum
from offbeat.train.modelfile import ModelParts, build, write_atomically
from offbeat.train.pipeline import standardized
from offbeat.train.resources import folder

from .cycles import cycles_of
from .firmware import build_firmware, compiler, runtime_sizes
from .mcus import MCUS, Mcu
from .measure import measure

__all__ = ["Sample", "calibrate_costs", "main", "samples"]

_SIZES: Final = 3  # models of each family
_OPTIMIZE: Final = "O2"


@dataclass(frozen=True)
class Sample:
    """A model to be measured."""

    parts: ModelParts
    family: Family

    @property
    def model(self) -> bytes:
        """The model file."""
        return build(self.parts)


@dataclass(frozen=True)
class _Row:
    """What was measured of a sample."""

    features: int
    model: int
    stack: int
    cycles: float
    code: int
    helpers: int


def _shapes() -> list[tuple[int, tuple[Feature, ...]]]:
    """Windows and features, so that each term of the cost model is told from the others."""

    def of(channels: int, *kinds: str) -> tuple[Feature, ...]:
        return tuple(Feature(kind, channel) for channel in range(channels) for kind in kinds)

    def bands(window: int, channels: int, number: int, width: int) -> tuple[Feature, ...]:
        return tuple(
            feature
            for channel in range(channels)
            for feature in (
                Feature("rms", channel),
                *(Feature("band", channel, 1 + width * k, width) for k in range(number)),
            )
        )

    related = (Feature("mean", 0), Feature("correlation", 0, 1), Feature("mean", 1), Feature("correlation", 1, 0))
    return [
        (128, of(1, "mean")),
        (512, of(1, "rms", "kurtosis", "crossings")),
        (128, of(3, "rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference")),
        (128, bands(128, 3, 5, 11)),
        (512, bands(512, 1, 4, 60)),
        (64, related),
        (32, bands(32, 3, 2, 4)),
        (1024, bands(1024, 1, 3, 5)),
        (40, (Feature("mean", 0), Feature("change", 0, 8), Feature("mean", 1), Feature("change", 1, 20))),
        (256, (*related, Feature("rms", 2))),
        (256, bands(256, 2, 11, 8)),
        (288, of(4, "mean", "rms")),
    ]  # fmt: skip


def _settings(family: type[Family]) -> list[Any]:
    """The family's own choice, its smallest and its largest size."""
    sized = [settings for settings in family.variants if settings] or [{}]
    return [{}, sized[0], sized[-1]][:_SIZES]


def _sample(name: str, settings: Any, window: int, features: tuple[Feature, ...], seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    channels = 1 + max(max(f.channel, f.first if f.kind == "correlation" else 0) for f in features)
    noise = rng.normal(0, 300, (400, window, channels))
    noise[:, :, 1:] += noise[:, :, :1]  # something to correlate with
    found = extract(np.round(noise).astype(np.int16), features, sine_table(window))
    scales = scale_features(found, features, [1.0] * len(features), False)
    vectors = standardized(found, scales)
    runs = {"runs": [len(vectors)]} if FAMILIES[name].stateful else {}
    family = FAMILIES[name].fit(vectors / 128, seed, **runs, **settings)
    family = family.scaled_to(max(2 * int(np.median(family.distances(vectors))), 256))
    parts = ModelParts(
        family=family.number, channels=tuple(f"c{i}" for i in range(channels)), window=window, hop=window // 2,
        rate=1000.0, features=features, standardize=tuple(scales), parameters=family.parameters(),
    )  # fmt: skip
    return Sample(parts, family)


def samples() -> list[Sample]:
    """Models of every family in three sizes; the last one is the first with a slow baseline."""
    shapes = _shapes()
    found: list[Sample] = []
    for name, family in FAMILIES.items():
        for settings in _settings(family):
            window, features = shapes[(5 * len(found)) % len(shapes)]
            found.append(_sample(name, settings, window, features, len(found)))
    first = found[2]
    slow = replace(first.parts, baseline=(5,) * len(first.parts.features))
    return [*found, Sample(slow, first.family)]


def _measured(number: int, sample: Sample, mcu: Mcu) -> tuple[int, str, _Row]:
    model = sample.model
    firmware = build_firmware(model, mcu, _OPTIMIZE)
    found = measure(model, firmware)
    constants = constant_bytes(
        sample.parts.features, len(sample.parts.parameters), sample.parts.window, bool(sample.parts.baseline)
    )
    high = cycles_of(found.largest.kinds, mcu.cycles)[1]
    largest = found.largest
    row = _Row(
        largest.features, largest.model, found.stack, high / largest.total, found.flash - constants, found.helpers
    )
    return number, mcu.name, row


def _relative(terms: np.ndarray, counts: Sequence[float]) -> list[float]:
    """Numbers of at least 0 whose sum over the terms is nearest to the counts, in parts of each count."""
    values = np.maximum(np.array(counts, dtype=np.float64), 1.0)
    scale = np.maximum(np.abs(terms).max(axis=0), 1e-9)
    found, _ = nnls(terms / scale / values[:, None], np.ones(len(values)))
    return [round(float(value), 3) for value in found / scale]


def _of_model(chosen: Sequence[Sample], rows: Sequence[_Row]) -> dict[str, list[float]]:
    """Instructions of each family: a window, a feature, an operation; of an ensemble: a window, a knot."""
    found: dict[str, list[float]] = {}
    rests: list[float] = []
    knots: list[list[float]] = []
    for name in (name for name in FAMILIES if name != "ensemble"):
        own = [i for i, sample in enumerate(chosen) if sample.family.name == name]
        terms = np.array([[1, len(chosen[i].parts.features), chosen[i].family.operations] for i in own], dtype=float)
        found[name] = _relative(terms, [rows[i].model for i in own])
    for sample, row in zip(chosen, rows, strict=True):
        members = members_of(sample.family)
        if members:
            count = len(sample.parts.features)
            parts = sum(float(np.dot(found[m.name], (1, count, m.operations))) for m in members)
            rests.append(max(row.model - parts, 1.0))
            knots.append([1.0, sample.family.operations - sum(m.operations for m in members)])
    found["ensemble"] = _relative(np.array(knots), rests)
    return found


def _table_of(chosen: Sequence[Sample], rows: Sequence[_Row], mcu: Mcu) -> dict[str, Any]:
    """One core's part of the table."""
    own = {}
    for sample in chosen:
        sizes = runtime_sizes(sample.model, mcu, _OPTIMIZE)
        own.update({name: sizes[f"offbeat_{name}.c"] for name in FAMILIES if f"offbeat_{name}.c" in sizes})
    plain, slow = list(chosen[:-1]), len(chosen) - 1
    linked = [
        row.code - own[s.family.name] - sum(own[m.name] for m in members_of(s.family))
        for s, row in zip(plain, rows, strict=False)
    ]
    with_bands = [size for s, size in zip(plain, linked, strict=True) if needs_spectrum(s.parts.features)]
    without = [size for s, size in zip(plain, linked, strict=True) if not needs_spectrum(s.parts.features)]
    terms = np.stack([feature_terms(s.parts.features, s.parts.window) for s in plain])
    baseline = (rows[slow].model - rows[2].model) / len(chosen[slow].parts.features)
    stack: dict[str, int] = {}
    for sample, row in zip(chosen, rows, strict=True):
        stack[sample.family.name] = max(stack.get(sample.family.name, 0), row.stack)
    return {
        "code": {
            "runtime": max(without),
            "spectrum": max(max(with_bands) - max(without), 0),
            "helpers": max(row.helpers for row in rows),
            "families": own,
        },
        "stack": stack,
        "instructions": {
            "features": dict(zip(FEATURE_TERMS, _relative(terms, [row.features for row in rows[:slow]]), strict=True)),
            "model": _of_model(plain, rows[:slow]),
            "baseline": round(max(baseline, 0.0), 3),
        },
        "cycles_per_instruction": round(float(np.median([row.cycles for row in rows])), 3),
    }


def calibrate_costs(
    mcus: Sequence[Mcu], chosen: Sequence[Sample], progress: Callable[[float], None] = lambda share: None
) -> dict[str, Any]:
    """The table of the cost model for some cores. Raises as build_firmware() and measure() do."""
    for mcu in mcus:  # what all share is compiled once, before several processes want it
        build_firmware(chosen[0].model, mcu, _OPTIMIZE)
    jobs = [(number, sample, mcu) for mcu in mcus for number, sample in enumerate(chosen)]
    parallel = Parallel(n_jobs=min(cpu_count(), len(jobs)), return_as="generator_unordered")
    results: Iterator[tuple[int, str, _Row]] = parallel(delayed(_measured)(*job) for job in jobs)
    rows: dict[tuple[int, str], _Row] = {}
    for number, name, row in results:
        rows[number, name] = row
        progress(len(rows) / len(jobs))
    cores = {mcu.name: _table_of(chosen, [rows[i, mcu.name] for i in range(len(chosen))], mcu) for mcu in mcus}
    return {"compiler": f"{compiler()} -{_OPTIMIZE}", "default": DEFAULT_CORE, "cores": cores}


def main() -> None:
    """Write train/cost_table.json anew."""

    def show(share: float) -> None:
        print(f"\r{share:4.0%}", end="", file=sys.stderr, flush=True)

    table = calibrate_costs(list(MCUS.values()), samples(), show)
    write_atomically(folder("train") / "cost_table.json", json.dumps(table, indent=1) + "\n")
    print(f"\n{folder('train') / 'cost_table.json'}", file=sys.stderr)


if __name__ == "__main__":
    main()
