"""Recordings: what is written is read, blocks make the whole, and long files take no more memory."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from offbeat.train import recording_csv
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
from tests.train.recordings import LABELS, NAMES, POSITIVE, made, save, whole


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
    with pytest.raises(InputError, match="there is no directory"):
        write_recording(tmp_path / "nowhere" / "a.csv", recording)
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        write_recording(tmp_path / "a.csv", recording)
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
