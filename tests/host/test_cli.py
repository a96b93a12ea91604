"""The command line: exit codes, JSON, help with an example, and one sentence for everything that is bad."""

from __future__ import annotations

import io
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from offbeat.host.cli import COMMANDS, main
from offbeat.train.simulate import SimulatedStream, write_csv
from tests.train.quick import try_only

OFFBEAT = [sys.executable, "-c", "from offbeat.host.cli import main; main()"]


def run_process(*words: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as users have it."""
    return subprocess.run(
        [*OFFBEAT, *map(str, words)], capture_output=True, text=True, timeout=120, check=False, **settings
    )


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """The same in this process, which saves its start: what no command expects comes up as it is."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["offbeat", *map(str, words)])
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(words, code, output.getvalue(), errors.getvalue())


def refused(*words: object, says: str) -> None:
    """Exit code 2, one sentence on standard error, no traceback."""
    found = run(*words)
    assert found.returncode == 2, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    assert says in " ".join(found.stderr.split()), found.stderr


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "normal.csv"
    write_csv(SimulatedStream(seed=1), path, seconds=90)
    return path


@pytest.fixture(scope="module")
def model(normal: Path) -> Path:
    directory = normal.parent / "model"
    found = run("train", normal, "-o", directory, "--json", "--family", "gaussian")
    assert found.returncode == 0, found.stderr
    return directory


def module_of(command: str) -> ModuleType:
    return import_module(f"offbeat.host.cli.{command}")


def all_commands() -> list[str]:
    """Commands, and those of groups as two words."""
    return [f"{name} {word}".strip() for name in COMMANDS for word in getattr(module_of(name), "COMMANDS", [""])]


@pytest.mark.parametrize("command", all_commands())
def test_help_has_an_example(command: str) -> None:
    found = run(*command.split(), "--help")
    assert found.returncode == 0
    assert f"offbeat {command}" in found.stdout and "Example" in found.stdout
    assert "--json" in found.stdout


def test_simulate_is_repeatable_and_labelled(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        found = run("simulate", tmp_path / name, "--seconds", 5, "--fault", "imbalance@2", "--seed", 3, "--json")
        assert json.loads(found.stdout)["rows"] == 2000
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    rows = (tmp_path / "a.csv").read_text().splitlines()
    assert rows[-1].endswith(",imbalance")


def test_train_writes_the_whole_directory(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    assert names == {"model.beat", "model.h", "model.c", "golden.json", "card.md", "report.html", "summary.json",
                     "micropython"}  # fmt: skip
    report = (model / "report.html").read_text()
    assert report.count("<svg") == 4
    assert "<script" not in report
    assert (model / "micropython" / "model.beat").read_bytes() == (model / "model.beat").read_bytes()
    assert "support at best" in (model / "card.md").read_text()


def test_train_prints_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try_only(monkeypatch, "gaussian", "kmeans")
    write_csv(SimulatedStream(seed=1), tmp_path / "short.csv", seconds=15)
    found = run("train", tmp_path / "short.csv", "-o", tmp_path / "m", "--features", "motion")
    assert found.returncode == 0
    assert "front of" in found.stdout and "kmeans" in found.stdout and "Threshold:" in found.stdout


def test_evaluate(model: Path, tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.csv"
    run("simulate", faulty, "--seconds", 40, "--fault", "imbalance@20", "--seed", 8)
    found = json.loads(run("evaluate", model, faulty, "--json").stdout)
    assert found["auroc"] > 0.97 and found["median_delay"] < 2
    shown = run("evaluate", model, faulty)
    assert shown.returncode == 0 and "AUROC" in shown.stdout and "imbalance from 20" in shown.stdout


@pytest.mark.parametrize("target", ["c", "micropython"])
def test_export(model: Path, tmp_path: Path, target: str) -> None:
    found = json.loads(run("export", model, "--to", target, "-o", tmp_path / target, "--json").stdout)
    assert all(Path(file).exists() for file in found["files"])


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


ROWS = "t,x,y\n" + "".join(f"{i / 100},{(i * 37) % 101},{(i * 53) % 89}\n" for i in range(3000))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("t,x,y\n", "no samples"),
        (ROWS.replace("\n5.0,", "\n5.0,a", 1), "not a number"),
        (ROWS.replace(",17,67\n", ",nan,67\n", 1), "not a finite number"),
        (ROWS.replace("\n5.0,", "\n5.0,9,", 1), "has 4 fields"),
        (ROWS[: ROWS.index("\n5.0")] + ROWS[ROWS.index("\n6.0") :], "a gap of"),
        ("\n".join(ROWS.splitlines()[:20]), "shorter than one window"),
        ("t,x,y\n" + "".join(f"{i / 100},0,0\n" for i in range(3000)), "every channel is constant"),
        (ROWS.replace("\n5.0,17", "\n5.0,45000", 1), "outside the range of int16"),
        ("x,y\n" + "1,2\n" * 100, "--rate"),
    ],
)
def test_bad_recordings(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path / "bad.csv", text)
    refused("train", path, "-o", tmp_path / "model", says=says)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv"]


def test_the_command_line_starts_without_the_trainer() -> None:
    asks = "import sys; from offbeat.host.cli import application; application(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout.split()
    assert "offbeat.host.cli.train" in loaded and not {"sklearn", "scipy", "pandas", "matplotlib"} & set(loaded)


def test_as_a_process(tmp_path: Path) -> None:
    found = run_process("train", tmp_path / "none.csv", "-o", tmp_path / "m")
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert found.stderr.startswith("offbeat: ") and "no such recording" in found.stderr
    assert run_process("--version").stdout.startswith("offbeat ")


def test_bad_usage(normal: Path, model: Path, tmp_path: Path) -> None:
    refused("train", tmp_path / "none.csv", "-o", tmp_path / "m", says="no such recording")
    refused("train", normal, "-o", tmp_path / "m", "--channels", "x,q", says="no column 'q'")
    refused("train", normal, "-o", tmp_path / "m", "--scale", "q=0.1", says="--scale names 'q'")
    refused("train", normal, "-o", tmp_path / "m", "--scale", "x=lots", says="is not NAME=NUMBER")
    refused("train", normal, "-o", tmp_path / "m", "--false-alarms", "often", says="not a false-alarm budget")
    refused("train", normal, "-o", tmp_path / "m", "--family", "magic", says="--family magic is unknown")
    refused("train", normal, "-o", tmp_path / "m", "--window", 3, says="out of range")
    refused("train", normal, "-o", tmp_path / "m", "--window", 64, "--hop", 65, says="choose 1 to 64 samples")
    refused("train", normal, "-o", tmp_path / "m", "--hop", 0, says="--hop 0 is out of range")
    refused("train", normal, "-o", tmp_path / "m", "--votes", "5/3", says="--votes")
    refused("train", normal, "-o", normal, says="is a file")
    refused("train", normal, "-o", normal / "m" / "n", says="is a file")
    refused("evaluate", tmp_path, normal, says="no such model file")
    refused("export", model, "--to", "cobol", "-o", tmp_path / "x", says="--to cobol is unknown")
    refused("simulate", tmp_path / "s.csv", "--fault", "gremlins@3", says="no fault 'gremlins'")
    refused("simulate", tmp_path / "s.csv", "--fault", "gear_tooth@3", says="a fan cannot have gear_tooth")
    refused("simulate", tmp_path / "s.csv", "--machine", "toaster", says="no machine 'toaster'")
    refused("simulate", tmp_path / "s.csv", "--seconds", "nan", says="--seconds nan is out of range")
    refused("simulate", tmp_path / "s.csv", "--seconds", "inf", says="--seconds inf is out of range")
    refused("simulate", tmp_path / "s.csv", "--fault", "imbalance@60", says="begins behind the end")
    refused("simulate", tmp_path, says="is a directory")
    refused("simulate", tmp_path / "none" / "s.csv", says="there is no directory")
    refused("train", normal, "-o", tmp_path / "m", "--window", -3, says="--window -3 is out of range")
    refused("virtual", "--model", normal, says="not an offbeat model file")
    assert run("simulate", tmp_path / "s.csv", "--seed", -1).returncode == 2
    assert run("nonsense").returncode == 2


def test_mixed_rates(normal: Path, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    run("simulate", other, "--seconds", 20, "--rate", 100)
    refused("train", normal, other, "-o", tmp_path / "m", says="mixed rates")
    refused("evaluate", model, other, says="the model was trained for 400 Hz")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "future"])
def test_damaged_models(model: Path, normal: Path, tmp_path: Path, damage: str) -> None:
    data = bytearray((model / "model.beat").read_bytes())
    if damage == "truncated":
        data = data[:-100]
    elif damage == "flipped":
        data[500] ^= 4
    else:
        data[4] = 9
    path = tmp_path / "model.beat"
    path.write_bytes(data)
    says = {"truncated": "truncated", "flipped": "damaged", "future": "format 9"}[damage]
    refused("evaluate", path, normal, says=says)
    refused("export", path, "--to", "c", "-o", tmp_path / "c", says=says)
    assert not (tmp_path / "c").exists()


def test_full_disk_leaves_the_old_model(model: Path, normal: Path) -> None:
    """A limit on the size of files stands in for the full disk; /dev/full cannot hold a directory."""
    before = (model / "model.beat").read_bytes()

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    found = run_process("train", normal, "-o", model, "--seed", 5, "--family", "gaussian", preexec_fn=limit)
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert (model / "model.beat").read_bytes() == before
    assert not [path for path in model.parent.iterdir() if path.name.startswith(".model")]


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    out = tmp_path / "long.csv"
    process = subprocess.Popen(
        [*OFFBEAT, "simulate", str(out), "--seconds", "40000"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "stopped by Ctrl-C" in errors and "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_doctor_and_ports() -> None:
    found = run("doctor", "--json")
    assert found.returncode == 0
    assert {finding["name"].split(":")[0] for finding in json.loads(found.stdout)} >= {"numpy", "pyserial"}
    assert isinstance(json.loads(run("ports", "--json").stdout), list)


def test_examples_of_help_parse() -> None:
    """Each example names options that its command has."""
    for command in all_commands():
        module, _, word = command.partition(" ")
        text = module_of(module).COMMANDS[word][1] if word else module_of(module).EXAMPLE
        example = shlex.split(text)
        shown = run(*command.split(), "--help").stdout
        for word in example:
            if word.startswith("--"):
                assert word in shown, (command, word)


@pytest.mark.slow
def test_ten_million_rows_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    block = "".join(f"{value},{value * 7 % 97}\n" for value in np.random.default_rng(0).integers(-900, 900, 100_000))
    with path.open("w") as file:
        file.write("x,y\n")
        for _ in range(100):
            file.write(block)
    script = (
        "import resource; from offbeat.host.cli import main\n"
        "try: main()\nfinally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    words = ["train", str(path), "-o", str(tmp_path / "m"), "--rate", "1000", "--family", "gaussian", "--json"]
    found = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    peak = int(found.stdout.rsplit("peak", 1)[1])
    assert peak < 1_000_000  # kB
