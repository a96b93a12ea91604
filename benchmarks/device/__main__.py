"""Runs it all and writes docs/results-device.md and docs/results-device.png.

python -m benchmarks.device [--cores cortex-m0,cortex-m4]
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from offbeat.train.errors import InputError, OffbeatError
from offbeat.train.modelfile import write_atomically
from offbeat.train.profile import toolchain_missing

from . import micropython, mlperf, ours, peers
from .build import CORES
from .plot import save_plot
from .programs import Program, measured
from .rows import Row
from .svm_code import VECTORS
from .tables import document
from .workloads import data

_DOCS = Path(__file__).parents[2] / "docs"


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__.splitlines()[0])
    parser.add_argument("--cores", default=",".join(CORES), help="some of the cores, for a look: %(default)s")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="folder to write to: %(default)s")
    return parser.parse_args()


def _rows(cores: list[str], programs: list[Program]) -> list[Row]:
    found: list[Row] = []
    for core in cores:
        found += ours.rows(core, _report)
        found += [mlperf.row(core), micropython.row(core)]
    jobs = [(program, core) for program in programs for core in cores]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for row in pool.map(lambda job: measured(*job), jobs):
            _report(f"{row.contender}: {row.work}, {row.core}: {row.failure or f'{row.instructions:,}'}")
            found.append(row)
    return sorted(found, key=lambda row: ([*ours.works(), mlperf.WORK].index(row.work), cores.index(row.core)))


def main() -> int:
    """The command."""
    arguments = _arguments()
    cores = [name for name in arguments.cores.split(",") if name]
    started = time.monotonic()
    try:
        if unknown := sorted(set(cores) - set(CORES)):
            raise InputError(f"--cores {unknown[0]} is none of the benchmark's; choose among {', '.join(CORES)}")
        if missing := toolchain_missing():
            raise InputError(f"this needs {' and '.join(missing)}; pip install 'offbeat[bench]'")
        programs, absent = peers.programs(data())
        for text in absent:
            _report(f"no rows of {text}")
        rows = _rows(cores, programs)
        arguments.docs.mkdir(parents=True, exist_ok=True)
        page = document(rows, peers.versions(), absent, len(data().test), VECTORS)
        save_plot(rows, arguments.docs / "results-device.png")
        write_atomically(arguments.docs / "results-device.md", page)
    except OffbeatError as error:
        _report(str(error))
        return 2
    _report(f"{arguments.docs / 'results-device.md'} written after {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
