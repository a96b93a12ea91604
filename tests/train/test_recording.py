"""Recordings: what is written is read, what is bad is refused in one sentence, memory stays bounded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offbeat.train.dataset import window_blocks
from offbeat.train.errors import InputError
from offbeat.train.recording import (
    Recording,
    check_compatible,
    common_scales,
    normal_mask,
    open_recording,
    read_recording,
    write_recording,
)

NAMES = ("x", "y", "z", "temperature")


def recording(counts: np.ndarray, rate: float = 400.0, labels: np.ndarray | None = None) -> Recording:
    channels = NAMES[: counts.shape[1]]
    return Recording(
        Path("r"),
        counts.astype(np.int16),
        labels,
        channels,
        rate,
        (0.001,) * len(channels),
        ("g",) * len(channels),
        "S",
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(2, 300),
    channels=st.integers(1, 4),
    rate=st.sampled_from([1.0, 10.0, 59.0, 200.0, 400.0, 1000.0, 6400.0]),
    labelled=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_round_trip(tmp_path: Path, rows: int, channels: int, rate: float, labelled: bool, seed: int) -> None:
    generator = np.random.default_rng(seed)
    counts = generator.integers(-32768, 32768, (rows, channels))
    labels = generator.choice(["normal", "fault a", "b-2"], rows) if labelled else None
    write_recording(tmp_path / "r.csv", recording(counts, rate, labels))
    found = read_recording(tmp_path / "r.csv")
    np.testing.assert_array_equal(found.counts, counts)
    assert found.rate == pytest.approx(rate, rel=1e-9)
    assert (found.channels, found.units[0], found.sensor) == (NAMES[:channels], "g", "S")
    assert found.scales == (0.001,) * channels
    if labels is None:
        assert found.labels is None
    else:
        np.testing.assert_array_equal(found.labels, labels)


def test_blocks_are_the_whole(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(-99, 99, (1000, 2))
    write_recording(tmp_path / "r.csv", recording(counts))
    blocks = list(open_recording(tmp_path / "r.csv").blocks(rows=77))
    np.testing.assert_array_equal(np.concatenate([block.counts for block in blocks]), counts)
    assert [block.start_row for block in blocks] == list(range(0, 1000, 77))


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(count: int = 300, **changed: str) -> str:
    lines = [f"{i / 100:.2f},{i % 7},{i % 11}" for i in range(count)]
    for number, line in changed.items():
        lines[int(number[1:])] = line
    return "t,x,y\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty; record again"),
        ("t,x,y\n", "no samples"),
        ("# a comment\n# another\n", "no header row"),
        ("0.0,1,2\n0.1,1,2\n", "no header row"),
        ("t,x,x\n0,1,2\n", "two columns named 'x'"),
        ("t\n0\n1\n", "has no channel"),
        (rows(_5="0.05,one,2"), "line 7, column 'x' holds 'one'"),
        (rows(_5="0.05,,2"), "line 7, column 'x' holds ''"),
        (rows(_5="0.05,nan,2"), "line 7, column 'x' is not a finite number"),
        (rows(_5="0.05,inf,2"), "line 7, column 'x' is not a finite number"),
        (rows(_5="nan,1,2"), "line 7, column 't' is not a finite number"),
        (rows(_5="0.05,1"), "line 7 has 2 fields"),
        (rows(_5="0.05,1,2,3"), "line 7 has 4 fields"),
        (rows(_5="0.03,1,2"), "time does not increase"),
        (rows(_5="0.05,32768,2"), "outside the range of int16"),
        (rows(_5="0.05,1.5,2", _6="0.06,-70000,2"), "a"),
        ("t,x\n" + "".join(f"{i / 100},1\n" for i in range(50)) + "9.0,1\n", "a gap of"),
        ("t,x\n" + "".join(f"{i / 100},1\n" for i in range(200)) * 2, "time does not increase"),
        ("x,y\n1,2\n3,4\n", "--rate"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "is"),
        ("t,x\n" + "1" * 70000, "no line of a CSV file"),
        ("t,x\n0,1\n".encode("utf-16"), "is"),
    ],
)
def test_bad_files(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = write(tmp_path / "bad.csv", text)
    try:
        read_recording(path)
    except InputError as error:
        assert says in str(error) and "bad.csv" in str(error)
        assert "\n" not in str(error)
    else:
        assert says == "a"  # decimals take their own scale, so a large value is none too large


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recording"):
        open_recording(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a directory"):
        open_recording(tmp_path)
    with pytest.raises(InputError, match="not positive"):
        open_recording(write(tmp_path / "r.csv", rows()), rate=-1)
    with pytest.raises(InputError, match="no column 'q'; its columns are t, x, y"):
        open_recording(write(tmp_path / "r.csv", rows()), channels=("q",))
    with pytest.raises(InputError, match="100 Hz, but 50 Hz was stated"):
        open_recording(write(tmp_path / "r.csv", rows()), rate=50)


def test_jitter_is_no_gap_and_a_rate_may_be_uneven(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    times = np.arange(2000) / 59.0 + generator.uniform(-0.15, 0.15, 2000) / 59.0
    path = write(tmp_path / "r.csv", "t,x\n" + "".join(f"{t:.6f},{i % 9}\n" for i, t in enumerate(times)))
    assert open_recording(path).rate == pytest.approx(59.0, rel=0.01)
    assert len(read_recording(path).counts) == 2000


def test_mixed_rates_in_one_file(tmp_path: Path) -> None:
    slow = "".join(f"{700 + i / 50},1\n" for i in range(70000))
    path = write(tmp_path / "r.csv", "t,x\n" + "".join(f"{i / 100},1\n" for i in range(65536)) + slow)
    with pytest.raises(InputError, match=r"a gap|mixed rates"):
        read_recording(path)
    with pytest.raises(InputError, match="mixed rates"):
        read_recording(path, allow_gaps=True)


def test_no_window_spans_a_gap(tmp_path: Path) -> None:
    lines = [f"{i / 100 + (i >= 130) + (i >= 260):.2f},{i}" for i in range(400)]
    path = write(tmp_path / "r.csv", "t,x\n" + "\n".join(lines) + "\n")
    reader = open_recording(path, allow_gaps=True)
    for windows, *_ in window_blocks(reader, 32, 16):
        assert (np.diff(windows[:, :, 0], axis=1) == 1).all()
        for window in windows:
            low, high = int(window[0, 0]), int(window[-1, 0])
            assert not any(low < edge <= high for edge in (130, 260))


def test_decimals_take_half_the_range_and_lose_half_a_count(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 2.7, 500)
    path = write(tmp_path / "r.csv", "x,n\n" + "".join(f"{v:.9f},{i}\n" for i, v in enumerate(values)))
    found = read_recording(path, rate=10)
    scale = found.scales[0]
    assert np.log2(scale) == round(np.log2(scale))
    assert 8192 < np.abs(found.counts[:, 0]).max() <= 16384
    assert np.abs(found.counts[:, 0] * scale - values).max() <= scale / 2 + 1e-9
    assert found.scales[1] == 1.0
    given = read_recording(path, rate=10, scale={"x": 0.01})
    np.testing.assert_array_equal(given.counts[:, 0], np.round(values / 0.01))


def test_several_files_share_the_coarsest_scale(tmp_path: Path) -> None:
    small = write(tmp_path / "small.csv", "x\n" + "0.5\n-0.25\n" * 20)
    large = write(tmp_path / "large.csv", "x\n" + "80.5\n-70.25\n" * 20)
    scales = common_scales([small, large], rate=10)
    assert scales == {"x": open_recording(large, rate=10).scales[0]}
    check_compatible([open_recording(path, rate=10, scale=scales) for path in (small, large)])
    with pytest.raises(InputError, match="different scales"):
        check_compatible([open_recording(path, rate=10) for path in (small, large)])
    with pytest.raises(InputError, match="mixed rates"):
        check_compatible([open_recording(small, rate=10), open_recording(small, rate=20)])


def test_semicolons_quotes_and_carriage_returns(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", 't;"x";state\r\n' + "".join(f"{i};{i * 2};ok\r\n" for i in range(40)))
    found = read_recording(path, label_column="state")
    assert found.channels == ("x",) and found.rate == 1.0
    assert normal_mask(found.labels).all()


def test_words_for_normal() -> None:
    words = np.array(["", "Normal", "0", "OK", "healthy", "good", "bad", "1", "bearing"])
    assert normal_mask(words).tolist() == [True] * 6 + [False] * 3


def test_parquet_is_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra offbeat[parquet] is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")

    counts = np.random.default_rng(0).integers(-999, 999, (5000, 2))
    labels = np.where(np.arange(5000) < 3000, "normal", "fault")
    write_recording(tmp_path / "r.csv", recording(counts, 100.0, labels))
    metadata = {"offbeat.sensor": "S", "offbeat.rate": "100", "offbeat.scale": json.dumps({"x": 0.001, "y": 0.001}),
                "offbeat.unit": json.dumps({"x": "g", "y": "g"})}  # fmt: skip
    columns = {"t": np.arange(5000) / 100, "x": counts[:, 0], "y": counts[:, 1], "label": labels}
    table = pyarrow.table(columns).replace_schema_metadata(metadata)
    parquet.write_table(table, tmp_path / "r.parquet", row_group_size=700)
    one, two = read_recording(tmp_path / "r.csv"), read_recording(tmp_path / "r.parquet")
    np.testing.assert_array_equal(one.counts, two.counts)
    np.testing.assert_array_equal(one.labels, two.labels)
    assert (one.rate, one.scales, one.units, one.sensor) == (two.rate, two.scales, two.units, two.sensor)
    with pytest.raises(InputError, match="not a Parquet file"):
        open_recording(write(tmp_path / "bad.parquet", b"PAR1 rubbish"))


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    broken = recording(np.zeros((100, 2)))
    with pytest.raises(RuntimeError):
        write_recording(tmp_path / "r.csv", broken, progress=lambda done, total: (_ for _ in ()).throw(RuntimeError))
    assert list(tmp_path.iterdir()) == []
