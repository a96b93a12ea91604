"""Windows are cut across blocks and never across gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from offbeat.train.arithmetic import sine_table
from offbeat.train.dataset import window_blocks
from offbeat.train.described import described
from offbeat.train.errors import InputError
from offbeat.train.features import Feature, extract
from offbeat.train.recording import open_recording


def test_no_window_spans_a_gap(tmp_path: Path) -> None:
    lines = [f"{i / 100 + (i >= 130) + (i >= 260):.2f},{i}" for i in range(400)]
    path = tmp_path / "r.csv"
    path.write_text("t,x\n" + "\n".join(lines) + "\n")
    reader = open_recording(path, allow_gaps=True)
    for windows, *_ in window_blocks(reader, 32, 16):
        assert (np.diff(windows[:, :, 0], axis=1) == 1).all()
        for window in windows:
            low, high = int(window[0, 0]), int(window[-1, 0])
            assert not any(low < edge <= high for edge in (130, 260))


def test_blocks_do_not_show_in_the_windows(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("t,x\n" + "".join(f"{i / 100:.2f},{i}\n" for i in range(1000)))

    class InSmallBlocks:
        def __init__(self, rows: int) -> None:
            self._reader = open_recording(path)
            self._rows = rows
            self.limits = self._reader.limits

        def blocks(self):
            return self._reader.blocks(self._rows)

    def first_samples(rows: int) -> list[int]:
        found = []
        for windows, _, _, starts, *_ in window_blocks(InSmallBlocks(rows), 50, 20):
            np.testing.assert_array_equal(windows[:, 0, 0], starts)
            found += windows[:, 0, 0].tolist()
        return found

    assert first_samples(65536) == list(range(0, 951, 20))
    for rows in (1, 7, 49, 50, 333):
        assert first_samples(rows) == list(range(0, 951, 20))


def test_threads_change_neither_order_nor_features() -> None:
    generator = np.random.default_rng(0)
    blocks = [
        (generator.integers(-99, 99, (count, 64, 2)).astype(np.int16), count) for count in (600, 3, 1, 700, 650) * 3
    ]
    features = [Feature("rms", 0), Feature("band", 1, 1, 8)]
    for threads in (1, 3):
        found = list(described(iter(blocks), features, 64, threads))
        assert [block[1] for block, _ in found] == [block[1] for block in blocks]
        for (windows, _), values in found:
            np.testing.assert_array_equal(values, extract(windows, features, sine_table(64)))


def test_what_fails_while_reading_ends_the_threads() -> None:
    def blocks():
        yield (np.zeros((600, 64, 1), dtype=np.int16),)
        raise InputError("a gap")

    with pytest.raises(InputError, match="a gap"):
        list(described(blocks(), [Feature("mean", 0)], 64, 2))
