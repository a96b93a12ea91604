"""What can cut, fail or flip while a model is updated, and what deltas save: docs/updates.md, by `make update-sweep`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from benchmarks.results import ROOT, put_section, refuse, table
from offbeat.device.families import FAMILIES
from offbeat.device.modelfile import parse
from offbeat.host.update.delta import Wire, delta, whole
from offbeat.host.virtual_process import need_micropython
from offbeat.train.simulate import SimulatedStream, write_csv
from tests.device.test_update import models_for_cuts, write_models

__all__ = ["bits", "cuts", "deltas"]

_SCRIPTS = ROOT / "tests" / "device"
_PAGE = ROOT / "docs" / "updates.md"
_BLOCK = 64


def _run(script: str, *words: object) -> Any:
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'device'}:{_SCRIPTS}:.frozen"}
    command = [str(need_micropython()), "-X", "heapsize=32M", str(_SCRIPTS / script), *map(str, words)]
    found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(found.splitlines()[-1])


def cuts(place: Path) -> tuple[str, int]:
    """Every cut, and all pairs of cuts, on both file systems: a table, and how many ended badly."""
    rows, wrong = [], 0
    for system in ("littlefs", "fat"):
        for scenario in ("update", "revert"):
            # pairs of cuts of an update of several blocks take hours on littlefs
            for window, pairs in ((512, int(system == "fat")), (64, 1)):
                directory = place / str(window)
                directory.mkdir(exist_ok=True)
                found = _run("update_cuts.py", system, scenario, pairs, 1, 0, models_for_cuts(directory, window))
                wrong += found["wrong"]
                rows.append((
                    f"{system}, {scenario}", found["bytes"], found["operations"], found["states"], found["pairs"] or "",
                    found["refused"], found["wrong"],
                ))  # fmt: skip
                print(rows[-1], flush=True)
    header = (
        "",
        "bytes of the model",
        "flash operations",
        "states after one cut",
        "after a second one",
        "update refused",
        "without a valid model",
    )
    return table(header, rows), wrong


def bits(place: Path) -> str:
    """Every bit of a model file and of its manifest, and flash that fails at each operation: a table."""
    directory = place / "bits"
    directory.mkdir()
    write_models(directory)
    model = _run("update_cases.py", directory, "every_bit_of_a_model_file_is_looked_at", 1)
    manifest = _run("update_cases.py", directory, "every_bit_of_a_manifest_is_looked_at", 1)
    failing = _run("update_cases.py", directory, "flash_that_fails_at_any_operation_leaves_a_valid_model", 1)
    rows = [
        ("bits of a model file flipped, each refused by the reader and by the digest", model["bits"], 0),
        ("bits of a signed manifest flipped under a CRC that fits, each refused", sum(manifest.values()), 0),
        ("flash that reports an error from one operation on, for each of them", sum(failing.values()), 0),
    ]
    return table(("", "tried", "taken, or without a valid model"), rows)


def _train(recording: Path, out: Path, family: str, budget: str) -> bytes:
    command = [
        sys.executable, "-c", "from offbeat.host.cli import main; main()", "train", str(recording), "-o", str(out),
        "--family", family, "--false-alarms", budget, "--json",
    ]  # fmt: skip
    subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return (out / "model.beat").read_bytes()


def deltas(place: Path) -> str:
    """What is sent of models that were trained again: a table."""
    for name, seed in (("monday", 1), ("tuesday", 2)):
        write_csv(SimulatedStream(seed=seed), place / f"{name}.csv", seconds=300)
    rows = []
    for family in ("gaussian", "kmeans"):
        old = _train(place / "monday.csv", place / f"{family}0", family, "1/day")
        for what, recording, budget in (
            ("another budget, the same recording", "monday", "1/week"),
            ("another recording", "tuesday", "1/day"),
        ):
            new = _train(place / f"{recording}.csv", place / f"{family}{recording}{budget[2:]}", family, budget)
            rows.append((f"{FAMILIES[parse(new).family]}: {what}", len(new), *_saved(old, new)))
            print(rows[-1], flush=True)
    return table(
        ("trained again with", "bytes", "bytes sent", "characters on the wire", "of those without delta"), rows
    )


def _saved(old: bytes, new: bytes) -> tuple[int, int, str]:
    wire = Wire(144)
    digests = [zlib.crc32(old[at : at + _BLOCK]) for at in range(0, len(old) - _BLOCK + 1, _BLOCK)]
    asking = (len(digests) // 36 + 1) * wire.overhead + len(digests) * 16 // 3
    parts, everything = delta(new, digests, _BLOCK, wire), whole(new, wire)
    if wire.cost(parts) + asking >= wire.cost(everything):
        parts = everything  # the digests were asked for in vain
    cost = wire.cost(parts) + asking
    return sum(len(part.data) for part in parts if part.origin < 0), cost, f"{cost / wire.cost(everything):.2f}"


def main() -> None:
    """Sweep, and put what was found into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=_PAGE)
    parser.add_argument("--only", choices=("cuts", "bits", "deltas"), help="one of the three")
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if given.only in (None, "cuts"):
            found, wrong = cuts(place)
            put_section(given.page, "cuts", found)
        if given.only in (None, "bits"):
            put_section(given.page, "bits", bits(place))
        if given.only in (None, "deltas"):
            put_section(given.page, "deltas", deltas(place))
    if wrong:
        refuse(f"{wrong} states without a valid model; see {given.page}")


if __name__ == "__main__":
    main()
