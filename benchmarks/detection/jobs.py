"""What is to be done, done on several cores; each result is kept in a file, so that a broken-off run goes on."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from benchmarks.results import write_whole

from .cases import DATA_SETS, ROOT, DataSet, data_directory, load
from .originals import ORIGINALS, judge_control, judge_original
from .ours import judge_family
from .recordings import RECORDINGS, judge_recording
from .teachers import judge_teacher

__all__ = ["Job", "Results", "default_workers", "kept", "run"]

Results = Mapping["Job", dict]

_WATCHED = (
    "train/**/*.py", "device/offbeat/**/*.py", "benchmarks/float_features.py",
    *(f"benchmarks/detection/{name}.py" for name in ("cases", "measures", "ours", "originals", "recordings", "teachers")),
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Job:
    """One method on one part of one data set.

    data_set: key, or the name of a labelled recording; kind: family, originals, control, teacher or recording; method: which;
    most: cases, None for all.
    """

    data_set: str
    part: str
    kind: str
    method: str
    most: int | None = None

    @property
    def name(self) -> str:
        """As a line of the progress shows it."""
        return f"{self.data_set} {self.part}, {self.kind} {self.method}"

    @property
    def row(self) -> str:
        """The row of tables that it belongs to."""
        return f"{self.data_set} {self.part}"


def _set_of(job: Job) -> DataSet:
    return next(each for each in DATA_SETS if each.key == job.data_set)


def _done(job: Job) -> dict:
    if job.kind == "recording":
        return judge_recording(RECORDINGS[job.data_set], job.method)
    data_set = _set_of(job)
    cases = load(data_set, job.part, job.most)
    if job.kind == "family":
        return judge_family(data_set, cases, job.method)
    if job.kind == "teacher":
        return judge_teacher(data_set, cases, job.method)
    if job.kind == "control":
        return {"controls": judge_control(data_set, cases)}
    names = list(ORIGINALS) if job.method == "all" else job.method.split(",")
    return {"originals": judge_original(data_set, cases, names)}


def fingerprint() -> str:
    """Of everything that results depend on: the trainer, the benchmark, the protocols."""
    digest = hashlib.sha256()
    paths = sorted({path for pattern in _WATCHED for path in ROOT.glob(pattern)})
    for path in [*paths, data_directory() / "protocols.py"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _kept_in(work: Path, mark: str, job: Job) -> Path:
    words = [mark, job.data_set, job.part, job.kind, job.method, str(job.most or "all")]
    return work / ("-".join(words).replace(",", "+").replace(" ", "_") + ".json")


def _do(job: Job, path: Path) -> tuple[Job, dict]:
    start, used = time.perf_counter(), time.process_time()
    try:
        result = _done(job)
    except Exception as error:  # one method's, of any kind, which must not cost the results of the others
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        result = {"failed": reason, "job_seconds": time.perf_counter() - start, "job_cpu": time.process_time() - used}
        return job, result
    result |= {"job_seconds": time.perf_counter() - start, "job_cpu": time.process_time() - used}
    write_whole(path, json.dumps(result))
    return job, result


def _order(job: Job) -> tuple[bool, bool, bool]:
    """The longest first, so that no core waits for the last one."""
    return not _large(job), job.method != "auto" or job.data_set != "skab", job.method != "auto"


def _large(job: Job) -> bool:
    return job.kind != "recording" and _set_of(job).large


def kept(jobs: Sequence[Job], work: Path) -> list[Job]:
    """The jobs whose results the work folder holds."""
    mark = fingerprint()
    return [job for job in jobs if _kept_in(work, mark, job).exists()]


def run(jobs: Sequence[Job], work: Path, workers: int, say: Callable[[str], None] | None = None) -> dict[Job, dict]:
    """Results of the jobs, from the work folder where they are there already. say: takes lines of progress."""
    tell = say or (lambda line: print(line, file=sys.stderr, flush=True))
    work.mkdir(parents=True, exist_ok=True)
    mark = fingerprint()
    found: dict[Job, dict] = {}
    for job in jobs:
        path = _kept_in(work, mark, job)
        if path.exists():
            found[job] = json.loads(path.read_text(encoding="utf-8"))
    if found:
        tell(f"{len(found)} of {len(jobs)} results are there already, in {work}")
    rest = sorted((job for job in jobs if job not in found), key=_order)
    parallel = Parallel(n_jobs=min(workers, max(len(rest), 1)), return_as="generator_unordered")
    for job, result in parallel(delayed(_do)(job, _kept_in(work, mark, job)) for job in rest):
        found[job] = result
        tell(
            f"[{len(found):3} of {len(jobs)}] {job.name}: {_brief(result)}, {result['job_seconds']:.1f} s (CPU {result['job_cpu']:.1f} s)"
        )
    return {job: found[job] for job in jobs}


def _brief(result: dict[str, Any]) -> str:
    if "failed" in result:
        return result["failed"][:100]
    if "auroc" in result and result["auroc"] is not None:
        return f"AUROC {result['auroc']:.4f}"
    return "done"


def default_workers() -> int:
    """One process a core that this one may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
