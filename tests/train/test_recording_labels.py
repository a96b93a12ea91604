"""Labels under another name are offered, and nothing that looks like labels becomes a channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from offbeat.host.cli.options import open_all
from offbeat.train.errors import InputError
from offbeat.train.recording import open_recording
from offbeat.train.training import Options, train
from tests.train.recordings import save

ROWS = 3000
NUMBERS = np.random.default_rng(0).integers(-300, 300, (ROWS, 2))


def recording(path: Path, **columns: object) -> Path:
    """x, y and other columns, each a function of the row."""
    names = ",".join(["t", "x", "y", *columns])
    rows = (
        ",".join(map(str, [i / 100, *NUMBERS[i], *(column(i) for column in columns.values())]))  # type: ignore[operator]
        for i in range(ROWS)
    )
    return save(path, names + "\n" + "\n".join(rows) + "\n")


def state(i: int) -> str:
    return "worn" if i > 2000 else "normal"


def test_a_column_of_words_is_offered_as_labels(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.csv", state=state)
    says = r"column 'state' holds words \(normal, worn\), not numbers; if these are labels, name it with --label-column"
    with pytest.raises(InputError, match=says + r" state, else leave it out with --channels x,y"):
        open_recording(path)
    assert open_recording(path, label_column="state").channels == ("x", "y")
    assert not open_recording(path, channels=["x", "y"]).has_labels
    with pytest.raises(InputError, match="column 'state' holds 'normal', which is not a number"):
        open_recording(path, channels=["x", "state"])


def test_beside_labels_it_is_no_second_offer(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.csv", label=state, mode=state)
    with pytest.raises(
        InputError, match=r"'mode' holds words \(normal, worn\), not numbers; leave it out with --channels"
    ):
        open_recording(path)


def test_words_that_are_no_labels_and_a_slip_among_numbers(tmp_path: Path) -> None:
    dates = recording(tmp_path / "a.csv", date=lambda i: f"2026-01-01 {i}")
    with pytest.raises(
        InputError, match=r"'date' holds words \(2026-01-01 0, .*\), not numbers; leave it out"
    ) as found:
        open_recording(dates)
    assert "--label-column" not in str(found.value)
    slip = recording(tmp_path / "b.csv", z=lambda i: "oops" if i == 7 else i)
    with pytest.raises(InputError, match="line 9, column 'z' holds 'oops', which is not a number; mend that field"):
        open_recording(slip)


def test_numbers_that_look_like_labels_are_no_channel(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.csv", anomaly=lambda i: int(i > 2000), changepoint=lambda i: int(i == 2000))
    options = Options(family="kmeans", features="motion", workers=1)
    says = "column 'anomaly' looks like labels, and as a channel it would give the answer away; name it with "
    with pytest.raises(InputError, match=says + r"--label-column anomaly, or choose the channels with --channels x,y"):
        train([open_recording(path)], options)
    with pytest.raises(InputError, match=r"column 'changepoint' looks like labels, .* away; choose the channels"):
        train([open_recording(path, label_column="anomaly")], options)
    assert open_recording(path, channels=["x", "anomaly"]).suspects == ()
    many = recording(tmp_path / "b.csv", state_of_charge=lambda i: i % 97)
    assert open_recording(many).suspects == ()


def test_a_column_that_is_not_there_names_what_is(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.csv", state=state, faulty=lambda i: int(i > 9))
    says = r"has no column 'stat'; its columns are t, x, y, state, faulty, of which state and faulty look like labels"
    with pytest.raises(InputError, match=says):
        open_recording(path, label_column="stat")
    assert not open_recording(recording(tmp_path / "b.csv"), label_column="stat", label_optional=True).has_labels


def test_one_recording_with_labels_is_enough(tmp_path: Path) -> None:
    normal, both = recording(tmp_path / "a.csv"), recording(tmp_path / "b.csv", state=state)
    found = open_all([normal, both], rate=None, channels=None, label_column="state", scale=None)
    assert [reader.has_labels for reader in found] == [False, True]
    with pytest.raises(InputError, match="has no column 'stat'"):
        open_all([normal, both], rate=None, channels=None, label_column="stat", scale=None)


def test_parquet_columns_of_words(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    words = ["normal"] * 90 + ["worn"] * 10
    columns = {"t": np.arange(100) / 10, "x": np.arange(100), "state": words}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"column 'state' holds words .* name it with --label-column state"):
        open_recording(tmp_path / "a.parquet")
