"""Timing a model on a virtual board: real MicroPython behind a pseudo-terminal, and boards that misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from offbeat.host.profile import BoardTimes, time_on_board
from offbeat.host.virtual import VirtualBoard
from offbeat.train.errors import InputError
from tests.host.helpers import run_first, whole_model
from tests.host.small import needs_micropython, source


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model directory of a family without and of one with a memory."""
    found = {}
    for family in ("gaussian", "autoregressive"):
        found[family] = tmp_path_factory.mktemp(family)
        (found[family] / "model.beat").write_bytes(whole_model(family))
    return found


@pytest.fixture
def board(models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBoard]:
    """A running board that a test may spoil."""
    (tmp_path / "boards").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "boards"))
    with VirtualBoard(source(), model=models["gaussian"]) as virtual:
        yield virtual


def times(**other: object) -> BoardTimes:
    given = {
        "port": "p", "board": "b", "viper": True, "features": (5, 9, 6), "model": (1, 2, 3), "taken": 0,
        "heap_free": 10, "heap_used": 20, "windows": 3,
    }  # fmt: skip
    return BoardTimes(**{**given, **other})  # type: ignore[arg-type]


def test_parts_add_up_run_by_run() -> None:
    values = times().as_dict()
    assert values["microseconds"]["total"] == {"least": 6, "median": 9, "most": 11}
    assert json.loads(json.dumps(values)) == values


@needs_micropython
@pytest.mark.parametrize("family", ["gaussian", "autoregressive"])
def test_a_board_times_itself_and_takes_nothing_of_the_heap(
    models: dict[str, Path], family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[float] = []
    with VirtualBoard(source(), model=models[family]) as virtual:
        found = time_on_board(models[family], virtual.port, seen.append)
    assert found.windows == 3 + 11 and len(found.features) == len(found.model) == 5 * found.windows
    assert found.taken == 0, "the path from counts to a score allocates nothing"
    assert min(found.totals) > 0 and found.heap_free > 0 and found.heap_used > 0
    assert seen == sorted(seen) and seen[-1] == 1.0


@needs_micropython
def test_a_window_that_takes_of_the_heap_is_seen(board: VirtualBoard, models: dict[str, Path]) -> None:
    wasteful = """
from offbeat.features import Features
_standardize = Features.standardize
def standardize(self):
    _standardize(self)
    self.waste = bytearray(500)
Features.standardize = standardize
"""
    run_first(board, wasteful)
    assert time_on_board(models["gaussian"], board.port).taken >= 500


@needs_micropython
def test_a_board_with_another_model(board: VirtualBoard, models: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"the board runs model [0-9a-f]{16}, .* holds [0-9a-f]{16}; copy"):
        time_on_board(models["autoregressive"], board.port)


@needs_micropython
def test_a_board_whose_files_are_older(board: VirtualBoard, models: dict[str, Path]) -> None:
    run_first(board, 'from offbeat import commands\ndel commands._COMMANDS["BENCH"]\n')
    with pytest.raises(InputError, match="does not know BENCH; copy the board's files from this version"):
        time_on_board(models["gaussian"], board.port)


@needs_micropython
def test_a_board_that_is_unplugged(board: VirtualBoard, models: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"vanished while it was in use.*profile again"):
        time_on_board(models["gaussian"], board.port, lambda share: board.unplug())
