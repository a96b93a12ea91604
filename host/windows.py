"""Windows to validate a board with: the model's golden ones, those of a recording, or random and extreme ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offbeat.device.modelfile import Model
from offbeat.train.dataset import window_blocks
from offbeat.train.errors import InputError
from offbeat.train.pipeline import Pipeline
from offbeat.train.recording import RecordingReader, open_recording

__all__ = ["extreme_windows", "golden_windows", "recorded_windows"]

Window = NDArray[np.int16]

_LOW: Final = -32768
_HIGH: Final = 32767


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


def extreme_windows(samples: int, channels: int, count: int, seed: int) -> Iterator[Window]:
    """Windows int16 [samples, channels], each kind in turn, that go to the ends of every range on the way.

    Each channel of a window is of a kind of its own, but every sixth time all are of the same.
    """
    generator = np.random.default_rng(seed)
    for number in range(count):
        kinds = [(number + step) % len(_KINDS) for step in range(channels)]
        if number // len(_KINDS) % 6 == 0:
            kinds = [number % len(_KINDS)] * channels
        columns = [_KINDS[kind](generator, samples) for kind in kinds]
        yield np.stack([np.clip(np.round(column), _LOW, _HIGH) for column in columns], axis=1).astype(np.int16)


def _zero(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    return np.zeros(samples)


def _constant(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    return np.full(samples, float(generator.choice([_LOW, -1, 1, _HIGH])))


def _alternating(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Full scale at half the sampling rate, or at a lower rate in blocks."""
    block = int(generator.choice([1, 1, 2, max(1, samples // 4)]))
    return np.where(np.arange(samples) // block % 2, _LOW, _HIGH).astype(float)


def _impulse(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    signal = np.full(samples, float(generator.choice([_LOW, 0, _HIGH])))
    signal[generator.integers(samples)] = generator.choice([_LOW, -1, 1, _HIGH])
    return signal


def _sine(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    turns = generator.uniform(0.5, samples / 2)
    size = 2.0 ** generator.uniform(1, 15)
    return size * np.sin(2 * np.pi * (turns * np.arange(samples) / samples + generator.uniform()))


def _noise(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    return 2.0 ** generator.uniform(-1, 14) * generator.standard_normal(samples)


def _offset_noise(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    return generator.uniform(_LOW, _HIGH) + _noise(generator, samples)


def _uniform(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    return generator.integers(_LOW, _HIGH, samples, endpoint=True).astype(float)


def _ends(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Nothing but the two ends of the range."""
    return generator.choice([_LOW, _HIGH], samples).astype(float)


def _ramp(generator: np.random.Generator, samples: int) -> NDArray[np.float64]:
    return np.linspace(_LOW, _HIGH, samples)[:: int(generator.choice([-1, 1]))]


_KINDS: Final[tuple[Callable[[np.random.Generator, int], NDArray[np.float64]], ...]] = (
    _noise, _sine, _zero, _offset_noise, _constant, _alternating, _uniform, _impulse, _noise, _ends, _ramp,
)  # fmt: skip
