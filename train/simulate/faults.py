"""Faults of machine and sensor: when they start, how they grow, which machine can have them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import InputError

from .machines import Machine

__all__ = ["FAULTS", "Fault", "applicable", "parse_fault"]

FAULTS: dict[str, str] = {
    "imbalance": "1x in the radial axes grows to three times",
    "looseness": "0.5x, 1.5x and harmonics up to 4x appear, and the waveform is truncated",
    "misalignment": "2x and 3x grow, and 1x appears in the axial axis",
    "bearing_outer": "impulses at BPFO ring the housing",
    "bearing_inner": "impulses at BPFI, modulated at shaft speed, ring the housing",
    "bearing_ball": "impulses at twice BSF, modulated at cage speed, ring the housing",
    "gear_tooth": "one impulse a turn, and mesh modulated by it (gearbox)",
    "blade": "a blade lost its tip: 1x and modulated blade pass (fan, pump)",
    "overheating": "the housing warms by 30 degC with a time constant of two minutes",
    "clipping": "the x axis saturates at a third of its normal peak",
    "stuck": "the x axis repeats one value",
    "dropout": "two of a hundred samples read as zero in all axes",
    "drift": "the z axis drifts by 0.25 g",
}
"""What each fault does, by name."""


@dataclass(frozen=True)
class Fault:
    """A fault that starts at a second and takes ``growth`` seconds to its full size."""

    name: str
    start: float
    growth: float = 0.0

    def size(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """0 before the start, 1 at full size, a straight line between; float64 like ``seconds``."""
        if self.growth == 0:
            return (seconds >= self.start).astype(np.float64)
        return np.clip((seconds - self.start) / self.growth, 0.0, 1.0)


def parse_fault(text: str) -> Fault:
    """Read ``NAME@SECOND`` or ``NAME@SECOND+GROWTH``. Raises InputError."""
    match = re.fullmatch(r"([a-z_]+)@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?", text.strip())
    if not match:
        raise InputError(
            f"{text!r} is not a fault; write NAME@SECOND, for instance bearing_outer@40, or imbalance@40+20"
        )
    if match[1] not in FAULTS:
        raise InputError(f"there is no fault {match[1]!r}; choose one of {', '.join(FAULTS)}")
    return Fault(match[1], float(match[2]), float(match[3] or 0))


def applicable(machine: Machine) -> list[str]:
    """Names of the faults that a machine can have."""
    absent = set()
    if not machine.teeth:
        absent.add("gear_tooth")
    if not machine.blades:
        absent.add("blade")
    return [name for name in FAULTS if name not in absent]
