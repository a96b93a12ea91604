"""Thresholds on simulated processes: alarms of a run to come against the interval that was promised for it.

Real recordings hold few hours and few machines; here each kind of process is drawn many times, so that a promise of
90 % can be seen to be kept or broken. Writes its tables into docs/thresholds.md.

python -m benchmarks.thresholds [--quick]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.signal import lfilter

from offbeat.train.budget import Budget, parse_budget
from offbeat.train.calibrate import calibrate
from offbeat.train.decision import alarm_starts, alarms
from offbeat.train.modelfile import Decision

from .results import ROOT, put_section, table

Floats = NDArray[np.float64]

SECONDS = 3600  # windows an hour
RUNS = {400: 40, 4000: 40, 40000: 20}  # windows of normal data, and how many runs of each process
LONGER = {400: 10, 4000: 10, 40000: 3}  # how many times longer the longer run to come is
DECISIONS = (Decision(k=1, n=1), Decision(k=3, n=5))


def _smooth(generator: np.random.Generator, windows: int, memory: float) -> Floats:
    """An autoregressive process of order one and unit variance."""
    noise = generator.normal(size=windows) * np.sqrt(1 - memory**2)
    noise[0] = generator.normal()
    return np.asarray(lfilter([1.0], [1.0, -memory], noise, axis=0))


def _regimes(generator: np.random.Generator, windows: int) -> Floats:
    scale = np.exp(0.3 * generator.normal(size=-(-windows // 200)))
    return np.asarray(generator.normal(size=windows) * np.repeat(scale, 200)[:windows])


def _bursts(generator: np.random.Generator, windows: int) -> Floats:
    noise = generator.normal(size=windows)
    for start in np.flatnonzero(generator.random(windows) < 1 / 2000):
        noise[start : start + 10] *= 3
    return noise


PROCESSES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal, independent": lambda generator, windows: generator.normal(size=windows),
    "AR(1), 0.9": lambda generator, windows: _smooth(generator, windows, 0.9),
    "AR(1), 0.99": lambda generator, windows: _smooth(generator, windows, 0.99),
    "Student's t3": lambda generator, windows: generator.standard_t(3, size=windows),
    "t3, six channels": lambda generator, windows: np.linalg.norm(generator.standard_t(3, size=(windows, 6)), axis=1),
    "chi-square, 2 degrees": lambda generator, windows: np.sqrt(generator.chisquare(2, size=windows)),
    "log-normal": lambda generator, windows: np.exp(0.5 * generator.normal(size=windows)),
    "wandering mean": lambda generator, windows: (
        generator.normal(size=windows) + 0.7 * _smooth(generator, windows, 0.998)
    ),
    "regimes of 200 windows": _regimes,
    "rare bursts": _bursts,
}
"""Root of the squared distance of each window, by kind: what it is like, not how large."""


@dataclass(frozen=True)
class Run:
    """One draw: the kind of process, its windows of normal data, the budget, and whether the alarms of as much again and
    of the longer run lay in their intervals; rate: alarms an hour of the longer run over those budgeted."""

    kind: str
    windows: int
    budget: str
    inside: bool
    longer_inside: bool
    rate: float


def _budgets(hours: float) -> dict[str, Budget]:
    """One far beyond the short data, one at the edge of what counting shows, one well within. T: the time recorded."""
    return {"1/day": parse_budget("1/day"), "3.2/T": Budget("", 3.2 / hours), "40/T": Budget("", 40 / hours)}


def one(kind: str, windows: int, seed: int) -> list[Run]:
    """Draw a process once, set a threshold for each budget, and count on."""
    generator = np.random.default_rng([list(PROCESSES).index(kind), windows, seed])
    roots = PROCESSES[kind](generator, windows * (1 + LONGER[windows]))
    distances = np.minimum(roots**2 * 1000, 2**30 - 1).astype(np.int64)
    known, again, longer = distances[:windows], distances[windows : 2 * windows], distances[windows:]
    decision, hours, found = DECISIONS[seed % len(DECISIONS)], windows / SECONDS, []
    for name, budget in _budgets(hours).items():
        promise = calibrate(known, hours, budget, decision)
        inside = []
        for part in (again, longer):
            low, high = promise.expected(len(part) / SECONDS)
            count = len(alarm_starts(alarms(part, decision, promise.threshold)))
            inside.append(low <= count <= high)
        rate = count / (len(longer) / SECONDS) / budget.per_hour
        found.append(Run(kind, windows, name, *inside, rate))
    return found


def _share(values: Iterator[bool]) -> str:
    return f"{np.mean(list(values)):.2f}"


def _document(runs: list[Run], draws: dict[int, int]) -> str:
    names = list(_budgets(1.0))
    by_windows = [
        [windows]
        + [
            " / ".join(
                _share(getattr(run, which) for run in runs if run.windows == windows and run.budget == name)
                for which in ("inside", "longer_inside")
            )
            for name in names
        ]
        for windows in draws
    ]
    most = max(draws)
    by_kind = [
        [kind]
        + [_share(r.longer_inside for r in runs if (r.kind, r.windows, r.budget) == (kind, w, "1/day")) for w in draws]
        + [f"{np.mean([r.rate for r in runs if (r.kind, r.windows, r.budget) == (kind, most, '40/T')]):.2f}"]
        for kind in PROCESSES
    ]
    whole = _share(value for run in runs for value in (run.inside, run.longer_inside))
    return (
        f"Share of runs whose alarms lie in the promised interval, as much again / longer; {whole} over all:\n\n"
        + table(["W", *names], by_windows)
        + "\n"
        + table(["longer runs, 1/day", *(f"W = {w}" for w in draws), f"rate over budget, 40/T, W = {most}"], by_kind)
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thresholds", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs, on the terminal; nothing is written")
    quick = parser.parse_args().quick
    draws = {windows: max(runs // 10, 2) if quick else runs for windows, runs in RUNS.items()}
    jobs = [(kind, windows, seed) for windows, runs in draws.items() for kind in PROCESSES for seed in range(runs)]
    runs: list[Run] = []
    for done, found in enumerate(Parallel(n_jobs=-1, return_as="generator")(delayed(one)(*job) for job in jobs), 1):
        runs += found
        if done % 100 == 0 or done == len(jobs):
            print(f"{done} of {len(jobs)} runs", file=sys.stderr, flush=True)
    text = _document(runs, draws)
    if quick:
        print(text)
    else:
        put_section(ROOT / "docs" / "thresholds.md", "simulation", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
