"""The main job from end to end, without hardware: what `make demo` runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from offbeat.train.budget import parse_budget
from offbeat.train.errors import OffbeatError
from offbeat.train.evaluate import Evaluation, evaluate
from offbeat.train.export import export
from offbeat.train.modeldir import write_model_directory
from offbeat.train.recording import open_recording
from offbeat.train.simulate import SimulatedStream, parse_fault, write_csv
from offbeat.train.training import Options, Training, train

from .monitor import Alarm, Monitor, Score
from .validate import ValidationReport, validate
from .virtual import VirtualBoard

__all__ = ["DemoResult", "demo"]

_RATE = 400.0
_NORMAL_SECONDS = 600.0
_FAULT = "bearing_outer@20+10"
_SPEED = 4.0
_GIVE_UP = 60.0  # s to wait for the alarm

Say = Callable[[str], None]


@dataclass(frozen=True)
class DemoResult:
    """What the demo found. alarm: None where none came in time; raw_bytes: what streaming the samples would cost."""

    training: Training
    evaluation: Evaluation
    compiled: str
    validation: ValidationReport
    alarm: Alarm | None
    windows: int
    sent_bytes: int
    raw_bytes: int
    report: Path
    seconds: float

    @property
    def ok(self) -> bool:
        """Every step did what it should."""
        return self.validation.ok and self.alarm is not None

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "ok": self.ok,
            "family": self.training.chosen.family.name,
            "auroc": self.evaluation.auroc,
            "compiled": self.compiled,
            "validation": self.validation.as_dict(),
            "alarm": self.alarm.as_dict() if self.alarm else None,
            "windows": self.windows,
            "sent_bytes": self.sent_bytes,
            "raw_bytes": self.raw_bytes,
            "report": str(self.report),
            "seconds": round(self.seconds, 1),
        }


def _compile(directory: Path) -> str:
    """Compile the exported C and run its own check, with whatever compiler is here."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return "no C compiler here, so the C export was not compiled"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic", "-O2", "-DOFFBEAT_GOLDEN"]
    program = directory / "example"
    sources = sorted(str(path) for path in directory.glob("*.c"))
    subprocess.run([compiler, *flags, *sources, "-o", str(program)], check=True, timeout=120)
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=60, check=False)
    if ran.returncode:
        raise OffbeatError(f"{program} found a difference: {ran.stdout.strip()}")
    said = ran.stdout.strip().splitlines()[-1]
    return f"compiled without a warning by {Path(compiler).name}; its self-test says: {said}"


def _watch(port: str) -> tuple[Alarm | None, int, int]:
    """Monitor until the alarm: (alarm, windows seen, bytes that came over the line)."""
    windows = 0
    monitor = Monitor(port, seconds=_GIVE_UP, until_alarm=True)
    alarm = None
    try:
        for event in monitor:
            windows += isinstance(event, Score)
            if isinstance(event, Alarm) and event.on:
                alarm = event
    finally:
        monitor.close()
    return alarm, windows, int(monitor.summary()["bytes_in"])


def demo(directory: Path, say: Say, progress: Callable[[str, float], None] = lambda stage, share: None) -> DemoResult:
    """Run the demo in a directory; `say` gets a line of text as each step is done."""
    began = monotonic()
    directory.mkdir(parents=True, exist_ok=True)
    normal, faulty = directory / "normal.csv", directory / "faulty.csv"
    write_csv(SimulatedStream(machine="fan", rate=_RATE, seed=1), normal, seconds=_NORMAL_SECONDS)
    fault = (parse_fault("bearing_outer@60"),)
    write_csv(SimulatedStream(machine="fan", rate=_RATE, seed=2, faults=fault), faulty, seconds=120.0)
    say(f"1. Simulated a fan: {normal} (10 minutes, normal) and {faulty} (an outer-race bearing fault from 60 s on).")

    training = train([open_recording(normal)], Options(budget=parse_budget("1/hour"), name="demo fan"), progress)
    model = directory / "model"
    write_model_directory(training, model, progress)
    evaluation = evaluate(training.pipeline, [open_recording(faulty)])
    say(f"2. Trained {model}: {training.reason}. {training.calibration.statement}")
    say(f"   On the faulty recording, never seen in training: AUROC {evaluation.auroc:.3f}, alarm after "
        f"{_delay(evaluation)}, {evaluation.false_alarms} false alarms.")  # fmt: skip

    export(model, "c", directory / "c")
    compiled = _compile(directory / "c")
    say(f"3. Exported C to {directory / 'c'}: {compiled}.")

    stream = SimulatedStream(machine="fan", rate=_RATE, seed=3)
    with VirtualBoard(model=model, source=stream) as board:
        say(f"4. Started a virtual board, real MicroPython with the files of device/, on {board.port}.")
        validation = validate(
            model,
            str(board.port),
            replay=faulty,
            windows=300,
            progress=lambda done, total: progress("validating", done / total),
        )
    say(f"5. Validated over serial: {validation.windows} windows, {validation.numbers} numbers compared, "
        f"{validation.mismatches} mismatches.")  # fmt: skip

    stream = SimulatedStream(machine="fan", rate=_RATE, seed=4, faults=(parse_fault(_FAULT),))
    with VirtualBoard(model=model, source=stream, speed=_SPEED) as board:
        alarm, windows, sent = _watch(str(board.port))
    raw = windows * training.pipeline.hop * len(training.pipeline.channels) * 2
    if alarm is None:
        say("6. No alarm came in time: something is wrong.")
    else:
        reasons = ", ".join(f"{name} {contribution}" for name, contribution in alarm.reasons)
        say(f"6. Streamed a fan whose bearing fails from 20 s on: ALARM at {_seconds(alarm.window, training):.1f} s, "
            f"score {alarm.score} (threshold 256), because of {reasons}.")  # fmt: skip
        say(f"   The board sent {sent} bytes of verdicts; the raw samples, {raw} bytes, stayed on it.")
    report = model / "report.html"
    say(f"7. The report with all plots: {report}")
    return DemoResult(
        training, evaluation, compiled, validation, alarm, windows, sent, raw, report, monotonic() - began
    )


def _delay(evaluation: Evaluation) -> str:
    return "no time" if evaluation.median_delay is None else f"{evaluation.median_delay:.1f} s"


def _seconds(window: int, training: Training) -> float:
    return (window * training.pipeline.hop + training.pipeline.window) / training.pipeline.rate
