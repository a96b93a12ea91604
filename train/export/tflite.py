"""Export for TensorFlow Lite: an autoencoder as a Keras model, through tinymlgen to C arrays, and how they agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offbeat.device import VERSION
from offbeat.device.modelfile import Model, parse
from offbeat.train.dataset import window_blocks
from offbeat.train.errors import InputError
from offbeat.train.evaluate import check_fits
from offbeat.train.families import FAMILIES
from offbeat.train.families.autoencoder import Autoencoder
from offbeat.train.pipeline import Pipeline
from offbeat.train.recording import open_recording

from .c import environment, pair
from .target import Files
from .tflite_network import Glue, glue_of, network_inputs, weights_of
from .tflite_report import agreement, markdown, trial_of

__all__ = ["convert", "files", "job_of"]

_NEEDED = {
    "tinymlgen": "tinymlgen",
    "tensorflow": "tensorflow",
    "tflite_micro": "tflite-micro",
    "ai_edge_litert": "ai-edge-litert",
}
_PATIENCE = 900  # seconds
_FEWEST, _MOST = 20, 1000  # normal windows
_MADE_UP = 500  # standard scores to calibrate with where there is no recording


def _checked(model: Model) -> Autoencoder:
    """The network of the model. Raises InputError where it has none, or something else stands in the way."""
    pipeline = Pipeline(model)
    if not isinstance(pipeline.family, Autoencoder):
        raise InputError(
            f"--to tflite takes the family autoencoder only, and this model is of family {pipeline.family.name}; "
            "train one with `offbeat train --family autoencoder`, or export with --to c"
        )
    if len(model.baseline):
        raise InputError(
            "--to tflite has no slow baseline, which this model needs; train with --features motion, or use --to c"
        )
    missing = sorted(package for module, package in _NEEDED.items() if find_spec(module) is None)
    if missing:
        raise InputError(f"--to tflite needs {', '.join(missing)}; install them with: pip install 'offbeat[tflite]'")
    return pipeline.family


def _normal(pipeline: Pipeline, recordings: Sequence[Path]) -> tuple[NDArray[np.int16], str]:
    """Normal windows int16 [W, N, C] and where they are from; the golden ones without a recording."""
    if not recordings:
        golden = [np.frombuffer(bytes(window), "<i2") for _, _, window in pipeline.model.golden_windows()]
        if not golden:
            raise InputError(
                "the model file has no golden windows to try with; give normal recordings with --recording"
            )
        windows = np.stack(golden).reshape(len(golden), pipeline.window, len(pipeline.channels))
        return (
            windows,
            f"the model's {len(golden)} golden windows (too few to judge by; see --recording)",
        )
    scales = [float(value) for value in pipeline.model.meta.get("scales", "").split(",") if value]
    wanted = dict(zip(pipeline.channels, scales, strict=False)) or None
    readers = [open_recording(path, channels=pipeline.channels, scale=wanted) for path in recordings]
    check_fits(pipeline, readers)
    found = [
        np.array(window)
        for reader in readers
        for windows, fault, whole, *_ in window_blocks(reader, pipeline.window, pipeline.hop)
        for window in windows[(fault == "") & whole]
    ]
    names = ", ".join(path.name for path in recordings)
    if len(found) < _FEWEST:
        raise InputError(
            f"{names}: {len(found)} normal windows; --to tflite needs {_FEWEST} to calibrate, so record longer"
        )
    few = np.linspace(0, len(found) - 1, min(len(found), _MOST)).astype(int)
    return np.stack([found[i] for i in few]), f"the normal parts of {names}"


def _calibration(pipeline: Pipeline, windows: NDArray[np.int16]) -> NDArray[np.float32]:
    """Inputs float32 [W, F] that full int8 is calibrated with: every second window, or made-up standard scores."""
    if len(windows) >= _FEWEST:
        return network_inputs(pipeline.vectors(pipeline.extract(windows[::2])))
    scores = np.random.default_rng(0).normal(0, 128, (_MADE_UP, len(pipeline.features)))
    return network_inputs(np.round(scores).astype(np.int32))


def convert(jobs: Sequence[dict[str, NDArray[Any]]]) -> list[tuple[dict[str, Any], dict[str, NDArray[np.float32]]]]:
    """Convert and run networks in one process of their own; arrays in as `tflite_worker` takes them.

    Returns for each job what the worker found, and the networks' outputs by variant and interpreter. Raises InputError
    with TensorFlow's last words where it fails.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "TF_ENABLE_ONEDNN_OPTS": "0"}
    with tempfile.TemporaryDirectory(prefix="offbeat-tflite-") as name:
        places = [Path(name) / str(i) for i in range(len(jobs))]
        for place, job in zip(places, jobs, strict=True):
            place.mkdir()
            np.savez(place / "in.npz", **job)  # type: ignore[arg-type]
        command = [sys.executable, "-m", "offbeat.train.export.tflite_worker", *map(str, places)]
        try:
            done = subprocess.run(
                command, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                f"TensorFlow did not convert the model within {_PATIENCE} s; try again on an idle machine"
            ) from None
        if done.returncode:
            words = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["no message"]
            raise InputError(
                f"TensorFlow failed to convert the model: {words[0][:300]}; pip install -U 'offbeat[tflite]'"
            )
        found = []
        for place in places:
            with np.load(place / "out.npz", allow_pickle=False) as arrays:
                outputs = {key: arrays[key] for key in arrays.files}
            found.append((json.loads((place / "out.json").read_text(encoding="utf-8")), outputs))
        return found


def job_of(family: Autoencoder, normal: NDArray[np.float32], windows: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """What the worker takes: the weights, inputs to calibrate with, inputs to run."""
    job: dict[str, NDArray[Any]] = {"normal": normal, "windows": windows}
    for i, (kernel, bias) in enumerate(weights_of(family)):
        job |= {f"kernel{i}": kernel, f"bias{i}": bias}
    return job


def _glue_values(glue: Glue, quantization: dict[str, Any]) -> dict[str, Any]:
    return {
        "centers": [f"{value:.1f}F" for value in glue.center],
        "feature_scales": [f"{value:.9e}F" for value in glue.scale],
        "limit": f"{glue.limit:.9e}F",
        "gain": f"{glue.gain:.9e}F",
        "input": quantization["input"],
        "output": quantization["output"],
        "python_centers": glue.center.tolist(),
        "python_scales": glue.scale.tolist(),
        "python_limit": glue.limit,
        "python_gain": glue.gain,
    }


def files(model: bytes, recording: Sequence[Path] = ()) -> Files:
    """Three networks as C arrays, glue, the runtime for the features, an example, and the report.

    recording: normal recordings that full int8 is calibrated with and that the report is about; without them both rest
    on the few golden windows. Raises InputError where the model is no autoencoder, a package is missing, or a recording
    does not fit.
    """
    parsed = parse(model)
    family = _checked(parsed)
    pipeline = Pipeline(parsed)
    windows, source = _normal(pipeline, recording)
    trial = trial_of(pipeline, windows[1::2] if len(windows) >= _FEWEST else windows, source)
    ((about, outputs),) = convert([job_of(family, _calibration(pipeline, windows), network_inputs(trial.vectors))])
    glue = glue_of(pipeline, family)
    ours = {"bytes": len(parsed.parameters), "scratch": 2 * _words(parsed)}
    report = agreement(trial, glue, about, outputs, ours)
    values = {"version": VERSION, "model": parsed, "channels": pipeline.channels, "features": parsed.features,
              "report": markdown(report), "names": pipeline.names,
              **_glue_values(glue, about["variants"]["int8"]["quantization"])}  # fmt: skip
    templates = environment()
    made: Files = {f"{name}.h": found["source"] + "\n" for name, found in about["variants"].items()}
    for name in ("glue.h", "glue.py", "example.cc", "README.md"):
        place = f"tflite/{name}.j2" if name.endswith(".py") else f"tflite/{name}"
        made[name] = templates.get_template(place).render(values)
    return {**made, **pair(parsed), "report.json": json.dumps(report, indent=2) + "\n"}


def _words(model: Model) -> int:
    """Words of scratch of the integer autoencoder."""
    from offbeat.device import families

    room = families.module(model.family).Scorer(model.parameters, len(model.features)).room()
    assert FAMILIES["autoencoder"].number == model.family  # noqa: S101  checked before
    return int(room)
