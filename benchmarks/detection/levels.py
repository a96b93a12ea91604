"""The levels that were set for detection, and whether a run reaches them: computed, never typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .jobs import Job

__all__ = ["DEAR", "LEVELS", "WORSE", "Level", "by_row", "levels_of"]

DEAR = 0.005  # AUROC that quantization may cost
WORSE = 0.01  # AUROC that auto may lie below the best single family
_SMALL, _LARGE = 1024, 8192  # bytes of parameters
_SMALL_FAMILIES = ("gaussian", "pca", "kmeans")
_KEPT = 0.9  # share of cases whose false alarms lie inside the promise


@dataclass(frozen=True)
class Level:
    """What one data set is to reach. measure: what a result has of it, in words; reached: whether it is enough."""

    data_set: str
    asked: str
    measure: Callable[[dict], str]
    reached: Callable[[dict], bool]


def _ranking(data_set: str, auroc: float, found: float) -> Level:
    """AUROC and rate found at 1 % false positives, compared with as many decimals as the level is stated with."""
    return Level(
        data_set,
        f"AUROC ≥ {auroc:.3f}, found at 1 % FPR ≥ {found:.2f}",
        lambda r: f"{r['auroc']:.4f}, {r['tpr_at_1fpr']:.3f}",
        lambda r: round(r["auroc"], 3) >= auroc and round(r["tpr_at_1fpr"], 2) >= found,
    )


LEVELS: tuple[Level, ...] = (
    Level(
        "skab", "F1 ≥ 0.845 at a false-alarm rate ≤ 10 %",
        lambda r: f"{r['f1']:.3f} at {r['far']:.1f} %",
        lambda r: r["f1"] >= 0.845 and r["far"] <= 10,
    ),
    _ranking("fan_uci", 0.985, 0.94),
    _ranking("fan_esp32", 0.995, 0.88),
    _ranking("cwru0", 0.997, 0.97),
    _ranking("gear1", 1.0, 1.0),
    _ranking("gear4", 1.0, 1.0),
    Level(
        "nab", "NAB score ≥ 85, all windows, ≤ 6 false events",
        lambda r: f"{r['nab']['nab']:.1f}, {r['nab']['windows'].replace('/', ' of ')}, {r['nab']['false_events']}",
        lambda r: r["nab"]["nab"] >= 85 and len(set(r["nab"]["windows"].split("/"))) == 1
        and r["nab"]["false_events"] <= 6,
    ),
)  # fmt: skip


def by_row(results: Mapping[Job, dict], kind: str) -> dict[str, dict[str, dict]]:
    """Results of one kind that did not fail: by row, then by method."""
    rows: dict[str, dict[str, dict]] = {}
    for job, result in results.items():
        if job.kind == kind and "failed" not in result:
            rows.setdefault(job.row, {})[job.method] = result
    return rows


def levels_of(results: Mapping[Job, dict]) -> list[tuple[str, str, str, bool]]:
    """(what, level, measured, reached) of every level that this run has data for."""
    rows = by_row(results, "family")
    found = []
    for row, methods in rows.items():
        for level in LEVELS:
            if level.data_set == row.split()[0] and "auto" in methods:
                own = methods["auto"]
                found.append((f"{row}, auto", level.asked, level.measure(own), level.reached(own)))
    return [*found, *_of_all(rows)]


def _of_all(rows: Mapping[str, Mapping[str, dict]]) -> Iterable[tuple[str, str, str, bool]]:
    every = [(f"{name} on {row}", name, result) for row, methods in rows.items() for name, result in methods.items()]
    price = [(abs(r["integer_auroc"] - r["float_auroc"]), what) for what, _, r in every if r["float_auroc"] is not None]
    if price:
        worst, what = max(price)
        over = sum(each > DEAR for each, _ in price)
        text = f"{worst:.4f} at most ({what}); {over} of {len(price)} above"
        yield "integer against float", f"AUROC within {DEAR}", text, over == 0
    small = [(r["bytes"], what) for what, name, r in every if name in _SMALL_FAMILIES]
    if small:
        yield _size("gaussian, pca, kmeans", _SMALL, small)
    if every:
        yield _size("any model", _LARGE, [(r["bytes"], what) for what, _, r in every])
    alarms = [each for _, _, r in every for each in r["alarms"]]
    if alarms:
        share = sum(each["inside"] for each in alarms) / len(alarms)
        text = f"{share:.1%} of {len(alarms)}"
        yield "false alarms inside the promise", f"≥ {_KEPT:.0%} of the cases", text, share >= _KEPT
    behind = _behind(rows)
    if behind:
        most, what = max(behind)
        yield (
            "auto against the best family",
            f"AUROC at most {WORSE} below",
            f"{most:.4f} below at most ({what})",
            (most <= WORSE),
        )


def _size(what: str, limit: int, sizes: list[tuple[int, str]]) -> tuple[str, str, str, bool]:
    largest, where = max(sizes)
    over = sum(size > limit for size, _ in sizes)
    text = f"{largest} bytes at most ({where}); {over} of {len(sizes)} above"
    return f"parameters, {what}", f"≤ {limit} bytes", text, over == 0


def _behind(rows: Mapping[str, Mapping[str, dict]]) -> list[tuple[float, str]]:
    """By how much auto lies below the best single family, in every row."""
    found = []
    for row, methods in rows.items():
        single = {name: result["auroc"] for name, result in methods.items() if name != "auto"}
        if single and "auto" in methods:
            best = max(single, key=lambda name: single[name])
            found.append((single[best] - methods["auto"]["auroc"], f"{best} on {row}"))
    return found
