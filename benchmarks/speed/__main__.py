"""`python -m benchmarks.speed`: times training on a day of vibration and writes the section "Speed" of docs/results.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.results import ROOT, put_section, refuse, table

from .data import CHANNELS, RATE, recording
from .memory import Watch
from .stages import KINDS

__all__ = ["main"]

_FASTER = 1000  # times real time
_MEMORY = 1e9  # bytes

_EXAMPLES = """examples:
  make bench-speed                                                # a day, Parquet and CSV, into docs/results.md
  python -m benchmarks.speed --hours 1 --only "offbeat auto"      # a quick look, on the terminal
"""


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.speed", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--hours", type=float, default=24.0, help="of recording; only a whole day goes into docs/results.md"
    )
    parser.add_argument("--only", default="", help=f"one of: {', '.join(KINDS)}")
    parser.add_argument("--files", default="parquet,csv", help="parquet, csv or both")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "bench", help="folder for the recordings, 1.5 GB for a day"
    )
    parser.add_argument(
        "--output", type=Path, help="Markdown file; docs/results.md for a whole run, none for a part of it"
    )
    return parser.parse_args(given)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _timed(kind: str, path: Path) -> dict:
    """One kind of work in a process of its own, its memory watched."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.speed.stages", kind, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process, Watch(process.pid) as watch:
        output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{kind} failed on {path}")
    result = json.loads(output)
    return result | {"memory": watch.peak or result["rss"] + result["child_rss"]}


def _row(kind: str, file: str, result: Mapping, samples: int, own: Mapping | None) -> tuple[str, ...]:
    stages = result["stages"]
    ratio = f"{result['seconds'] / own['seconds']:.2f} / {result['cpu'] / own['cpu']:.2f}" if own else ""
    return (
        kind, file, f"{stages['reading and features']:.1f}", f"{stages['search, fit, calibration']:.1f}", f"{result['seconds']:.1f}",
        f"{result['cpu']:.1f}", f"{samples / result['seconds'] / 1e6:.2f} M", f"{samples / RATE / result['seconds']:,.0f}",
        f"{result['memory'] / 1e6:,.0f} MB", f"{result['passes']:.2f}" if "passes" in result else "1", ratio,
    )  # fmt: skip


def _levels(results: Mapping[tuple[str, str], Mapping], samples: int) -> list[tuple[str, str, str, str]]:
    rows = []
    for (kind, file), result in results.items():
        if kind != "offbeat auto":
            continue
        faster, memory = samples / RATE / result["seconds"], result["memory"]
        at_best = samples / RATE / (result["cpu"] / (os.cpu_count() or 1))
        for what, asked, measured, reached in (
            (
                "times real time",
                f"≥ {_FASTER}",
                f"{faster:,.0f} (CPU time spread over all cores: {at_best:,.0f})",
                faster >= _FASTER,
            ),
            ("memory", "< 1 GB", f"{memory / 1e6:,.0f} MB", memory < _MEMORY),
            ("passes over the file", "one", f"{result['passes']:.2f}", result["passes"] < 1.1),
        ):
            rows.append((f"{file}: {what}", asked, measured, "reached" if reached else "**not reached**"))
    return rows


_NOTES = """## Speed

By `make bench-speed`: {hours:g} hours of {channels} axes at {rate:g} Hz, {samples:,} samples an axis, from a recording that was written before. Everything
from starting Python to a trained model, on {cores} cores, at a load average of {load:.1f} when it ended (above {cores}, others were
using them too, and the CPU seconds tell more than the clock). Windows of 128 samples, hop 64. Memory: the most that all processes
held at one time (proportional set size). `scipy` is the same features, all kinds, in float64, written with NumPy and SciPy in
blocks that fit the caches, then a detector of PyOD fitted to all windows: no search, no threshold for a budget, no quantization. The ratio
is its clock and CPU time over those of `offbeat auto` on the same file.
"""


def main(given: Sequence[str] | None = None) -> None:
    """Time it all, print or write the tables."""
    arguments = _arguments(given)
    kinds = [kind for kind in KINDS if not arguments.only or kind == arguments.only]
    files = [file.strip() for file in arguments.files.split(",")]
    if not kinds or not set(files) <= {"parquet", "csv"}:
        refuse(f"--only takes one of {', '.join(KINDS)}; --files takes parquet, csv or both")
    results: dict[tuple[str, str], dict] = {}
    samples = 0
    for file in files:
        path, samples = recording(arguments.work, file, arguments.hours, _say)
        for kind in kinds:
            found = results[kind, file] = _timed(kind, path)
            _say(f"{kind}, {file}: {found['seconds']:.1f} s, CPU {found['cpu']:.1f} s, {found['memory'] / 1e6:,.0f} MB")
    text = _section(results, samples, arguments.hours)
    whole = arguments.hours == 24 and len(results) == 2 * len(KINDS)
    output = arguments.output or (ROOT / "docs" / "results.md" if whole else None)
    if output is None:
        print(text)
    else:
        put_section(output, "speed", text)
        _say(f"written: {output}")


def _section(results: Mapping[tuple[str, str], Mapping], samples: int, hours: float) -> str:
    last = list(results.values())[-1]
    header = (
        "method", "file", "reading and features, s", "the rest, s", "all, s", "CPU, s", "samples/s", "times real time", "memory",
        "passes", "ratio of clock / CPU",
    )  # fmt: skip
    rows = [
        _row(kind, file, result, samples, None if kind == "offbeat auto" else results.get(("offbeat auto", file)))
        for (kind, file), result in results.items()
    ]
    notes = _NOTES.format(
        hours=hours, channels=len(CHANNELS), rate=RATE, samples=samples, cores=os.cpu_count(), load=last["load"],
    )  # fmt: skip
    chosen = "".join(
        f"\n{kind}, {file}: {r['chosen']}, {r['tried']} tried, {r['windows']:,} windows.\n"
        for (kind, file), r in results.items()
        if kind == "offbeat auto"
    )
    levels = _levels(results, samples)
    text = f"{notes}\n{table(header, rows)}{chosen}"
    return text + (f"\n{table(('what', 'level', 'measured', ''), levels)}" if levels else "")


if __name__ == "__main__":
    main()
