"""Parquet recordings are the CSV ones, and refused in the same sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offbeat.train import recording_parquet
from offbeat.train.errors import InputError
from offbeat.train.recording import (
    open_recording,
    read_recording,
)
from tests.train.recordings import save, whole

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


@pytest.mark.parametrize("statistics, passes", [(True, 1), (False, 2)])
def test_statistics_of_a_file_spare_a_pass(tmp_path: Path, statistics: bool, passes: int) -> None:
    values = np.random.default_rng(1).normal(0, 3, 200_000)
    values[150_000] = -77.0
    path = parquet(
        tmp_path / "a.parquet", {"t": np.arange(len(values)) / 100, "x": values}, row_group_size=50_000,
        write_statistics=statistics,
    )  # fmt: skip
    read = [0]
    reader = open_recording(path, progress=lambda done, size: read.append(done))
    counts = np.concatenate([block.counts for block in reader.blocks()])
    assert reader.scales == (2.0**-7,)
    assert np.abs(counts[:, 0] * reader.scales[0] - values).max() <= reader.scales[0] / 2
    assert sum(done >= path.stat().st_size for done in read) == passes
