"""Results as the tables of docs/results.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.results import table
from offbeat.train.families import FAMILIES

from .cases import DATA_SETS
from .jobs import Job
from .levels import DEAR, WORSE, by_row, levels_of
from .measures import BUDGETS
from .originals import ORIGINAL_OF
from .recordings import RECORDINGS

__all__ = ["best_originals", "tables"]

_ORDER = ("auto", *FAMILIES)


def tables(results: Mapping[Job, dict]) -> str:
    """All sections but for the introduction."""
    parts = [
        ("Levels", _levels(results)),
        ("Against the originals", _summary(results)),
        ("What one number would do", _controls(results)),
        ("Integer against float", _price(results)),
        ("Teacher and student", _teachers(results)),
        ("False alarms, promised and realised", _promises(results)),
        ("Labelled recordings, from end to end", _recordings(results)),
        *_each_set(results),
    ]
    return "\n".join(f"### {title}\n\n{text}" for title, text in parts if text)


def _sorted(methods: Mapping[str, Any]) -> list[str]:
    return sorted(methods, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


def _levels(results: Mapping[Job, dict]) -> str:
    rows = [
        (what, asked, measured, "reached" if ok else "**not reached**")
        for what, asked, measured, ok in levels_of(results)
    ]
    reached = sum(row[3] == "reached" for row in rows)
    return table(("what", "level", "measured", ""), rows) + f"\n{reached} of {len(rows)} reached.\n" if rows else ""


def best_originals(results: Mapping[Job, dict]) -> dict[str, dict[str, dict]]:
    """By row and name of the original: its result on the features that suit it best, by the AUROC of the test."""
    found: dict[str, dict[str, dict]] = {}
    for job, result in results.items():
        for key, each in result.get("originals", {}).items():
            name, features = key.split("|")
            rows = found.setdefault(job.row, {})
            if "failed" not in each and each["auroc"] > rows.get(name, {"auroc": -1})["auroc"]:
                rows[name] = each | {"features": features}
    return found


def _figures(result: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return f"{result['auroc']:.4f}", f"{result['tpr_at_1fpr']:.3f}", f"{result['f1']:.3f}", f"{result['far']:.1f} %"


def _summary(results: Mapping[Job, dict]) -> str:
    families, originals = by_row(results, "family"), best_originals(results)
    rows: list[tuple[str, ...]] = []
    for row, methods in families.items():
        lines = []
        if "auto" in methods:
            lines.append((f"auto: {methods['auto']['chosen']}", methods["auto"]))
        single = {name: result for name, result in methods.items() if name != "auto"}
        if single:
            best = max(single, key=lambda name: single[name]["auroc"])
            lines.append((f"best family: {best}", single[best]))
        others = originals.get(row, {})
        if others:
            best = max(others, key=lambda name: others[name]["auroc"])
            lines.append((f"best original: {best} on {others[best]['features']}", others[best]))
        rows += [(row if not i else "", what, *_figures(result)) for i, (what, result) in enumerate(lines)]
    header = ("data", "method", "AUROC", "found at 1 % FPR", "F1", "false-alarm rate")
    return table(header, rows) + f"\n{_verdict(families)}\n" if rows else ""


def _verdict(families: Mapping[str, Mapping[str, dict]]) -> str:
    """Whether auto keeps up with the best single family, row by row."""
    behind, compared = [], 0
    for row, methods in families.items():
        single = [result["auroc"] for name, result in methods.items() if name != "auto"]
        compared += bool(single and "auto" in methods)
        if single and "auto" in methods and max(single) - methods["auto"]["auroc"] > WORSE:
            behind.append(f"{row} (by {max(single) - methods['auto']['auroc']:.3f})")
    if behind:
        return f"`auto` lies more than {WORSE} of AUROC below the best single family on {', '.join(behind)}."
    return f"`auto` lies nowhere more than {WORSE} of AUROC below the best single family." if compared else ""


def _controls(results: Mapping[Job, dict]) -> str:
    rows, easy = [], []
    families = by_row(results, "family")
    for job, result in results.items():
        if job.kind == "control" and "failed" not in result:
            found = {name: each["auroc"] for name, each in result["controls"].items()}
            auto = families.get(job.row, {}).get("auto")
            rows.append((job.row, *(f"{each:.4f}" for each in found.values()), f"{auto['auroc']:.4f}" if auto else ""))
            if auto and found["mean"] > auto["auroc"] - DEAR:
                easy.append(job.row)
    if not rows:
        return ""
    text = (
        "AUROC of the Mahalanobis distance of one number a channel. The mean of a window is, in a vibration recording, the offset "
        "or the attitude of a sensor: where it does as well as a model, recordings differ by more than the fault.\n\n"
    )
    text += table(("data", "mean alone", "RMS alone", "auto"), rows)
    return text + (f"\nThe mean alone does as well as `auto` on {', '.join(easy)}.\n" if easy else "")


def _price(results: Mapping[Job, dict]) -> str:
    families = by_row(results, "family")
    names = _sorted({name for methods in families.values() for name in methods})
    rows = []
    for row, methods in families.items():
        cells = [row]
        for name in names:
            result = methods.get(name, {})
            if result.get("float_auroc") is None:
                cells.append("")
                continue
            change = result["integer_auroc"] - result["float_auroc"]
            cells.append(f"**{change:+.4f}**" if abs(change) > DEAR else f"{change:+.4f}")
        rows.append(cells)
    text = (
        "AUROC of the integers less that of the same model in float64 from the samples on (features, standard scores, "
        f"family). Bold: further than {DEAR}.\n\n"
    )
    return text + table(("data", *names), rows) if rows else ""


def _teachers(results: Mapping[Job, dict]) -> str:
    rows = []
    for job, result in results.items():
        if job.kind == "teacher" and "failed" not in result:
            stages = (result[stage] for stage in ("teacher", "student", "quantized"))
            cells = [f"{stage['auroc']:.4f} / {stage['tpr_at_1fpr']:.3f}" for stage in stages]
            ratio = result["teacher_bytes"] / result["bytes"]
            sizes = f"{result['teacher_bytes']:,}", f"{result['bytes']:,}", f"{ratio:,.0f}"
            rows.append((job.row, job.method.removeprefix("pyod.models."), *cells, result["family"], *sizes))
    header = (
        "data", "teacher", "teacher's AUROC / found at 1 % FPR", "student in floats", "student on the board", "student",
        "teacher, bytes", "student, bytes", "ratio",
    )  # fmt: skip
    return table(header, rows) if rows else ""


def _share(alarms: Iterable[Mapping[str, Any]]) -> str:
    inside = [each["inside"] for each in alarms]
    return f"{sum(inside)} of {len(inside)} ({sum(inside) / len(inside):.0%})" if inside else ""


def _promises(results: Mapping[Job, dict]) -> str:
    families = by_row(results, "family")
    names = _sorted({name for methods in families.values() for name in methods})
    every = [(row, name, each) for row, m in families.items() for name, r in m.items() for each in r["alarms"]]
    if not every:
        return ""
    rows = []
    for row in families:
        for budget in BUDGETS:
            own = [each for at, _, each in every if at == row and each["budget"] == budget]
            if own:
                counts = (sum(each[key] for each in own) for key in ("alarms", "low", "high"))
                alarms, low, high = counts
                hours = sum(each["hours"] for each in own)
                rows.append((row, budget, f"{hours:.2f}", f"{low} to {high}", alarms, _share(own)))
    text = (
        "All healthy windows of the test parts, every family. Inside: the alarms of a case lie in the interval of "
        "`expected(hours of the test)`, promised at 90 % confidence by the training data alone. Promised and realised are sums.\n\n"
    )
    text += table(("data", "budget", "hours", "promised", "alarms", "cases inside"), rows) + "\n"
    by_family = [
        (name, *(_share(e for _, n, e in every if n == name and e["budget"] == b) for b in BUDGETS)) for name in names
    ]
    total = ("**all**", *(_share(e for _, _, e in every if e["budget"] == budget) for budget in BUDGETS))
    return text + table(("cases inside", *BUDGETS), [*by_family, total])


def _recordings(results: Mapping[Job, dict]) -> str:
    rows = []
    for job, r in results.items():
        if job.kind == "recording" and "failed" not in r:
            delay = "-" if r["delay"] is None else f"{r['delay']:.2f} s"
            rows.append(
                (RECORDINGS[job.data_set].title, f"{job.method}: {r['chosen']}" if job.method == "auto" else job.method,
                 f"{r['auroc']:.4f}", f"{r['f1']:.3f}", f"{r['false_alarms']} in {r['hours'] * 3600:.0f} s",
                 f"{r['found']} of {r['faults']}", delay, r["bytes"])
            )  # fmt: skip
    header = ("recordings", "family", "AUROC", "F1", "false alarms", "faults alarmed", "delay", "parameters, bytes")
    return table(header, rows) if rows else ""


def _delay(delays: list[float | None]) -> tuple[str, str]:
    """Found at the own threshold, and the median delay."""
    if not delays:
        return "-", "-"
    found = [each for each in delays if each is not None]
    return f"{len(found)} of {len(delays)}", f"{np.median(found):,.0f} s" if found else "-"


def _each_set(results: Mapping[Job, dict]) -> Iterable[tuple[str, str]]:
    """A table for each row: every family, every original."""
    families, originals = by_row(results, "family"), best_originals(results)
    header = (
        "method", "AUROC", "found at 1 % FPR", "F1", "false-alarm rate", "found at own threshold", "runs found", "delay",
        "bytes", "fit, CPU s", "fit, ratio to the original",
    )  # fmt: skip
    titles = {data_set.key: data_set.title for data_set in DATA_SETS}
    for row in dict.fromkeys([*families, *originals]):
        lines = []
        others = originals.get(row, {})
        for name in _sorted(families.get(row, {})):
            result = families[row][name]
            original = others.get(ORIGINAL_OF.get(name, ""))
            ratio = f"{result['seconds'] / max(original['seconds'], 1e-4):.0f}" if original else ""
            title = (
                f"**auto**: {result['chosen']}" if name == "auto" else f"{name} ({result['chosen'].split(' on ')[1]})"
            )
            lines.append(_line(title, result, ratio))
        lines += [_line(f"*{name}*, {r['features']}; {r['rule']}", r, "") for name, r in others.items()]
        yield f"{row}: {titles[row.split()[0]]}", table(header, lines)


def _line(title: str, result: Mapping[str, Any], ratio: str) -> tuple[str, ...]:
    found = f"{100 - result['mar']:.1f} %"
    return (
        title, *_figures(result), found, *_delay(result["delays"]), f"{result['bytes']:,}", f"{result['seconds']:.2f}", ratio,
    )  # fmt: skip
