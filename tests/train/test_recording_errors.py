"""What is wrong with a recording is named with its mend; what may be uneven is taken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offbeat.train.errors import InputError
from offbeat.train.recording import (
    open_recording,
    read_recording,
)
from tests.train.recordings import save, table

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
