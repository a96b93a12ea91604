"""Recordings: what is written is read; blocks, files and formats agree; what is wrong is named with its mend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from offbeat.train import recording_csv, recording_parquet
from offbeat.train.errors import InputError
from offbeat.train.recording import (
    Recording,
    channel_ranges,
    check_compatible,
    common_scales,
    normal_mask,
    open_recording,
    read_recording,
    write_recording,
)
from offbeat.train.recording_fields import numbers_in, split_fields
from offbeat.train.recording_scale import fitting_scale


def save(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(times: np.ndarray, *columns: np.ndarray) -> str:
    """A CSV with columns t, x, y …"""
    names = ",".join(["t", *"xyzuvw"[: len(columns)]])
    rows = zip(*(column.tolist() for column in (times, *columns)), strict=True)
    return names + "\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)


def made(counts: np.ndarray, labels: np.ndarray | None = None, **about: Any) -> Recording:
    width = counts.shape[1]
    names = about.pop("channels", tuple(f"c{i}" for i in range(width)))
    scales, units = about.pop("scales", (1.0,) * width), about.pop("units", ("",) * width)
    return Recording(Path("made.csv"), counts, labels, names, about.pop("rate", 400.0), scales, units, **about)


def whole(path: Path, rows: int, **options: Any) -> tuple[np.ndarray, np.ndarray | None, list[int]]:
    """Counts, labels and start rows of the blocks of a recording."""
    blocks = list(open_recording(path, **options).blocks(rows))
    assert all(0 < len(block.counts) <= rows and block.counts.dtype == np.int16 for block in blocks)
    labels = None if blocks[0].labels is None else np.concatenate([b.labels for b in blocks if b.labels is not None])
    return np.concatenate([block.counts for block in blocks]), labels, [block.start_row for block in blocks]


# -- what is written is read --

LABELS = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=12).map(str.strip)
NAMES = st.text(st.sampled_from('abcXYZ09 _-./°;,"=#'), min_size=1, max_size=8).map(str.strip).filter(bool)
POSITIVE = st.floats(1e-6, 1e6)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    counts = data.draw(arrays(np.int16, array_shapes(min_dims=2, max_dims=2, max_side=6)))
    rows, width = counts.shape
    names = tuple(data.draw(st.lists(NAMES, min_size=width, max_size=width, unique=True)))
    labels = data.draw(st.none() | arrays(np.dtype("U12"), rows, elements=LABELS))
    unit = st.sampled_from(["", "g", "m/s²", "deg C", 'a"b='])
    units = tuple(data.draw(st.lists(unit, min_size=width, max_size=width)))
    scales = tuple(data.draw(st.lists(POSITIVE, min_size=width, max_size=width)))
    rate, sensor = data.draw(st.floats(1e-3, 1e5)), data.draw(st.sampled_from(["", "LIS3DH", "ADXL345 on the lid"]))
    written = made(counts, labels, channels=names, units=units, scales=scales, rate=rate, sensor=sensor)
    path = tmp_path_factory.mktemp("round") / "trip.csv"
    write_recording(path, written)
    found = read_recording(path)
    assert np.array_equal(found.counts, counts)
    assert (found.labels is None) == (labels is None)
    assert labels is None or (found.labels is not None and found.labels.tolist() == labels.tolist())
    about = (found.channels, found.rate, found.scales, found.units, found.sensor, found.segments)
    assert about == (names, rate, scales, units, sensor, ())
    assert found.seconds == pytest.approx(rows / rate)
    assert list(path.parent.iterdir()) == [path]


def test_the_documented_format(tmp_path: Path) -> None:
    path = save(
        tmp_path / "fan.csv",
        "# offbeat recording\n# sensor: LIS3DH\n# rate: 400\n# unit: x=g temperature=degC\n"
        "# scale: x=0.0009765625 (unit per count)\n# machine: fan\n"
        "t,x,temperature,label\n0.0000,12,6021,normal\n0.0025,-34,6022,imbalance\n",
    )
    reader = open_recording(path)
    assert (reader.path, reader.channels, reader.rate, reader.sensor) == (path, ("x", "temperature"), 400.0, "LIS3DH")
    assert (reader.units, reader.scales, reader.has_labels) == (("g", "degC"), (2.0**-10, 1.0), True)
    (block,) = reader.blocks()
    assert block.counts.tolist() == [[12, 6021], [-34, 6022]]
    assert block.labels is not None and block.labels.tolist() == ["normal", "imbalance"]
    assert reader.segments == [(0, 2)]


def test_a_gap_survives_writing(tmp_path: Path) -> None:
    counts = np.arange(24, dtype=np.int16).reshape(12, 2)
    write_recording(tmp_path / "a.csv", made(counts, segments=((0, 5), (5, 12))))
    with pytest.raises(InputError, match="gap"):
        read_recording(tmp_path / "a.csv")
    found = read_recording(tmp_path / "a.csv", allow_gaps=True)
    assert found.segments == ((0, 5), (5, 12))
    assert np.array_equal(found.counts, counts)


@pytest.mark.parametrize(
    ("recording", "says"),
    [
        (made(np.zeros((0, 1), np.int16)), "without samples"),
        (made(np.zeros((1, 1), np.int16), channels=("t",)), "two columns named 't'"),
        (made(np.zeros((1, 2), np.int16), channels=("x", "x")), "two columns named 'x'"),
        (made(np.zeros((1, 1), np.int16), channels=("",)), "cannot be named ''"),
        (made(np.zeros((1, 1), np.int16), channels=(" x",)), "cannot be named ' x'"),
        (made(np.zeros((1, 1), np.int16), rate=0.0), "rate 0.0"),
        (made(np.zeros((1, 1), np.int16), scales=(-1.0,)), "scale -1.0"),
        (made(np.zeros((1, 1), np.int16), np.array(["two\nlines"])), "label 'two\\\\nlines' cannot be written"),
        (made(np.zeros((1, 1), np.int16), np.array(["x" * 257])), "at most 256"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, recording: Recording, says: str) -> None:
    with pytest.raises(InputError, match=says):
        write_recording(tmp_path / "a.csv", recording)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    recording = made(np.zeros((3, 1), np.int16))
    with pytest.raises(FileNotFoundError):
        write_recording(tmp_path / "nowhere" / "a.csv", recording)
    with pytest.raises(InputError, match=r"ends in \.csv"):
        write_recording(tmp_path / "a.parquet", recording)


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "old")

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_recording(path, made(np.zeros((3, 1), np.int16)), interrupt)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# -- blocks --


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 9), chunk=st.integers(1, 64), n=st.integers(2, 30), gaps=st.sets(st.integers(1, 29)))
def test_blocks_make_the_whole(
    tmp_path_factory: pytest.TempPathFactory, rows: int, chunk: int, n: int, gaps: set[int]
) -> None:
    gaps = {gap for gap in gaps if gap < n and gap % 5 == 0}  # most steps must be periods
    counts = np.arange(n * 2, dtype=np.int16).reshape(n, 2) * 37
    labels = np.array([("normal", "knock")[i % 7 == 0] for i in range(n)])
    edges = [0, *sorted(gaps), n]
    segments = list(pairwise(edges))
    path = tmp_path_factory.mktemp("blocks") / "a.csv"
    write_recording(path, made(counts, labels, segments=tuple(segments)))
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line + ("# a remark\n\n" if i == 8 else "") for i, line in enumerate(text)).rstrip("\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording_csv, "_CHUNK", chunk)
        found, words, starts = whole(path, rows, allow_gaps=True)
        assert open_recording(path, allow_gaps=True).segments == segments
    assert np.array_equal(found, counts)
    assert words is not None and words.tolist() == labels.tolist()
    # Each gap counts as a row of its own, so that who cuts windows sees it.
    expected = [start + i for i, (low, high) in enumerate(segments) for start in range(low, high)]
    assert set(starts) <= set(expected) and {low + i for i, (low, _) in enumerate(segments)} <= set(starts)


def test_blocks_can_be_read_again_and_report_progress(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_recording(path, made(np.zeros((500, 2), np.int16)))
    seen: list[tuple[int, int]] = []
    reader = open_recording(path, progress=lambda done, total: seen.append((done, total)))
    first = [block.start_row for block in reader.blocks(100)]
    seen.clear()
    assert [block.start_row for block in reader.blocks(100)] == first == [0, 100, 200, 300, 400]
    assert [total for _, total in seen] == [path.stat().st_size] * 5
    assert sorted(seen) == seen and seen[-1][0] == path.stat().st_size


def test_a_wide_file_is_cut_into_smaller_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "wide.csv"
    counts = np.arange(600, dtype=np.int16).reshape(30, 20)
    write_recording(path, made(counts))
    monkeypatch.setattr(recording_csv, "_CHUNK", 100)
    monkeypatch.setattr(recording_csv, "_LARGEST_BLOCK", 500)
    found, _, starts = whole(path, 1000)
    assert np.array_equal(found, counts) and len(starts) > 3


# -- spellings of CSV --


@pytest.mark.parametrize(
    "text",
    [
        "t,x,y,label\n0,1,-2,ok\n0.5,3,4,bad\n",
        "t,x,y,label\r\n0,1,-2,ok\r\n0.5,3,4,bad\r\n",
        "t;x;y;label\n0;1;-2;ok\n0.5;3;4;bad",
        "\ufefft,x,y,label\n0,1,-2,ok\n0.5,3,4,bad\n",
        't,"x","y","label"\n0,1,-2,"ok"\n0.5,"3",4,"bad"\n',
        "t, x, y, label\n 0, 1, -2, ok \n0.5 ,+3,4.,bad\n",
        "\n\nt,x,y,label\n\n0,1,-2,ok\n   \n# a remark\n0.5,3,4,bad\n\n",
        "t,x,y,label\n0, 1,-2,ok\n0.5,             3             ,4  ,bad\n",
        "# rate: 2 Hz\nt,x,y,label\n0e0,1,-2,ok\n5e-1,3,4,bad\n",
        "note,label,y,x,t\nthis, ok,-2,1,0\nthat,bad,4,3,0.5\n",
    ],
)
def test_spellings(tmp_path: Path, text: str) -> None:
    found = read_recording(save(tmp_path / "a.csv", text), channels=("x", "y"), scale={"x": 1.0, "y": 1.0})
    assert found.counts.tolist() == [[1, -2], [3, 4]]
    assert found.labels is not None and found.labels.tolist() == ["ok", "bad"]
    assert found.rate == 2.0


def test_labels_with_quotes_separators_and_umlauts(tmp_path: Path) -> None:
    text = 'x,label\n1,"a, b"\n2,"say ""hi"""\n3,Unwucht schräg\n4,\n5,Unwucht schräg\n6,Unwucht schrög\n'
    found = read_recording(save(tmp_path / "a.csv", text), rate=10)
    assert found.labels is not None
    assert found.labels.tolist() == ["a, b", 'say "hi"', "Unwucht schräg", "", "Unwucht schräg", "Unwucht schrög"]
    plain = read_recording(save(tmp_path / "b.csv", "x,label\n" + text.split("\n", 3)[3]), rate=10)
    assert plain.labels is not None and plain.labels.tolist() == found.labels.tolist()[2:]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False).map(repr)
        | st.decimals(-40000, 40000, places=4).map(str)
        | st.integers(-(10**20), 10**20).map(str)
        | st.from_regex(r"\A[+-]?[0-9]{0,9}\.[0-9]{1,9}\Z"),
        min_size=1,
        max_size=8,
    )
)
def test_numbers_are_those_of_python(texts: list[str]) -> None:
    fields = split_fields("".join(text + "\n" for text in texts).encode(), ",", 1)
    found, decimal = numbers_in(fields, 0)
    wanted = [float(text) for text in texts]
    assert np.allclose(found, wanted, rtol=4e-16, atol=0)
    short = [sum(map(str.isdigit, text)) <= 15 for text in texts]
    assert all(a == b for a, b, exact in zip(found.tolist(), wanted, short, strict=True) if exact)
    assert decimal == any(mark in text for text in texts for mark in ".eE")


# -- numbers become counts --


@settings(max_examples=60, deadline=None)
@given(
    values=arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e6, 1e6, allow_subnormal=False)),
    scale=st.none() | st.floats(40.0, 1e3),
)
def test_decimals_are_off_by_half_a_count_at_most(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, scale: float | None
) -> None:
    path = tmp_path_factory.mktemp("scale") / "a.csv"
    save(path, "x\n" + "".join(f"{value!r}\n" for value in values.tolist()))
    found = read_recording(path, rate=1, scale=None if scale is None else {"x": scale})
    assert np.abs(found.counts[:, 0] - values / found.scales[0]).max() <= 0.5 + 1e-9
    if scale is None and np.abs(values).max() > 1e-200:
        assert 8192 <= np.abs(found.counts).max() <= 16384
        assert np.log2(found.scales[0]) == round(np.log2(found.scales[0]))


@pytest.mark.parametrize(("largest", "scale"), [(16384, 1), (16384.1, 2), (8192, 0.5), (1e-9, 2**-43), (1.0, 2**-14)])
def test_fitting_scale(largest: float, scale: float) -> None:
    assert fitting_scale(largest) == scale


def test_the_scale_sees_the_whole_file(tmp_path: Path) -> None:
    values = np.full(70000, 0.25)
    values[69999] = -900.0
    path = save(tmp_path / "a.csv", "x\n" + "\n".join(map(repr, values.tolist())))
    reader = open_recording(path, rate=100)
    assert reader.scales == (2.0**-4,)
    assert channel_ranges(reader) == {"x": (-14400, 4)}


def test_scale_given_before_header_before_fitted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "# scale: x=0.01 y=0.01\nx,y,z,u\n1.0,1.0,1.0,7\n0.5,0.5,0.5,8\n")
    found = read_recording(path, rate=1, scale={"y": 0.02})
    assert found.scales == (0.01, 0.02, 2.0**-14, 1.0)
    assert found.counts.tolist() == [[100, 50, 16384, 7], [50, 25, 8192, 8]]


def test_counts_follow_a_given_scale(tmp_path: Path) -> None:
    known = save(tmp_path / "known.csv", "# scale: x=0.01\nx\n100\n-50\n")
    assert read_recording(known, rate=1, scale={"x": 0.01}).counts.tolist() == [[100], [-50]]
    assert read_recording(known, rate=1, scale={"x": 0.02}).counts.tolist() == [[50], [-25]]
    bare = save(tmp_path / "bare.csv", "x\n100000\n-50000\n")
    found = read_recording(bare, rate=1, scale={"x": 4})
    assert (found.counts.tolist(), found.scales) == ([[25000], [-12500]], (4,))


def test_scales_of_other_files_do_no_harm(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "x\n0.5\n-1.0\n")
    assert read_recording(path, rate=1, scale={"x": 0.5, "of the model": 2.0}).counts.tolist() == [[1], [-2]]


def test_silent_decimals_have_any_scale(tmp_path: Path) -> None:
    assert read_recording(save(tmp_path / "a.csv", "x\n0.0\n0.0\n"), rate=1).scales == (1.0,)


def test_common_scales(tmp_path: Path) -> None:
    soft = save(tmp_path / "soft.csv", "x,y\n0.5,0.0\n-0.25,0.0\n")
    loud = save(tmp_path / "loud.csv", "x,y\n7.5,1.0\n-0.25,0.0\n")
    quiet = save(tmp_path / "quiet.csv", "x,y\n0.0,0.0\n0.0,0.0\n")
    for paths in ([soft, loud, quiet], [quiet, loud, soft]):
        scales = common_scales(paths, rate=10)
        assert scales == {"x": 2.0**-11, "y": 2.0**-14}
        readers = [open_recording(path, rate=10, scale=scales) for path in paths]
        check_compatible(readers)
        assert {reader.scales for reader in readers} == {(2.0**-11, 2.0**-14)}
    bare = save(tmp_path / "bare.csv", "x,y\n5,0\n7,1\n")
    for paths in ([soft, bare], [bare, soft]):
        with pytest.raises(
            InputError, match=r"bare.csv holds 'x' in counts of unknown worth, .*soft.csv does not; add"
        ):
            common_scales(paths, rate=10)
    assert common_scales([bare, bare], rate=10) == {"x": 1.0, "y": 1.0}


def test_check_compatible(tmp_path: Path) -> None:
    def reader(name: str, text: str, **options: Any) -> Any:
        return open_recording(save(tmp_path / name, text), **{"rate": 10, **options})

    first = reader("a.csv", "# unit: x=g\nx,y\n1,2\n")
    check_compatible([])
    check_compatible([first, reader("b.csv", "x,y\n1,2\n", rate=10.05)])
    for other, says in [
        (reader("c.csv", "x,z\n1,2\n"), "has channels x, z, .*a.csv has x, y; choose the same"),
        (reader("d.csv", "x,y\n1,2\n", rate=11), "mixed rates: .*d.csv has 11 Hz, .*a.csv has 10 Hz; train"),
        (
            reader("e.csv", "# scale: y=2\nx,y\n1,2\n"),
            "a.csv have different scales of 'y', 2 and 1 per count; give one",
        ),
        (reader("f.csv", "# unit: x=m/s2\nx,y\n1,2\n"), "measures 'x' in m/s2, .*a.csv in g; convert one"),
    ]:
        with pytest.raises(InputError, match=says):
            check_compatible([first, other])


def test_normal_mask() -> None:
    words = ["", "normal", "0", "OK", "Healthy", " good ", "0.0", "1", "imbalance", "abnormal", "not ok"]
    assert normal_mask(np.array(words)).tolist() == [True] * 7 + [False] * 4
    assert normal_mask(np.array([["ok", "x"]], dtype=object)).tolist() == [[True, False]]


def test_channel_ranges_of_a_recording(tmp_path: Path) -> None:
    recording = made(np.array([[1, 5], [-3, 5]], dtype=np.int16))
    assert channel_ranges(recording) == {"c0": (-3, 1), "c1": (5, 5)}


# -- time --


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0.0025, 400.0),
        (1 / 400.1, 400.0),
        (1 / 26.667, 26.667),
        (1 / 6664.4, 6664.0),
        (1 / 20480, 20480.0),
        (300, 1 / 300),
    ],
)
def test_rate_from_time(tmp_path: Path, step: float, rate: float) -> None:
    times = np.arange(1000) * step
    reader = open_recording(save(tmp_path / "a.csv", table(times, np.zeros(1000, int))))
    assert reader.rate == pytest.approx(rate, rel=1e-9)


def test_jitter_and_rounded_times_are_fine(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    x = np.zeros(20000, dtype=int)
    jitter = np.arange(len(x)) / 100 + generator.uniform(-0.002, 0.002, len(x))
    assert read_recording(save(tmp_path / "a.csv", table(jitter, x))).rate == 100.0
    rounded = (np.arange(len(x)) / 1600).round(4)  # steps of 0.0006 and 0.0007 s
    assert read_recording(save(tmp_path / "b.csv", table(rounded, x))).rate == 1600.0
    coarse = (np.arange(len(x)) * 0.00145).round(3)  # steps of 1 and 2 ms
    assert read_recording(save(tmp_path / "d.csv", table(coarse, x)), allow_gaps=False).rate == pytest.approx(
        1 / 0.00145, rel=1e-4
    )
    epoch = 1.7e9 + np.arange(len(x)) / 100
    assert read_recording(save(tmp_path / "c.csv", table(epoch, x))).rate == 100.0


def test_a_gap_is_named_or_splits(tmp_path: Path) -> None:
    times = np.arange(300) / 100
    times[100:] += 0.66
    times[200:] += 0.0052
    path = save(tmp_path / "a.csv", table(times, np.arange(300)))
    says = r"a.csv line 102, column 't': a gap of 0.67 s after second 0.99; split the file there, or pass --allow-gaps"
    with pytest.raises(InputError, match=says):
        read_recording(path)
    for rows in (7, 100, 1000):
        reader = open_recording(path, allow_gaps=True)
        assert reader.segments == [(0, 100), (100, 200), (200, 300)]
        blocks = list(reader.blocks(rows))
        for low, high in reader.segments:
            inside = [block for block in blocks if low <= block.counts[0, 0] < high]
            assert np.concatenate([block.counts[:, 0] for block in inside]).tolist() == list(range(low, high))
    assert reader.rate == 100.0


@pytest.mark.parametrize("rows", [50, 65536])
def test_mixed_rates(tmp_path: Path, rows: int) -> None:
    steps = np.concatenate([np.full(3000, 0.01), np.full(3000, 0.0097)])
    path = save(tmp_path / "a.csv", table(np.cumsum(steps), np.zeros(6000, int)))
    with pytest.raises(
        InputError, match=r"a.csv line 3\d\d\d: mixed rates, 10[123].* Hz near there after 100 Hz at the"
    ):
        list(open_recording(path).blocks(rows))
    short = save(tmp_path / "b.csv", table(np.cumsum(steps[2000:3300]), np.zeros(1300, int)))
    with pytest.raises(InputError, match="mixed rates"):
        list(open_recording(short, rate=100).blocks(rows))


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (
            "t,x\n0,1\n1,2\n1,3\n2,4\n",
            {},
            r"line 4, column 't': time does not increase, it stands still at 1 s; remove the row, or write",
        ),
        (
            "t,x\n0,1\n1,2\n2,3\n1.5,4\n",
            {},
            r"line 5, column 't': time does not increase, it runs back from 2 s to 1.5 s; remove",
        ),
        ("t,x\n3,1\n2,2\n1,3\n", {}, r"the times in column 't' do not increase; they must be seconds with enough"),
        ("x\n1\n2\n", {}, r"has no column 't' with two times or more; give the sampling rate with --rate"),
        ("t,x\n0,1\n", {}, r"has no column 't' with two times or more; give the sampling rate with --rate"),
        ("t,x\n0,1\n1,2\n", {"rate": 2}, r"column 't' says 1 Hz, but 2 Hz was stated; mend"),
        ("# rate: 2\nt,x\n0,1\n1,2\n", {}, r"column 't' says 1 Hz, but 2 Hz was stated; mend"),
        ("t,x\n0,1\n10,2\n20,2\n", {"rate": 100}, r"write the times in seconds, they look like milliseconds"),
        ("# rate: 2\nx\n1\n", {"rate": 3}, r"says that its rate is 2 Hz, but 3 Hz was given; leave --rate out"),
        ("# rate: fast\nx\n1\n", {}, r"'# rate: fast' is no positive number of Hz; mend that line"),
        ("x\n1\n", {"rate": 0}, r"--rate 0 is not positive; give samples a second"),
        ("x\n1\n", {"rate": -5.5}, r"--rate -5.5 is not positive"),
        ("x\n1\n", {"rate": float("nan")}, r"--rate nan is not positive"),
    ],
)
def test_time_that_cannot_be_right(tmp_path: Path, text: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_recording(save(tmp_path / "a.csv", text), **options)


def test_stated_rates_are_taken(tmp_path: Path) -> None:
    assert read_recording(save(tmp_path / "a.csv", "# rate: 99.5\nt,x\n0,1\n0.01,2\n")).rate == 99.5
    assert read_recording(save(tmp_path / "b.csv", "# rate: 99.5\nx\n1\n"), rate=100).rate == 100


# -- what is wrong with a file is said in one sentence --

COLUMNS = "x,y,label\n1,2,ok\n"


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"", {}, r"is empty; record again"),
        (b"x,y\n", {}, r"has a header row but no samples; record again"),
        (b"# rate: 5\nx,y\n# the end\n\n", {}, r"has a header row but no samples; record again"),
        (b"# rate: 5\n", {}, r"has no header row \(it has none\); let the first row name the columns"),
        (b"1,2,ok\n3,4,ok\n", {}, r"has no header row \(line 1 holds the number 1\); let the first row name"),
        (b"x,,y\n1,2,3\n", {}, r"column 2 has no name in the header row; name it, or choose others with --channels"),
        (b"x,y,x\n1,2,3\n", {}, r"line 1 has two columns named 'x'; rename one of them"),
        (b"x\ty\n1\t2\n", {}, r"line 1 is separated by tabs; separate the columns by commas"),
        (b'x,"y\n1,2\n', {}, r"line 1, the header row, has an open quote; close it"),
        (b"t,label\n1,2\n", {}, r"has no channel besides t and label; it needs one column a channel"),
        (COLUMNS, {"channels": ("x", "z")}, r"has no column 'z'; its columns are x, y, label"),
        (COLUMNS, {"time_column": "when"}, r"has no column 'when'; its columns are x, y, label"),
        (COLUMNS, {"label_column": "state"}, r"has no column 'state'; its columns are x, y, label"),
        (COLUMNS, {"scale": {"x": 0}}, r"--scale x=0 is not positive; give the unit per count"),
        (COLUMNS, {"channels": ("x", "x")}, r"'x' cannot be a channel of .*: it is named twice"),
        (
            COLUMNS,
            {"channels": ("label",)},
            r"'label' cannot be a channel of .*: it is the column of times",
        ),
        (b"x,y\n1,2\n3,four\n", {}, r"line 3, column 'y' holds 'four', which is not a number; mend that field, remove"),
        (b"x;y\n1;2\n3;4,5\n", {}, r"line 3, column 'y' holds '4,5', which is not a number; write it with a decimal"),
        (b"x,y\n1,2\n1_0,5\n", {}, r"line 3, column 'x' holds '1_0', which is not a number"),
        ("x,y\n1,2\n٣,5\n".encode(), {}, r"line 3, column 'x' holds '٣', which is not a number"),
        (b"x,y\n1,2\n-,5\n", {}, r"line 3, column 'x' holds '-', which is not a number"),
        (b"x,y\n1,2\n1.2.3,5\n", {}, r"line 3, column 'x' holds '1.2.3', which is not a number"),
        (b"x,y\n1,2\n,5\n", {}, r"line 3, column 'x' holds '', which is not a number; fill it in, or remove the row"),
        (
            b"t,x\n0,2\n\n ,5\n",
            {},
            r"line 4, column 't' holds '', which is not a number; fill it in, or remove the row",
        ),
        (b"t,x\n0,2\nnan,5\n", {}, r"line 3, column 't' is not a finite number but 'nan'; remove the row"),
        (b"x,y\n1,2\n# remark\nNaN,5\n", {}, r"line 4, column 'x' is not a finite number but 'NaN'"),
        (b"x,y\n1,2\n3,-inf\n", {}, r"line 3, column 'y' is not a finite number but '-inf'"),
        (b"x,y\n1,2\n3,1e999\n", {}, r"line 3, column 'y' is not a finite number but '1e999'"),
        (b"x,y\n1,2\n3\n", {}, r"line 3 has 1 field, the header row names 2; mend or remove that row"),
        (b"x,y\n1,2\n3,4,5\n6\n", {}, r"line 3 has 3 fields, the header row names 2"),
        (b"x,y\n1,2,3\n4\n", {}, r"line 2 has 3 fields, the header row names 2"),
        (b'x,y\n1,2\n"3,4\n', {}, r"line 3 has a quote that does not close; mend or remove that row"),
        (b'x,y\n"1",2\n"3"\n', {}, r"line 3 has 1 field, the header row names 2"),
        (
            b"x\n12\n32768\n",
            {},
            r"line 3, column 'x': 32768 is outside the range of int16 \(-32768 to 32767\); .* x=2$",
        ),
        (
            b"x\n1.5\n9.0\n",
            {"scale": {"x": 1e-4}},
            r"line 3, .*: 9 at 0.0001 per count is outside the range of",
        ),
        (
            b"# scale: x=0.5\nx\n1\n40000\n",
            {},
            r"line 4, column 'x': 40000 is outside the range of int16 .*--scale x=2$",
        ),
        (
            b"# scale: x=0\nx\n1\n",
            {},
            r"'# scale:' gives 'x' the scale '0', which is no positive number; mend that line",
        ),
        (
            b"x,label\n1," + b"a" * 257 + b"\n",
            {},
            r"line 2, column 'label' holds a label of 257 bytes; shorten it",
        ),
        (b"x,label\n1,a\n2,\xff\xfe\n", {}, r"line 3 is not text in UTF-8; save it as UTF-8"),
        (b"x,\xe9t\xe9\n1,a\n", {}, r"line 1 is not text in UTF-8; save it as UTF-8"),
        (b"x,y\n1,2\n\0\0\0\n", {}, r"line 3 holds zero bytes, so it is no CSV file; name a CSV or Parquet file"),
        (b"\x7fELF\0\0\x01", {}, r"line 1 holds zero bytes, so it is no CSV file"),
        (b"x,y\r1,2\r3,4\r", {}, r"line 1 holds a carriage return without a line feed; save it with line ends LF"),
        (b"x,y\n1,2\n3,4\r5,6\n", {}, r"line 3 holds a carriage return without a line feed"),
        (b"x" * 70000, {}, r"line 1 is no line of a CSV file, it is longer than 64 KiB; name"),
        (
            b"x,y\n1,2\n" + b"1" * 70000 + b"\n3,4\n",
            {},
            r"line 3 is no line of a CSV file, it is longer than 64 KiB; name",
        ),
        (b"\x1f\x8b\x08junk", {}, r"is a gzip file; unpack it first"),
        (b"PK\x03\x04junk", {}, r"is a zip file \(or .npz, .xlsx\); unpack it"),
        ("x,y\n1,2\n".encode("utf-16"), {}, r"is text in UTF-16; save it as UTF-8"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str | bytes, options: dict[str, Any], says: str) -> None:
    path = save(tmp_path / "a.csv", content)
    with pytest.raises(InputError, match=says) as caught:
        read_recording(path, rate=100, **options)
    message = str(caught.value)
    assert "\n" not in message and ". " not in message and not message.endswith(".")
    assert str(path) in message or message.startswith("--")


def test_files_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"none.csv: there is no such recording; check the name"):
        open_recording(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"is a directory; name a CSV or Parquet file"):
        open_recording(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe is not a regular file; save the recording to one first"):
        open_recording(tmp_path / "pipe")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    path = save(tmp_path / "a.csv", "x\n1\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"a.csv cannot be read \(Permission denied\); check its permissions"):
        open_recording(path, rate=1)


def test_decimals_after_whole_numbers(tmp_path: Path) -> None:
    rows = "\n".join(["7"] * 65536)
    path = save(tmp_path / "a.csv", f"x\n{rows}\n0.5\n")
    says = r"line 65538, column 'x': 0.5 stands in a column that began with whole numbers, .*; say .*--scale x=NUMBER"
    with pytest.raises(InputError, match=says):
        read_recording(path, rate=10)
    assert read_recording(path, rate=10, scale={"x": 0.5}).counts[-2:].tolist() == [[14], [1]]
    known = save(tmp_path / "b.csv", f"# scale: x=0.5\nx\n{rows}\n0.5\n")
    with pytest.raises(InputError, match=r"line 65539, .*; write all of it in counts, or all of it in its unit"):
        read_recording(known, rate=10)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"t,x\n", b"x,label\n1,2\n", b"PAR1"]))
def test_rubbish_is_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, rubbish: bytes, head: bytes
) -> None:
    path = save(tmp_path_factory.mktemp("rubbish") / "a.csv", head + rubbish)
    try:
        found = read_recording(path, rate=1.0)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert found.counts.dtype == np.int16 and len(found.counts)


# -- Parquet --


def parquet(path: Path, columns: dict[str, Any], about: dict[str, str] | None = None, **options: Any) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pyarrow.table(columns).replace_schema_metadata(about or {}), path, **options)
    return path


@pytest.mark.parametrize("rows", [1, 33, 65536])
def test_parquet_equals_csv(tmp_path: Path, rows: int) -> None:
    generator = np.random.default_rng(8)
    n = 300
    times = np.arange(n) / 50
    times[120:] += 1.0
    columns = {
        "t": times,
        "x": generator.integers(-999, 999, n),
        "y": generator.normal(0, 3, n).round(4),
        "z": generator.normal(0, 3, n).round(4),
        "label": np.array(["normal", "knock"])[generator.integers(0, 2, n)],
    }
    about = {
        "offbeat.sensor": "LIS3DH",
        "offbeat.rate": "50",
        "offbeat.scale": json.dumps({"x": 0.5, "z": 0.01}),
        "offbeat.unit": json.dumps({"x": "g"}),
        "pandas": "{}",
    }
    head = "# sensor: LIS3DH\n# rate: 50\n# scale: x=0.5 z=0.01\n# unit: x=g\n"
    text = head + ",".join(columns) + "\n"
    text += "".join(",".join(map(str, row)) + "\n" for row in zip(*(c.tolist() for c in columns.values()), strict=True))
    left = open_recording(save(tmp_path / "a.csv", text), allow_gaps=True)
    right = open_recording(parquet(tmp_path / "a.parquet", columns, about, row_group_size=70), allow_gaps=True)
    for name in ("channels", "rate", "sensor", "units", "scales", "scale_origins", "has_labels", "segments"):
        assert getattr(left, name) == getattr(right, name), name
    assert left.segments == [(0, 120), (120, 300)]
    a, b = (whole(reader.path, rows, allow_gaps=True) for reader in (left, right))
    assert np.array_equal(a[0], b[0])
    assert a[1] is not None and b[1] is not None and a[1].tolist() == b[1].tolist()


def test_parquet_is_known_by_its_content(tmp_path: Path) -> None:
    path = parquet(tmp_path / "named.csv", {"x": [1, 2], "label": [0, None]})
    found = read_recording(path, rate=5)
    assert found.counts.tolist() == [[1], [2]]
    assert found.labels is not None and found.labels.tolist() == ["0", ""]


def test_parquet_progress_ends_at_the_size(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"x": list(range(100))}, row_group_size=30)
    seen: list[tuple[int, int]] = []
    read_recording(path, rate=5, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size,) * 2


@pytest.mark.parametrize(
    ("columns", "about", "says"),
    [
        ({"x": ["a"]}, {}, r"column 'x' holds string, not numbers; convert it"),
        ({"x": [True]}, {}, r"column 'x' holds bool, not numbers"),
        ({"x": [1, None, 3]}, {}, r"a.parquet row 2, column 'x' is empty; fill it in, or remove the row"),
        (
            {"x": [1.0, float("nan")]},
            {},
            r"row 2, column 'x' is not a finite number but 'nan'; remove the row",
        ),
        ({"x": [1.0], "label": ["a" * 300]}, {}, r"row 1, column 'label' holds a label of 300 characters; shorten"),
        ({"x": [1, 2, 70000]}, {}, r"row 3, column 'x': 70000 is outside the range of int16"),
        ({"x": np.zeros(0)}, {}, r"has a header row but no samples; record again"),
        ({"t": [0.0, 1.0, 1.0, 2.0], "x": [1, 2, 3, 4]}, {}, r"row 3, column 't': time does not increase"),
        ({"x": [1]}, {"offbeat.rate": "fast"}, r"its metadata offbeat.rate, 'fast', is no positive number of Hz"),
        (
            {"x": [1]},
            {"offbeat.scale": "[1]"},
            r"its metadata offbeat.scale is no JSON object of columns; write it",
        ),
        ({"x": [1]}, {"offbeat.unit": "g"}, r"its metadata offbeat.unit is no JSON object of columns; write it like"),
        ({"x": [1]}, {"offbeat.scale": '{"x": -1}'}, r"offbeat.scale gives 'x' the scale '-1', which is no positive"),
    ],
)
def test_what_is_wrong_with_parquet_is_named(
    tmp_path: Path, columns: dict[str, Any], about: dict[str, str], says: str
) -> None:
    path = parquet(tmp_path / "a.parquet", columns, about)
    with pytest.raises(InputError, match=says):
        read_recording(path, **({} if "t" in columns else {"rate": 1}))


def test_damaged_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"x": np.arange(5000)}, compression="none", use_dictionary=False)
    data = path.read_bytes()
    with pytest.raises(InputError, match=r"a.parquet is not a Parquet file that can be read \(.*\); write it again"):
        open_recording(save(path, data[: len(data) // 2]), rate=1)
    with pytest.raises(InputError, match=r"is not a Parquet file that can be read \(.*\); write it again"):
        read_recording(save(path, data[:4] + b"\xff" * 64 + data[68:]), rate=1)


def test_two_parquet_columns_of_one_name(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pyarrow.Table.from_arrays([pyarrow.array([1])] * 2, names=["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"has two columns named 'x'; rename one of them"):
        open_recording(tmp_path / "a.parquet", rate=1)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", {"x": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow; pip install 'offbeat\[parquet\]'"):
        open_recording(path, rate=1)
    assert read_recording(save(tmp_path / "a.csv", "x\n1\n"), rate=1).counts.tolist() == [[1]]


def test_csv_does_not_load_pyarrow(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "x\n1\n")
    code = (
        "import sys; from offbeat.train.recording import read_recording; "
        f"read_recording({str(path)!r}, rate=1); sys.exit('pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wide_parquet_is_read_in_smaller_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", {f"c{i}": np.arange(50) for i in range(10)})
    monkeypatch.setattr(recording_parquet, "_LARGEST_BATCH", 100)
    found, _, starts = whole(path, 1000, rate=1)
    assert len(found) == 50 and starts == [0, 10, 20, 30, 40]


# -- long files --


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    rows = 2_000_000
    path = tmp_path / "long.csv"
    generator = np.random.default_rng(2)
    counts = generator.integers(-9000, 9000, (rows, 4), dtype=np.int16)
    labels = np.where(np.arange(rows) % 500_000 < 400_000, "normal", "bearing_outer")
    write_recording(path, made(counts, labels))
    checksum, peaks = counts.sum(axis=0, dtype=np.int64), []
    for limit in (200_000, rows):
        tracemalloc.start()
        seen, total = 0, np.zeros(4, dtype=np.int64)
        for block in open_recording(path).blocks():
            seen += len(block.counts)
            total += block.counts.sum(axis=0, dtype=np.int64)
            if seen >= limit:
                break
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert seen == rows and np.array_equal(total, checksum)
    assert max(peaks) < 100e6
    assert peaks[1] < peaks[0] + 10e6
