"""A board that takes models, under MicroPython: every state, every refusal, every bit, every power cut."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from offbeat.device import manifest as layout
from offbeat.device.modelfile import parse
from tests.device.update_models import fitted
from tests.parity.board import PACKAGE, micropython
from tests.parity.models import make_case, with_golden

HERE = Path(__file__).parent
CASES = re.findall(r"^def ([a-z_]+)\((?:step=13)?\):", (HERE / "update_cases.py").read_text(), re.M)
"""The functions of that script that a call without arguments runs."""


def signed_manifest(
    data: bytes, key: Ed25519PrivateKey, version: int, device_class: str = "pumps", flags: int = 0
) -> bytes:
    first = layout.unsigned(layout.ED25519, flags, version, len(data), device_class, hashlib.sha256(data).digest())
    return layout.seal(first, key.sign(layout.signed(first)))


def write_models(directory: Path) -> None:
    """Models that fit the script's sensor, their signatures, and keys, for update_cases.py."""
    key, second, wrong = (Ed25519PrivateKey.generate() for _ in range(3))
    models = fitted()
    for name, data in models.items():
        (directory / f"{name}.beat").write_bytes(data)
        (directory / f"{name}.sig").write_bytes(signed_manifest(data, key, 1000))
    public = second.public_key().public_bytes_raw()
    old, new = models["old"], models["new"]
    for name, content in {
        "wrong.sig": signed_manifest(new, wrong, 1000),
        "fans.sig": signed_manifest(new, key, 1000, "fans"),
        "earlier.sig": signed_manifest(old, key, 999),
        "downgrade.sig": signed_manifest(old, key, 2000, flags=layout.DOWNGRADE),
        "second.sig": signed_manifest(new, second, 1001, "fans"),
        "handed.sig": key.sign(layout.trust_statement(layout.ED25519, public, b"fans", "0001")),
        "elsewhere.sig": key.sign(layout.trust_statement(layout.ED25519, public, b"fans", "0002")),
        "key.pub": key.public_key().public_bytes_raw(),
        "second.pub": public,
        "secret": os.urandom(32),
        "names.json": json.dumps({name: parse(data).identity for name, data in models.items()}).encode(),
    }.items():
        (directory / name).write_bytes(content)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the models."""
    directory = tmp_path_factory.mktemp("update")
    write_models(directory)
    return directory


def run(script: str, *words: object) -> Any:
    """What a script of this directory prints under MicroPython."""
    environment = {**os.environ, "MICROPYPATH": f"{PACKAGE.parent}:{HERE}:.frozen"}
    command = [micropython(), "-X", "heapsize=32M", str(HERE / script), *map(str, words)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 0, found.stdout + found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_on_littlefs(case: str, files: Path) -> None:
    run("update_cases.py", files, case)


def models_for_cuts(directory: Path, window: int) -> Path:
    """A factory's model, an old and a new one; with a window of 512 samples of more than one block of flash."""
    for seed, name in enumerate(("factory", "old", "new")):
        case = with_golden(make_case("gaussian", window, 2, seed=seed, rate=100.0))
        (directory / f"{name}.beat").write_bytes(case.data)
    return directory


@pytest.mark.parametrize("scenario", ["update", "revert"])
@pytest.mark.parametrize("system", ["littlefs", "fat"])
def test_a_power_cut_leaves_a_valid_model(system: str, scenario: str, tmp_path: Path) -> None:
    """At every operation of an update; all pairs of cuts: `make update-sweep`, docs/updates.md."""
    found = run("update_cuts.py", system, scenario, 0, 1, 0, models_for_cuts(tmp_path, 512))
    assert (found["wrong"], found["examples"]) == (0, [])
    assert found["refused"] == 0
    assert found["states"] == 3 * found["operations"] > 50
    assert found["found"]["old"] > 0 and found["found"]["factory"] == 0
    assert (found["found"]["new"] > 0) == (scenario == "update")
    assert found["bytes"] > 4096


@pytest.mark.parametrize(("system", "every", "rest"), [("littlefs", 60, 12), ("fat", 5, 2)])
def test_a_second_cut_while_it_recovers_does_no_harm(system: str, every: int, rest: int, tmp_path: Path) -> None:
    found = run("update_cuts.py", system, "update", 1, every, rest, models_for_cuts(tmp_path, 64))
    assert (found["wrong"], found["examples"]) == (0, [])
    assert found["pairs"] > 100
