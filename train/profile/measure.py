"""One model on one emulated core: flash, RAM, deepest stack and instructions, with every number compared to NumPy's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offbeat.device.modelfile import Model, parse
from offbeat.train.decision import alarms
from offbeat.train.errors import OffbeatError
from offbeat.train.extremes import extreme_windows
from offbeat.train.pipeline import Pipeline

from .cycles import cycles_of
from .emulate import Count, Emulator
from .firmware import Firmware
from .instructions import Kinds

__all__ = ["Instructions", "Measurement", "measure", "windows_of"]

_EXTREME_WINDOWS = 11  # one of each shape


@dataclass(frozen=True)
class Instructions:
    """Of one window: features, model (standard scores, score and decision), and by kind and function."""

    features: int
    model: int
    kinds: Kinds
    functions: Counter[str]

    @property
    def total(self) -> int:
        """Both."""
        return self.features + self.model

    def as_dict(self) -> dict[str, int]:
        """Plain values for JSON."""
        return {"features": self.features, "model": self.model, "total": self.total}


@dataclass(frozen=True)
class Measurement:
    """A model on a core.

    firmware: what was compiled; stack: bytes of the deepest call of offbeat_init(), offbeat_features(),
    offbeat_score(), offbeat_decide() and offbeat_contribution(); start: instructions of offbeat_init(); largest,
    typical: of the window that took the most, and of the first, the model's golden window as recorded (None where a
    model has none); windows: how many were run, each compared with NumPy.
    """

    firmware: Firmware
    stack: int
    start: int
    largest: Instructions
    typical: Instructions | None
    windows: int

    @property
    def flash(self) -> int:
        """Bytes of offbeat's code and constants, the model's among them, without the compiler's own library."""
        return sum(self.firmware.sections[name] for name in (".text", ".rodata", ".data"))

    @property
    def helpers(self) -> int:
        """Bytes of the compiler's own library that the code calls, for instance division on a Cortex-M0."""
        return self.firmware.sections[".helpers"]

    @property
    def ram(self) -> int:
        """Bytes of state and buffers, without the samples and the stack."""
        return sum(self.firmware.sections[name] for name in (".data", ".bss", ".buffers"))

    @property
    def samples(self) -> int:
        """Bytes of the ring of a window and a hop, into which a firmware samples."""
        return self.firmware.sections[".samples"]

    @property
    def ram_in_all(self) -> int:
        """Bytes of state, buffers, samples and stack."""
        return self.ram + self.samples + self.stack

    def seconds(self, clock: float) -> tuple[float, float]:
        """Time of the largest window at a clock in Hz, estimated from the core's manual: at least, at most."""
        low, high = cycles_of(self.largest.kinds, self.firmware.mcu.cycles)
        return low / clock, high / clock

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        firmware, mcu = self.firmware, self.firmware.mcu
        low, high = cycles_of(self.largest.kinds, mcu.cycles)
        called = [function for function in firmware.functions if function.helper]
        return {
            "mcu": mcu.name,
            "flash": self.flash,
            "ram": self.ram,
            "stack": self.stack,
            "instructions": self.largest.as_dict(),
            "typical_instructions": None if self.typical is None else self.typical.as_dict(),
            "init_instructions": self.start,
            "sections": {name: firmware.sections[f".{name}"] for name in ("text", "rodata", "data", "bss")},
            "buffers": firmware.sections[".buffers"],
            "samples": self.samples,
            "helpers": {"flash": self.helpers, "functions": sorted({function.name for function in called})},
            "kinds": self.largest.kinds.as_dict(),
            "functions": dict(self.largest.functions.most_common()),
            "cycles_estimated": {"least": round(low), "most": round(high), "source": mcu.cycles.source},
            "windows_equal_to_numpy": self.windows,
        }


def windows_of(model: Model) -> NDArray[np.int16]:
    """int16 [W, N, C]: the model's golden windows, then one of each extreme shape."""
    golden = [np.frombuffer(raw, "<i2").reshape(model.window, model.channels) for *_, raw in model.golden_windows()]
    return np.stack([*golden, *extreme_windows(model.window, model.channels, _EXTREME_WINDOWS, seed=0)])


def measure(model: bytes, firmware: Firmware, windows: NDArray[np.int16] | None = None) -> Measurement:
    """Run a firmware that was built for this model file's bytes, and count.

    windows: int16 [W, N, C], by default windows_of(model); a stateful model sees them as one stretch. Features, scores,
    contributions and decisions are compared with NumPy's: raises OffbeatError where a bit differs, and CoreFaultError
    where a core would stop.
    """
    parsed = parse(model)
    pipeline = Pipeline(parsed)
    golden = len(parsed.golden_windows()) if windows is None else 0
    windows = windows_of(parsed) if windows is None else windows
    emulator = Emulator(firmware)
    started = emulator.call("driver_init")
    if started:
        raise OffbeatError(f"{firmware.mcu.name}: offbeat_init() refuses the model with code {started}")
    start = emulator.take_count()
    counts, stack = [], start.stack
    for expected in _expected(pipeline, windows):
        features = _features(emulator, expected)
        model_count = _score(emulator, expected)
        parts = [emulator.call("driver_contribution", j) for j in range(len(expected.features))]
        _compare(firmware, "a contribution", np.array(parts), expected.contributions)
        stack = max(stack, features.stack, model_count.stack, emulator.take_count().stack)
        counts.append(_of_window(features, model_count))
    largest = max(counts, key=lambda count: count.total)
    return Measurement(firmware, stack, start.instructions, largest, counts[0] if golden else None, len(counts))


@dataclass(frozen=True)
class _Expected:
    """What NumPy finds for a window."""

    window: NDArray[np.int16]
    features: NDArray[np.int32]
    score: int
    contributions: NDArray[np.int32]
    alarm: int


def _expected(pipeline: Pipeline, windows: NDArray[np.int16]) -> list[_Expected]:
    features = pipeline.extract(windows)
    scores = pipeline.family.score(pipeline.vectors(features))
    parts = pipeline.contributions(features)
    alarm = alarms(scores, pipeline.decision)
    rows = zip(windows, features, scores.tolist(), parts, alarm.astype(int).tolist(), strict=True)
    return [_Expected(*row) for row in rows]


def _features(emulator: Emulator, expected: _Expected) -> Count:
    emulator.write("driver_frames", expected.window)
    emulator.call("driver_features", 0)
    found = emulator.read("driver_values", len(expected.features))
    _compare(emulator.firmware, "a feature", found, expected.features)
    return emulator.take_count()


def _score(emulator: Emulator, expected: _Expected) -> Count:
    score = emulator.call("driver_score")
    alarm = emulator.call("driver_decide", score)
    _compare(emulator.firmware, "the score", np.array([score]), np.array([expected.score]))
    _compare(emulator.firmware, "the decision", np.array([alarm]), np.array([expected.alarm]))
    return emulator.take_count()


def _compare(firmware: Firmware, what: str, found: NDArray[np.integer], expected: NDArray[np.integer]) -> None:
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        j = int(wrong[0])
        raise OffbeatError(
            f"{firmware.mcu.name}: {what} (number {j}) is {found[j]} on the emulated core and {expected[j]} in NumPy; "
            "do not flash this, and please report it with the model file"
        )


def _of_window(features: Count, model: Count) -> Instructions:
    kinds = Kinds()
    kinds.add(features.kinds)
    kinds.add(model.kinds)
    return Instructions(features.instructions, model.instructions, kinds, features.by_function + model.by_function)
