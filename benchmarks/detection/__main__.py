"""`python -m benchmarks.detection`: runs the benchmark and writes docs/results.md; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.results import put_section, refuse, write_whole
from offbeat.train.families import FAMILIES

from .cases import DATA_SETS, ROOT, data_directory, parts_present
from .jobs import Job, default_workers, kept, run
from .plots import plot_auroc
from .recordings import RECORDINGS
from .tables import tables
from .teachers import TEACHERS, TEACHING_SETS

__all__ = ["main"]

_QUICK_SETS, _QUICK_FAMILIES, _QUICK_CASES = ("skab", "cwru0", "gear4", "nicla"), ("gaussian", "pca", "auto"), 3
_OF_WINDOWS = ("load_fan_uci", "load_fan_esp32", "load_cwru0", "load_gear", "load_nicla")
_OF_LARGE = ("gaussian", "pca", "auto")  # families that are run on large sets
_ORIGINALS_OF_LARGE = "LedoitWolf,PCA T²+Q,IsolationForest"

_EXAMPLES = """examples:
  make bench-detection                                             # everything that is here, into docs/results.md
  python -m benchmarks.detection --quick                           # minutes
  python -m benchmarks.detection --only skab,gear --family auto    # two sets, tables on the terminal
  OFFBEAT_DATA=/data python -m benchmarks.detection --part holdout
"""


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.detection", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--only", default="", help="data sets, by the start of their names: skab,gear; smd only if named"
    )
    parser.add_argument("--family", default="", help="families, and auto: pca,auto; by default all of them")
    parser.add_argument(
        "--part", default="all", choices=("dev", "holdout", "all"), help="of the recordings; those that are here"
    )
    parser.add_argument("--quick", action="store_true", help="few families, few originals, few cases")
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "build" / "bench",
        help="folder that keeps results; a run goes on from there",
    )
    parser.add_argument(
        "--output", type=Path, help="Markdown file; docs/results.md for a whole run, none for a part of it"
    )
    parser.add_argument("--jobs", type=int, default=default_workers(), help="processes; one a core by default")
    parser.add_argument(
        "--kept", action="store_true", help="run nothing, take what the work folder holds of a broken-off run"
    )
    return parser.parse_args(given)


def _named(given: str, known: Sequence[str], option: str) -> list[str]:
    """Those that start with a word of the list; all without one."""
    words = [word.strip() for word in given.split(",") if word.strip()]
    for word in words:
        if not any(name.startswith(word) for name in known):
            refuse(f"{option} {word} is none of {', '.join(known)}")
    return [name for name in known if not words or any(name.startswith(word) for word in words)]


def jobs_of(arguments: argparse.Namespace) -> Iterator[Job]:
    """All that is to be run, in the order of the tables."""
    sets = _named(arguments.only, [each.key for each in DATA_SETS], "--only")
    families = _named(arguments.family, ["auto", *FAMILIES], "--family")
    part_of_it = bool(arguments.only or arguments.family)
    if arguments.quick:
        sets = [key for key in sets if key in _QUICK_SETS or arguments.only]
        families = [name for name in families if name in _QUICK_FAMILIES or arguments.family]
    most = _QUICK_CASES if arguments.quick else None
    for data_set in DATA_SETS:
        if data_set.key not in sets or (data_set.large and not arguments.only):
            continue
        for part in parts_present(data_set, arguments.part):
            for name in families:
                if not data_set.large or name in _OF_LARGE:
                    yield Job(data_set.key, part, "family", name, most)
            if data_set.large:
                yield Job(data_set.key, part, "originals", _ORIGINALS_OF_LARGE, most)
            elif not arguments.family:
                yield Job(data_set.key, part, "originals", "LedoitWolf,PCA T²+Q" if arguments.quick else "all", most)
            if data_set.loader in _OF_WINDOWS:
                yield Job(data_set.key, part, "control", "all", most)
            if not arguments.quick and not arguments.family and part == "dev" and data_set.key in TEACHING_SETS:
                yield from (Job(data_set.key, part, "teacher", teacher) for teacher in TEACHERS)
    if not arguments.quick and not part_of_it and arguments.part != "holdout":
        for name, recordings in RECORDINGS.items():
            if (data_directory() / recordings.folder / "dev").is_dir():
                yield from (Job(name, "dev", "recording", family) for family in ("gaussian", "pca", "auto"))


_NOTES = """## Detection

By `make bench-detection`: {count} jobs, {cpu:.1f} minutes of CPU time, so some {idle:.0f} minutes on two cores that nobody else uses.
Protocols, data and their sources: the README of the recordings. One setting for all: `OffbeatDetector(family=…, rate=…)` with its defaults, budget 1/day. Models
and thresholds see normal training data only, scores are causal, and nothing is tuned for a file.

AUROC and the share found at 1 % false positives are means over cases; F1 and the false-alarm rate count the rows or windows of all cases at the
own threshold. *Originals* are floats of scikit-learn and PyOD, each on several sets of features (the protocol's and offbeat's own). What
they can choose is chosen in their favour by the test: the features with the best AUROC, and of four threshold rules the one
with the best F1. Bytes: of the parameter section for offbeat, of the pickled estimator for originals; fit: CPU
seconds, of offbeat for all of training (features, choice, held-out models, threshold, quantization), of an original for its `fit` alone.

![AUROC of every method on every data set](results.png)
"""


def main(given: Sequence[str] | None = None) -> None:
    """Run, print or write the tables."""
    arguments = _arguments(given)
    if not (data_directory() / "protocols.py").is_file():
        refuse(f"{data_directory()}: the recordings and protocols.py are not here; set OFFBEAT_DATA to their folder")
    jobs = list(jobs_of(arguments))
    if not jobs:
        refuse(f"{data_directory()} holds no part {arguments.part} of these sets; choose another --part or --only")
    planned = len(jobs)
    if arguments.kept:
        jobs = kept(jobs, arguments.work)
        if not jobs:
            refuse(f"{arguments.work} holds no result of this trainer and these protocols; run without --kept")
    start = time.perf_counter()
    results = run(jobs, arguments.work, arguments.jobs)
    cpu = sum(result["job_cpu"] for result in results.values()) / 60
    print(f"{len(jobs)} results in {time.perf_counter() - start:.0f} s of this run", file=sys.stderr)
    failed = [f"{job.name} failed: {result['failed']}" for job, result in results.items() if "failed" in result]
    print("".join(f"{line}\n" for line in failed), end="", file=sys.stderr)
    missing = (
        f"\n**Broken off: {planned - len(jobs)} of {planned} jobs have not been run.**\n" if planned > len(jobs) else ""
    )
    text = _NOTES.format(cpu=cpu, idle=cpu / 2, count=len(jobs)) + missing + "\n" + tables(results)
    whole = not (arguments.only or arguments.family or arguments.quick)
    output = arguments.output or (ROOT / "docs" / "results.md" if whole else None)
    if output is None:
        print(text)
        sys.exit(1 if failed else 0)
    output.parent.mkdir(parents=True, exist_ok=True)
    plot_auroc(results, output.with_suffix(".png"))
    if output.name == "results.md":
        put_section(output, "detection", text)
    else:
        write_whole(output, text)
    print(f"written: {output}, {output.with_suffix('.png')}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
