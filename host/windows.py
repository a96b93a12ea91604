"""Windows to validate a board with: the model's golden ones, those of a recording, or random and extreme ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.device.modelfile import Model
from offbeat.train.dataset import window_blocks
from offbeat.train.errors import InputError
from offbeat.train.extremes import extreme_windows
from offbeat.train.pipeline import Pipeline
from offbeat.train.recording import RecordingReader, open_recording

__all__ = ["extreme_windows", "golden_windows", "recorded_windows"]

Window = NDArray[np.int16]


def golden_windows(model: Model) -> Iterator[Window]:
    """The windows int16 [N, C] of the model's golden vectors."""
    for _, _, raw in model.golden_windows():
        yield np.frombuffer(raw, "<i2").reshape(model.window, model.channels)


def recorded_windows(path: str | Path, pipeline: Pipeline, most: int | None) -> tuple[int, Iterator[Window]]:
    """How many, and windows int16 [N, C] of a recording: all, or ``most`` evenly spread over it.

    Raises InputError where the recording has other channels than the model, or is shorter than a window.
    """
    reader = _open(path, pipeline)
    total = sum(len(windows) for windows, *_ in window_blocks(reader, pipeline.window, pipeline.hop))
    if not total:
        raise InputError(f"{path}: shorter than one window of {pipeline.window} samples; record longer")
    count = total if most is None else min(most, total)

    def chosen() -> Iterator[Window]:
        wanted = iter(np.linspace(0, total - 1, count).round().astype(int).tolist())
        following = next(wanted, None)
        at = 0
        for windows, *_ in window_blocks(reader, pipeline.window, pipeline.hop):
            while following is not None and following < at + len(windows):
                yield np.ascontiguousarray(windows[following - at])
                following = next(wanted, None)
            at += len(windows)

    return count, chosen()


def _open(path: str | Path, pipeline: Pipeline) -> RecordingReader:
    scales = [float(scale) for scale in pipeline.model.meta.get("scales", "").split(",") if scale]
    scale = dict(zip(pipeline.channels, scales, strict=False))
    reader = open_recording(path, scale=scale, allow_gaps=True)
    if reader.channels != pipeline.channels and set(pipeline.channels) <= set(reader.channels):
        reader = open_recording(path, scale=scale, allow_gaps=True, channels=pipeline.channels)
    if len(reader.channels) != len(pipeline.channels):
        raise InputError(
            f"{path} has channels {', '.join(reader.channels)}, the model has {', '.join(pipeline.channels)}; "
            "replay a recording of the model's channels"
        )
    return reader
