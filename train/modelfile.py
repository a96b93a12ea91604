"""Writes the model file; reading it is ``offbeat.device.modelfile``, the board's own module.

Format: ``docs/model-file.md``.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.device import modelfile as reader
from offbeat.device.modelfile import Model, ModelError
from offbeat.device.modelwriter import assemble, section

from .arithmetic import sine_table
from .errors import InputError
from .features import KINDS, Feature, needs_spectrum

__all__ = ["Decision", "Golden", "ModelParts", "Standardize", "build", "read_model", "write_atomically"]


@dataclass(frozen=True)
class Standardize:
    """Integer scale of one feature: center (int32), multiplier (<= 16383), first and second shift."""

    center: int
    multiplier: int
    first_shift: int
    second_shift: int


@dataclass(frozen=True)
class Decision:
    """k of n windows at or above 256 start an alarm; n below ``release`` end it; ``holdoff`` in windows."""

    k: int = 3
    n: int = 5
    release: int = 224
    holdoff: int = 0


@dataclass(frozen=True)
class Golden:
    """A window int16 [N, C] with the features int32 [F] and the score that every runtime must find."""

    window: NDArray[np.int16]
    features: NDArray[np.int32]
    score: int


@dataclass(frozen=True)
class ModelParts:
    """Everything that goes into a model file. parameters: the family's section, as the family lays it out."""

    family: int
    channels: tuple[str, ...]
    window: int
    hop: int
    rate: float  # Hz
    features: tuple[Feature, ...]
    standardize: tuple[Standardize, ...]
    parameters: bytes
    decision: Decision = Decision()
    meta: Mapping[str, str] = field(default_factory=dict)
    golden: Sequence[Golden] = ()
    baseline: tuple[int, ...] = ()  # slew of each feature, 2^-15 standard deviations a window; 0: none


def _meta(parts: ModelParts) -> bytes:
    entries = {**parts.meta, "channels": ",".join(parts.channels)}
    lines = (f"{key}={' '.join(str(value).split())}" for key, value in entries.items())
    return "\n".join(lines).encode()


def _golden(vectors: Sequence[Golden]) -> bytes:
    payload = struct.pack("<HH", len(vectors), 0)
    for vector in vectors:
        payload += vector.features.astype("<i4").tobytes() + struct.pack("<i", vector.score)
        window = vector.window.astype("<i2").tobytes()
        payload += window + b"\0" * (-len(window) % 4)
    return payload


def build(parts: ModelParts) -> bytes:
    """Return the bytes of the model file; they have been read back by the board's own reader.

    Raises ModelError where a number is outside what the format allows.
    """
    body = section(reader.META, _meta(parts))
    descriptors = (struct.pack("<BBHHH", KINDS.index(f.kind), f.channel, f.first, f.bins, 0) for f in parts.features)
    body += section(reader.FEATURES, b"".join(descriptors))
    if needs_spectrum(parts.features):
        body += section(reader.SINE, sine_table(parts.window).astype("<i2").tobytes())
    scales = (struct.pack("<iHBB", s.center, s.multiplier, s.first_shift, s.second_shift) for s in parts.standardize)
    body += section(reader.STANDARDIZE, b"".join(scales))
    body += section(reader.PARAMETERS, parts.parameters)
    if any(parts.baseline):
        body += section(reader.BASELINE, struct.pack(f"<{len(parts.baseline)}H", *parts.baseline))
    d = parts.decision
    body += section(reader.DECISION, struct.pack("<BBHHH", d.k, d.n, d.release, d.holdoff, 0))
    if parts.golden:
        body += section(reader.GOLDEN, _golden(parts.golden), reader.OPTIONAL)
    data = assemble(parts.family, len(parts.channels), parts.window, parts.hop, round(parts.rate * 1000), body)
    reader.parse(data)
    return data


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read ``model.beat``, or the model file of a model directory. Raises InputError saying what is wrong."""
    file = Path(path)
    if file.is_dir():
        file = file / "model.beat"
    try:
        return reader.load(str(file))
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such model file; train one with `offbeat train`") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); check its permissions") from None
    except ModelError as error:
        raise InputError(f"{file}: {error}; copy it again, or train it anew") from None


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all: to a temporary neighbour, then renamed over ``path``."""
    raw = data.encode() if isinstance(data, str) else data
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
