"""TensorFlow Lite through tinymlgen: the arrays, parsed back and run, against the integer autoencoder."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offbeat.train.errors import InputError
from offbeat.train.export import export, tflite
from offbeat.train.export.target import LISTING
from offbeat.train.export.tflite_network import Glue, glue_of, network_inputs, scores_of, weights_of
from offbeat.train.export.tflite_report import Trial, agreement, markdown
from offbeat.train.export.tflite_worker import array_of
from offbeat.train.families.autoencoder import Autoencoder
from tests.parity.models import make_case, make_window, with_golden

from .compilers import CC, compile_c, load

MISSING = [package for module, package in tflite._NEEDED.items() if find_spec(module) is None]


def fitted(
    count: int, hidden: tuple[int, ...], seed: int, fault: float = 1.0
) -> tuple[Autoencoder, np.ndarray, np.ndarray]:
    """An autoencoder of made-up standard scores with structure: it, normal vectors and faulty ones (Q7).

    fault: standard deviation of what is added to the faulty ones.
    """
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(4, count)) / 2
    scores = rng.normal(size=(400, 4)) @ mix + 0.3 * rng.normal(size=(400, count))
    family = Autoencoder.fit(scores[:200], 0, hidden=hidden)
    normal = np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)
    faulty = np.clip(normal[200:] + np.round(fault * 128 * rng.normal(size=(200, count))).astype(np.int32), -8191, 8191)
    return family.scaled_to(int(np.quantile(family.distances(normal), 0.99))), normal, faulty


def test_the_float_network_is_the_integer_one_but_for_rounding() -> None:
    family, normal, faulty = fitted(24, (16, 8, 16), 0)
    vectors = np.concatenate([normal, faulty])
    activations = network_inputs(vectors)
    layers = weights_of(family)
    for i, (kernel, bias) in enumerate(layers):
        activations = activations @ kernel + bias
        if i < len(layers) - 1:
            activations = np.clip(activations, 0, 6)
    glue = Glue(np.zeros(24), np.ones(24), family.limit / 128, 16384 * family.gain / 2.0 ** (family.reduce + 15))
    scores, ours = scores_of(vectors, activations, glue), family.score(vectors)
    assert np.abs(activations - (vectors - family._errors(vectors)) / 128).max() < 0.15
    assert np.corrcoef(scores, ours)[0, 1] > 0.999
    assert np.median(np.abs(scores - ours)) < 6


@pytest.mark.parametrize("family", ["gaussian", "forest"])
def test_other_families_are_refused_in_one_sentence(family: str, tmp_path: Path) -> None:
    (tmp_path / "model.beat").write_bytes(make_case(family, 64, 2, 1).data)
    with pytest.raises(InputError, match=f"takes the family autoencoder only, and this model is of family {family}"):
        export(tmp_path / "model.beat", "tflite", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for seed in range(20) if not (case := make_case("autoencoder", 64, 2, seed)).parts.baseline)
    (tmp_path / "model.beat").write_bytes(case.data)
    monkeypatch.setattr(tflite, "find_spec", lambda name: None if name == "tinymlgen" else types.SimpleNamespace())
    with pytest.raises(InputError, match=r"needs tinymlgen; install them with: pip install 'offbeat\[tflite\]'"):
        export(tmp_path / "model.beat", "tflite", tmp_path / "out")


def test_a_source_without_an_array_is_refused() -> None:
    assert array_of("const unsigned char a[] = {0x01,\n\t0xfe};") == b"\x01\xfe"
    with pytest.raises(ValueError, match="no array"):
        array_of("int a;")


def glue_around(family: Autoencoder, count: int) -> Glue:
    return Glue(np.zeros(count), np.ones(count), family.limit / 128, 16384 * family.gain / 2.0 ** (family.reduce + 15))


@pytest.fixture(scope="module")
def converted() -> dict[str, tuple[Any, ...]]:
    """A small network and one whose layers are large enough for dynamic-range quantization, in one process."""
    if MISSING:
        reason = f"needs {', '.join(MISSING)}: pip install 'offbeat[tflite]'"
        if os.environ.get("OFFBEAT_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    made = {"small": fitted(12, (8,), 1), "wide": fitted(48, (24,), 2, 0.25)}
    jobs = [
        tflite.job_of(family, network_inputs(normal[:100]), network_inputs(np.concatenate([normal[200:], faulty])))
        for family, normal, faulty in made.values()
    ]
    return {name: (*made[name], *found) for name, found in zip(made, tflite.convert(jobs), strict=True)}


@pytest.mark.parametrize("size", ["small", "wide"])
def test_arrays_of_tinymlgen_run_and_agree_with_the_integers(size: str, converted: dict[str, Any]) -> None:
    family, normal, faulty, about, outputs = converted[size]
    vectors = np.concatenate([normal[200:], faulty])
    trial = Trial(vectors, family.score(vectors), np.arange(len(vectors)) >= 200, "made-up scores")
    report = agreement(trial, glue_around(family, vectors.shape[1]), about, outputs, {"bytes": 1, "scratch": 1})
    ours = report["ours"]["auroc"]
    assert 0.7 < ours < 1
    for name, least in (("float", 0.998), ("dynamic", 0.99), ("int8", 0.97)):
        found = report["variants"][name]
        assert found["rank_correlation"] > least, (size, name)
        assert abs(found["auroc"] - ours) < 0.03, (size, name)
        assert found["same_verdict"] > 0.95
        assert found["litert_differs_by"] < (1e-4 if name == "float" else 0.1)
    kernel = report["variants"]["float"]
    assert kernel["weights"] == ["float32"] and kernel["tflm"] and 500 < kernel["arena"] < 20_000
    assert report["variants"]["int8"]["weights"] == ["int8"] and report["variants"]["int8"]["tflm"]
    text = markdown(report)
    if size == "small":
        assert report["variants"]["dynamic"]["weights"] == ["float32"]
        assert "left the network as it was" in text
    else:
        assert "int8" in report["variants"]["dynamic"]["weights"]
        assert report["variants"]["dynamic"]["bytes"] < kernel["bytes"]
        assert "left the network as it was" not in text
        assert report["variants"]["dynamic"]["tflm"] or "refuses" in text


@pytest.mark.skipif(not CC, reason="no C compiler: install gcc, or pip install ziglang")
def test_the_whole_export_and_its_glue(
    converted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = next(
        case for seed in range(20) if not (case := with_golden(make_case("autoencoder", 64, 2, seed))).parts.baseline
    )
    about, _ = converted["small"][3:]
    seen: list[Any] = []

    def instead(jobs: Any) -> Any:
        (job,) = jobs
        seen.append(job)
        made = {f"{name}_{by}": job["windows"] * 0.5 for name in about["variants"] for by in ("litert", "tflm")}
        return [(about, made)]

    monkeypatch.setattr(tflite, "convert", instead)
    (tmp_path / "model.beat").write_bytes(case.data)
    export(tmp_path / "model.beat", "tflite", tmp_path / "out")
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} - {LISTING} == {
        "float.h", "dynamic.h", "int8.h", "glue.h", "glue.py", "example.cc", "model.h", "model.c", "README.md",
        "report.json",
    }  # fmt: skip
    assert array_of((out / "float.h").read_text()) == array_of(about["variants"]["float"]["source"])
    assert "too few to judge by" in json.loads((out / "report.json").read_text())["source"]
    assert seen[0]["kernel0"].shape[0] == case.count
    (tmp_path / "glue.c").write_text(
        '#include "glue.h"\nvoid z(const int32_t *f, float *out); void z(const int32_t *f, float *out)'
        "{ offbeat_tflite_standardize(f, out); }\nfloat s(const float *a, const float *b);"
        "float s(const float *a, const float *b) { return offbeat_tflite_score(a, b); }\n"
        "int q(float x); int q(float x) { return offbeat_tflite_input_int8(x); }\n"
        "float d(int x); float d(int x) { return offbeat_tflite_output_int8((int8_t)x); }\n"
    )
    library = load(compile_c([tmp_path / "glue.c"], tmp_path / "glue.so", "-shared", "-fPIC", f"-I{out}"))
    library.s.restype = library.d.restype = ctypes.c_float
    library.q.argtypes = [ctypes.c_float]
    pipeline = case.pipeline
    features = np.ascontiguousarray(
        pipeline.extract(np.stack([make_window(("vibration",) * 2, 64, i) for i in range(3)]))
    )
    exact = pipeline.vectors(features) / 128
    glue = glue_of(pipeline, pipeline.family)
    namespace: dict[str, Any] = {}
    code = (out / "glue.py").read_text()
    exec(compile(code, "glue.py", "exec"), namespace)
    steps = np.array([(s.multiplier / 2.0**s.second_shift + 1) / 128 for s in pipeline.standardize])
    for row, wanted in zip(features, exact, strict=True):
        z = np.zeros(case.count, np.float32)
        library.z(row.ctypes.data_as(ctypes.c_void_p), z.ctypes.data_as(ctypes.c_void_p))
        assert np.abs(namespace["standardize"](row[None])[0] - z).max() < 1e-2
        assert (np.abs(z - wanted) < steps).all()  # the integers' shifts round down
        y = np.zeros_like(z)
        by_c = library.s(z.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
        by_python = scores_of(np.round(z[None] * 128).astype(np.int32), y[None], glue)[0]
        assert by_c == pytest.approx(by_python, rel=0.05, abs=1)
        assert namespace["score"](z[None], y[None])[0] == pytest.approx(by_python, rel=0.05, abs=1)
    scale, zero = about["variants"]["int8"]["quantization"]["input"]
    for x in (-9.0, -1.234, 0.0, 0.5, 3.21, 9.0):
        clipped = float(np.clip(x, -7.9375, 7.9375))
        assert abs(library.q(x) - float(np.clip(round(clipped / scale + zero), -128, 127))) <= 1
    scale, zero = about["variants"]["int8"]["quantization"]["output"]
    assert library.d(5) == pytest.approx((5 - zero) * scale, rel=1e-5)
    assert sys.modules.get("tensorflow") is None, "TensorFlow stays in its own process"
