"""What a model takes of a microcontroller: memory counted from its parts, instructions by a cost model.

Memory of the data is exact. Code and stack are those of the C runtime, measured once (the constants below); the
instructions are an estimate, linear in what the loops do, and say so wherever they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from offbeat.device.families import module

from .arithmetic import sine_table
from .boards import Limits
from .families import Family
from .features import Feature, needs_spectrum
from .limits import size_in_words, time_in_words

__all__ = ["STACK_BYTES", "STATE_BYTES", "Cost", "code_bytes", "cost_of"]

# Bytes of code and constants, clang 22 -Os for a Cortex-M3, of each file of the C runtime.
_RUNTIME_CODE: Final = 3095
_SPECTRUM_CODE: Final = 992
_FAMILY_CODE: Final = {
    "gaussian": 296, "kmeans": 240, "mixture": 592, "pca": 620, "forest": 624, "prototypes": 844,
    "autoencoder": 408, "autoregressive": 702, "ensemble": 440,
}  # fmt: skip
# The deepest call, and offbeat_state, docs/c-runtime.md.
STACK_BYTES: Final = 236
STATE_BYTES: Final = 32

# Instructions on a Cortex-M3, from docs/c-runtime.md: 36 900 for 128 samples of 3 channels with a transform and 24
# features of a Gaussian, 324 multiply-accumulates; the transform is some 60 % of what is spent on samples.
_PER_OPERATION: Final = 8
_PER_SAMPLE: Final = (36_900 - _PER_OPERATION * 324) / (3 * 128)
_TRANSFORM: Final = 0.6
# Cycles of an instruction with flash wait states and loads, on a Cortex-M0+ or M3.
_CYCLES: Final = 1.5


@dataclass(frozen=True)
class Cost:
    """flash, ram: bytes with the C runtime; instructions: of a window on a Cortex-M3, estimated; features: how many."""

    flash: int
    ram: int
    instructions: int
    features: int

    def seconds(self, clock: float) -> float:
        """Estimated time of one window at ``clock`` Hz, on a core like a Cortex-M0+ or M3."""
        return self.instructions * _CYCLES / clock

    def excess(self, limits: Limits, hop_seconds: float) -> list[str]:
        """What of the limits is exceeded, in words; nothing where the model fits."""
        found = []
        for size, limit, what in ((self.flash, limits.flash, "flash"), (self.ram, limits.ram, "RAM")):
            if limit is not None and size > limit:
                found.append(f"{size_in_words(size)} of {what}")
        allowed = min(hop_seconds, limits.latency or hop_seconds)
        if (limits.latency is not None or limits.text) and self.seconds(limits.clock) > allowed:
            found.append(f"{time_in_words(self.seconds(limits.clock))} a window")
        return found


def code_bytes(family: str, spectrum: bool, members: Sequence[str] = ()) -> int:
    """Code of the C runtime with one family, and those that an ensemble has as members, bytes."""
    families = sum(_FAMILY_CODE[name] for name in (family, *members))
    return _RUNTIME_CODE + families + (_SPECTRUM_CODE if spectrum else 0)


def cost_of(
    features: Sequence[Feature], family: Family, window: int, hop: int, channels: int, baseline: bool = False
) -> Cost:
    """What a model with these features and this family takes.

    window, hop: samples; baseline: whether the features have a slow baseline. In flash: code, parameters, sine table,
    and 16 bytes of scale and description a feature; in RAM: the ring of samples, the work buffer, standard scores
    with the family's room and the baselines, features, state, and the deepest call.
    """
    count, section = len(features), family.parameters()
    spectrum = needs_spectrum(features)
    sine = len(sine_table(window)) * 2 if spectrum else 0
    scorer = module(family.number).Scorer(memoryview(section), count)
    work = window * (2 if any(feature.kind == "correlation" for feature in features) else 1)
    vector = scorer.room() + (2 * count if baseline else 0)
    ring = (window + hop) * channels
    transform = _TRANSFORM * np.log2(window) / 7 if spectrum else 0.0
    per_sample = _PER_SAMPLE * (1 - _TRANSFORM + transform)
    return Cost(
        flash=code_bytes(family.name, spectrum, family.settings.get("members", ())) + len(section) + sine + 16 * count,
        ram=2 * (ring + work + vector) + 4 * count + STATE_BYTES + STACK_BYTES,
        instructions=round(per_sample * window * channels + _PER_OPERATION * family.operations),
        features=count,
    )
