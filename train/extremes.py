"""Windows that go to the ends of every range on the way: noise, steps, impulses, nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["extreme_windows"]

Window = NDArray[np.int16]

_LOW: Final = -32768
_HIGH: Final = 32767


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
