"""Makes the models that ship with offbeat, each from a simulated machine: `make models`.

A model directory gets model.beat, golden.json, card.md and the command that made it; the report and the exports
are a command away.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from offbeat.train.budget import parse_budget
from offbeat.train.modeldir import write_model_directory
from offbeat.train.recording import open_recording
from offbeat.train.simulate import MACHINES, SimulatedStream, write_csv
from offbeat.train.training import Options, train

HERE = Path(__file__).parent
SECONDS = 900.0
KEPT = ("model.beat", "golden.json", "card.md")


def make(machine: str, directory: Path) -> None:
    """Train a Gaussian on fifteen minutes of a simulated machine and keep what a shipped model needs."""
    with tempfile.TemporaryDirectory() as place:
        recording = Path(place) / f"{machine}.csv"
        write_csv(SimulatedStream(machine=machine, seed=1), recording, seconds=SECONDS)
        name = f"simulated {machine}"
        training = train(
            [open_recording(recording)], Options(family="gaussian", budget=parse_budget("1/hour"), name=name)
        )
        write_model_directory(training, Path(place) / "model")
        directory.mkdir(exist_ok=True)
        for file in KEPT:
            text = (Path(place) / "model" / file).read_bytes()
            (directory / file).write_bytes(text.replace(place.encode() + b"/", b""))
    (directory / "README.md").write_text(
        f"# A {machine}, simulated\n\nMade by `make models`, which does what these do:\n\n"
        f"    offbeat simulate {machine}.csv --machine {machine} --seconds {SECONDS:g} --seed 1\n"
        f"    offbeat train {machine}.csv -o model --family gaussian --false-alarms 1/hour "
        f"--name 'simulated {machine}'\n\n"
        "For trying the tools: `offbeat virtual --model THIS_DIRECTORY`. A real machine wants a model of its own.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    for machine_name in MACHINES:
        make(machine_name, HERE / machine_name)
