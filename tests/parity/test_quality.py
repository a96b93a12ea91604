"""Which windows are unfit: the trainer's arrays, the board's loop in CPython, and viper and bytecode in MicroPython."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

import numpy as np
import pytest

from offbeat.device import examination, quality
from offbeat.device.quality import LIMITS
from offbeat.train.quality import examine
from tests.parity.board import KERNELS, Worker, packed, started
from tests.parity.models import SHAPES, make_case, make_window

WINDOW, CHANNELS = 32, 3


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(*KERNELS) as running:
        yield running


@pytest.mark.parametrize("limits", [LIMITS, (-2048, 2047), (-20000, 0)])
def test_trainer_and_board_find_the_same_windows_unfit(workers: list[Worker], limits: tuple[int, int]) -> None:
    """At every place of a ring, its end inside windows too, with signals that go to the ends of their range."""
    seen = set()
    for seed in range(30):
        case = make_case("kmeans", WINDOW, CHANNELS, seed, rate=100.0)
        shapes = tuple(np.random.default_rng(seed).choice(list(SHAPES), CHANNELS))
        parts = [make_window(shapes, WINDOW, seed), make_window(("vibration",) * CHANNELS, WINDOW, seed)]
        counts = np.concatenate([*parts, np.full((40, CHANNELS), parts[-1][-1])])
        rows, hop = len(counts), case.model.hop
        starts = list(range(0, rows - WINDOW + 1, hop))
        wanted = examine(counts, None, WINDOW, hop, (limits,) * CHANNELS).reasons(quality.must_move_in(case.model))
        seen |= set(wanted.tolist())
        looking = examination.Examination(case.model, (limits,) * CHANNELS)
        for turn in (0, 17):
            ring = np.roll(counts, turn, axis=0).astype("<i2").tobytes()
            places = [(start + turn) % rows for start in starts]
            found = [looking.of(array("h", ring), place, rows) for place in places]
            assert found == wanted.tolist(), f"CPython, seed {seed}, {turn} frames on"
            asked = [case.data, struct.pack("<hhH", *limits, rows), ring, struct.pack(f"<{len(places)}H", *places)]
            for worker in workers:
                answer = worker.ask("examine", packed(asked))
                assert [b - 256 if b > 127 else b for b in answer] == found, f"{worker.kernels}, seed {seed}"
    assert seen == {quality.FIT, quality.CLIPPED, quality.STUCK}
