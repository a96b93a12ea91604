"""Searches families, sizes and features for the best model within limits, and names the front of what is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, cpu_count, delayed

from .boards import Limits
from .candidate import Candidate, Faulty, Plan, try_family
from .dataset import WindowSet
from .errors import InputError
from .families import FAMILIES

__all__ = ["Found", "Measure", "Preference", "pareto_front", "search"]

Measure = Callable[[Sequence[Candidate], Callable[[float], None]], list[Candidate]]
"""Takes candidates and progress; gives the same ones, in that order, with their costs as measured."""

_NOISE = 0.1  # AUROC by which equals differ, times the root of the normal windows
_A_DOUBLING = 0.02  # AUROC that twice as many features have to bring
_MOST_WINDOWS = 3_000  # of the recordings, in blocks of time: enough to tell one family from another
_WORTH_SIZES = 0.03  # AUROC below the best at which a family's other sizes are still tried
_MOST_SIZED = 3  # families
_WORTH_PROCESSES = 4  # candidates: with fewer, starting processes takes longer than the search


@dataclass(frozen=True)
class Preference:
    """Which of the families that find about as much is taken.

    order: the first of them; tolerance: AUROC below the best that still counts as as much; fewer: share of the injected
    faults that it may find less than the best of these at its own threshold, as a family that ranks faults as well and
    yet puts its threshold beyond them is of no use.
    """

    order: tuple[str, ...] = (
        "gaussian", "pca", "kmeans", "mixture", "prototypes", "forest", "autoregressive", "autoencoder", "ensemble",
    )  # fmt: skip
    tolerance: float = 0.005
    fewer: float = 0.1


@dataclass(frozen=True)
class Found:
    """What a search found. candidates: all that were tried; fitting: those within the limits; chosen: one of them."""

    candidates: tuple[Candidate, ...]
    fitting: tuple[Candidate, ...]
    chosen: Candidate


@dataclass(frozen=True)
class _Job:
    family: str
    settings: Mapping[str, Any]
    plan: Plan


def _run(
    jobs: Sequence[_Job], windows: WindowSet, faulty: Mapping[str, Faulty], workers: int,
    progress: Callable[[float], None],
) -> list[Candidate]:  # fmt: skip
    """Candidates in the order of the jobs, on several cores where there is enough to do."""

    def inputs(job: _Job) -> tuple[Any, ...]:
        columns = list(job.plan.columns)
        part = {fault: injected.select(columns) for fault, injected in faulty.items()}
        return job.family, job.settings, windows.select(columns), part, job.plan

    found: dict[int, Candidate] = {}
    if workers == 1 or len(jobs) < _WORTH_PROCESSES:
        results: Iterator[tuple[int, Candidate]] = ((i, try_family(*inputs(job))) for i, job in enumerate(jobs))
    else:
        parallel = Parallel(n_jobs=min(workers, len(jobs)), return_as="generator_unordered")
        results = parallel(delayed(_numbered)(i, *inputs(job)) for i, job in enumerate(jobs))
    for number, candidate in results:
        found[number] = candidate
        progress(len(found) / len(jobs))
    return [found[number] for number in range(len(jobs))]


def _numbered(number: int, *arguments: Any) -> tuple[int, Candidate]:
    return number, try_family(*arguments)


def _sizes(candidates: Sequence[Candidate], names: Sequence[str], preference: Preference, cramped: bool) -> list[_Job]:
    """Other sizes of the best families on the best features; where nothing fits yet, the smallest of all."""
    if cramped:
        plans = {candidate.plan.name: candidate.plan for candidate in candidates}
        return [_Job(name, FAMILIES[name].variants[0], plan) for plan in plans.values() for name in names]
    best = _best(candidates, preference)
    same = [candidate for candidate in candidates if candidate.plan.name == best.plan.name]
    near = sorted(same, key=lambda candidate: -candidate.quality)[:_MOST_SIZED]
    worth = [candidate for candidate in near if candidate.quality >= near[0].quality - _WORTH_SIZES]
    return [
        _Job(candidate.family.name, settings, best.plan)
        for candidate in worth
        for settings in FAMILIES[candidate.family.name].variants
        if settings
    ]


def search(
    windows: WindowSet,
    plans: Sequence[Plan],
    judges: Callable[[WindowSet], Mapping[str, Faulty]],
    names: Sequence[str],
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
    preference: Preference | None = None,
    measure: Measure | None = None,
) -> Found:
    """Try families on sets of features, then other sizes of the best, and choose.

    windows: with the features of all plans, see Plan.columns; judges: gives, for windows or a part of them, those with
    a fault; names: of families; workers: processes, None: one a core; preference: by default the family whose verdict
    is easiest to explain; measure: measures the costs of the chosen one and of the front, by default all stay
    estimates.
    Raises InputError where nothing fits the limits, and says what would.
    """
    limits, preference = limits or Limits(), preference or Preference()
    hop_seconds = windows.hop / windows.rate
    windows = replace(windows, stretches=())  # only normal ones are looked at: the others need not go to each process
    few = windows.thinned(_MOST_WINDOWS)
    workers, faulty = workers or cpu_count(), judges(few)

    def fitting(candidates: Sequence[Candidate]) -> list[Candidate]:
        return [candidate for candidate in candidates if not candidate.cost.excess(limits, hop_seconds)]

    jobs = [_Job(name, {}, plan) for plan in plans for name in names]
    widely = len(names) > 1 or any(plan.teacher for plan in plans)
    share = 0.6 if widely else 1.0
    candidates = _run(jobs, few, faulty, workers, lambda done: progress(share * done))
    # A family sizes itself by the likelihood of held-out normal data, which no injected fault judges better: its other
    # sizes show what there is, and count where its own does not fit.
    within = own = fitting(candidates)
    if widely or not within:
        jobs = _sizes(within or candidates, names, preference, cramped=not within)
        tried = {(candidate.plan.name, candidate.family.parameters()) for candidate in candidates}
        for candidate in _run(jobs, few, faulty, workers, lambda done: progress(share + (1 - share) * done)):
            if (candidate.plan.name, candidate.family.parameters()) not in tried:
                candidates.append(candidate)
        within = fitting(candidates)
    if not within and measure is None:
        raise InputError(_nothing_fits(candidates, limits, windows))

    def finish(candidate: Candidate) -> Candidate:
        """The same fitted to all windows."""
        if few is windows:
            return candidate
        columns = list(candidate.plan.columns)
        part = {fault: injected.select(columns) for fault, injected in judges(windows).items()}
        return try_family(candidate.family.name, candidate.settings, windows.select(columns), part, candidate.plan)

    if measure is None:
        chosen = _best(own or within, preference)
        final = finish(chosen)
        candidates = [final if candidate is chosen else candidate for candidate in candidates]
    else:
        candidates, final = _settled(candidates, own or within, limits, windows, preference, finish, measure, progress)
    progress(1.0)
    return Found(tuple(candidates), tuple(fitting(candidates)), final)


def _settled(
    candidates: Sequence[Candidate], preferred: Sequence[Candidate], limits: Limits,
    windows: WindowSet, preference: Preference, finish: Callable[[Candidate], Candidate], measure: Measure,
    progress: Callable[[float], None],
) -> tuple[list[Candidate], Candidate]:  # fmt: skip
    """The candidates, the front and the chosen one among them measured, and that one: the best whose own measured cost
    fits. Raises InputError where none does."""
    hop_seconds = windows.hop / windows.rate
    front = pareto_front(candidates)
    known = {id(c): m for c, m in zip(front, measure(front, progress), strict=True)}
    first = {id(candidate) for candidate in preferred}
    pool = [(known.get(id(candidate), candidate), id(candidate) in first) for candidate in candidates]
    while True:
        fit = [(c, mine) for c, mine in pool if not c.cost.excess(limits, hop_seconds)]
        if not fit:
            raise InputError(_nothing_fits([c for c, _ in pool], limits, windows))
        chosen = _best([c for c, mine in fit if mine] or [c for c, _ in fit], preference)
        final = measure([finish(chosen)], progress)[0]
        pool = [(final if c is chosen else c, mine) for c, mine in pool]
        if not final.cost.excess(limits, hop_seconds):
            return [c for c, _ in pool], final


def _best(candidates: Sequence[Candidate], preference: Preference) -> Candidate:
    """The set of features that brings most for its size, and on it the preferred family that is as good as any.

    Where it can, it keeps to the usual sizes of the families: these grow with the square of the number of features.
    """
    candidates = [c for c in candidates if c.size <= c.family.usual_size] or candidates
    most = max(candidates, key=lambda c: c.quality - _A_DOUBLING * np.log2(len(c.plan.features)))
    of_set = [candidate for candidate in candidates if candidate.plan.name == most.plan.name]
    best = max(of_set, key=lambda candidate: candidate.quality)
    noise = _NOISE / np.sqrt(sum(len(block) for block in best.held_out))
    tolerance = max(preference.tolerance, noise)
    equal = [candidate for candidate in of_set if candidate.quality >= best.quality - tolerance]
    most_found = max(candidate.mean_detected for candidate in equal)
    equal = [candidate for candidate in equal if candidate.mean_detected >= most_found - preference.fewer]
    return min(equal, key=lambda candidate: (preference.order.index(candidate.family.name), -candidate.quality))


def _nothing_fits(candidates: Sequence[Candidate], limits: Limits, windows: WindowSet) -> str:
    hop_seconds = windows.hop / windows.rate

    def need(candidate: Candidate) -> tuple[int, ...]:
        cost = candidate.cost
        return len(cost.excess(limits, hop_seconds)), cost.flash + cost.ram, cost.instructions

    smallest = min(candidates, key=need)
    needs = " and ".join(smallest.cost.excess(limits, hop_seconds))
    text = (
        f"no model fits {limits.text}: the smallest of {len(candidates)}, {smallest.family.name} on "
        f"{smallest.plan.name} features, needs {needs}"
    )
    ring = (windows.window + windows.hop) * windows.samples.shape[2] * 2
    if limits.ram is not None and smallest.cost.ram > limits.ram:
        text += f", of which the samples take {ring} bytes"
    return f"{text}; choose a shorter --window, fewer --channels, cheaper --features, or a larger board"


def pareto_front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other one equals or beats in quality, flash, RAM and instructions at once; best quality first."""

    def beaten(one: Candidate) -> bool:
        return any(_as_good_everywhere(other, one) and not _as_good_everywhere(one, other) for other in candidates)

    return sorted((c for c in candidates if not beaten(c)), key=lambda c: (-c.quality, c.cost.flash))


def _as_good_everywhere(one: Candidate, other: Candidate) -> bool:
    return (
        one.quality >= other.quality
        and one.cost.flash <= other.cost.flash
        and one.cost.ram <= other.cost.ram
        and one.cost.instructions <= other.cost.instructions
    )
