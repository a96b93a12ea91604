"""The board's journal under MicroPython: on its own littlefs whose power is cut, and as commands of the protocol."""

from __future__ import annotations

import base64
import json
import os
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offbeat.device import records
from tests.device.test_commands import RATE, ask, lines
from tests.parity.board import PACKAGE, AppWorker, Worker, micropython, started
from tests.parity.models import make_case

HERE = Path(__file__).parent
CASES = re.findall(r"^def ([a-z_]+)\((?:hours=\d+)?\):", (HERE / "journal_cases.py").read_text(), re.M)
"""The functions of that script that a call without arguments runs."""


def run(script: str, *words: str) -> Any:
    """What a script of this directory prints under MicroPython."""
    environment = {**os.environ, "MICROPYPATH": f"{PACKAGE.parent}:{HERE}:.frozen"}
    command = [micropython(), "-X", "heapsize=32M", str(HERE / script), *words]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 0, found.stdout + found.stderr
    return json.loads(found.stdout)


@pytest.mark.parametrize("case", CASES)
def test_on_littlefs(case: str) -> None:
    run("journal_cases.py", case)


def test_power_cuts_lose_nothing_and_show_nothing_corrupt() -> None:
    """Every operation of each 41st append; all of them, of 10,000 records: `make journal-sweep`, docs/journal.md."""
    found = run("power_cuts.py", "700", "41", "9")
    assert found["states"] == 3 * found["operations"] > 500
    assert (found["lost"], found["corrupt"], found["examples"]) == (0, 0, [])
    assert found["most_erased"] <= 3 and found["files"] == 2


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with started("viper") as (running,):
        yield running


@pytest.fixture
def board(worker: Worker, tmp_path: Path) -> AppWorker:
    model = make_case("gaussian", 32, 2, seed=11, rate=RATE / 1000).data
    return AppWorker(worker, model, channels=2, rate_millihertz=RATE, journal=str(tmp_path / "journal"))


def one(board: AppWorker, **fields: Any) -> dict[str, str]:
    ((kind, found),) = ask(board, "JOURNAL", 7, **fields)
    assert (kind, found.pop("re")) == ("ACK", "7")
    return found


def fetched(board: AppWorker, ring: str, at: int = 0) -> list[tuple[int, str, bytes]]:
    """(number, kind, payload) of all records from a number on."""
    found = []
    while True:
        answer = one(board, ring=ring, **{"from": at})
        data = base64.b64decode(answer.get("d", ""))
        place = 0
        while place < len(data):
            length = records.whole(data, place, len(data))
            assert length
            _, _, kind, _, number, _ = struct.unpack_from(records.HEAD, data, place)
            payload = data[place + records.HEAD_SIZE : place + length - 4]
            found.append((number, records.KINDS[kind], payload))
            place += length
        if int(answer["next"]) == at:
            return found
        at = int(answer["next"])


def test_minutes_of_scores_are_kept_and_fetched_from_any_number(board: AppWorker) -> None:
    windows = 0
    for _ in range(20):
        for _ in range(6):
            windows += sum(kind == "SCORE" for kind, _ in lines(board.step(64)))
            board.advance(10_000)
            board.step(0)
    status = one(board, ring="minutes")
    assert (status["oldest"], status["next"], status["up"], status["boot"]) == ("1", "21", "1200", "1")
    assert re.fullmatch("[0-9a-f]{8}", status["id"])
    found = fetched(board, "minutes")
    assert [(number, kind) for number, kind, _ in found] == [(n, "minute") for n in range(1, 21)]
    counts = [struct.unpack(records.SUMMARY, payload)[0] for _, _, payload in found]
    assert sum(counts) == windows
    assert fetched(board, "minutes", 8) == found[7:]
    assert fetched(board, "minutes", 21) == fetched(board, "minutes", 1000) == []
    assert [kind for _, kind, _ in fetched(board, "events")] == ["boot"]


def test_a_line_of_records_is_as_full_as_it_may_be(board: AppWorker) -> None:
    for _ in range(12):
        board.step(64)
        board.advance(60_000)
        board.step(0)
    answer = one(board, ring="minutes", **{"from": 1})
    assert len(base64.b64decode(answer["d"])) == 4 * 31
    assert answer == one(board, ring="minutes", **{"from": 1}), "asked again, the same again"


def test_what_was_taken_is_remembered(board: AppWorker) -> None:
    assert one(board, ring="minutes")["taken"] == "0"
    assert one(board, ring="minutes", taken=12)["taken"] == "12"
    assert one(board, ring="minutes")["taken"] == "12"
    assert one(board, ring="events")["taken"] == "0"


def test_a_hosts_clock_is_kept(board: AppWorker) -> None:
    assert one(board, time=1_800_000_000) == one(board, time=1_800_000_001) == {}
    board.advance(2_000)
    board.step(0)
    assert fetched(board, "events")[1:] == [(2, "clock", struct.pack("<I", 1_800_000_000))]


def test_health_tells_of_the_journal(board: AppWorker) -> None:
    ((_, health),) = ask(board, "HEALTH")
    assert (health["boot"], health["journal_failed"], health["journal_dropped"]) == ("1", "0", "0")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ring": "hours"},
        {"ring": "events", "from": "-1"},
        {"ring": "events", "from": "x"},
        {"ring": "events", "from": 1 << 30},
        {"ring": "events", "from": ""},
        {"ring": "events", "taken": "9" * 40},
        {"time": "now"},
        {"time": 1 << 32},
        {"from": 1},
    ],
)
def test_wrong_fields_are_refused(board: AppWorker, fields: dict[str, Any]) -> None:
    assert ask(board, "JOURNAL", 3, **fields) == [("NAK", {"re": "3", "why": "field"})]


def test_a_board_without_a_journal_says_so(worker: Worker) -> None:
    plain = AppWorker(worker, b"", channels=2, rate_millihertz=RATE)
    assert ask(plain, "JOURNAL", 3, ring="events") == [("NAK", {"re": "3", "why": "journal"})]
    ((_, health),) = ask(plain, "HEALTH")
    assert "boot" not in health


def test_flash_that_cannot_be_read_is_said_and_scoring_goes_on(board: AppWorker, tmp_path: Path) -> None:
    board.step(64)
    (file,) = (tmp_path / "journal").glob("e*")
    file.unlink()
    assert ask(board, "JOURNAL", 3, ring="events", **{"from": 1}) == [("NAK", {"re": "3", "why": "flash"})]
    assert "SCORE" in [kind for kind, _ in lines(board.step(200))]
