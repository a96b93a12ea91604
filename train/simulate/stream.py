"""The simulator's endless stream: mechanics in g and degC, then the sensor's counts.

It is made in blocks of a fixed length whose state is carried over, so that how it is read changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from offbeat.device.quality import LIMITS
from offbeat.train.errors import InputError

from .faults import Fault, applicable
from .machines import MACHINES, Machine
from .sensors import SENSORS, THERMOMETER

__all__ = ["CHANNELS", "UNITS", "SimulatedStream"]

CHANNELS = ("x", "y", "z", "temperature")
UNITS = ("g", "g", "g", "degC")

_BLOCK = 1000
_GRAVITY = np.array([0.04, -0.03, 0.998])  # g; the sensor sits a little askew
_LEVELS = np.array([1.0, 0.8, 0.45])  # transfer of radial, radial and axial forces to the axes
_IMPULSE = 0.055  # g, peak of the ringing after a bearing's impulse at full size
_SLIP = 0.01  # standard deviation of the time between impulses: balls slide (Randall and Antoni, section 2)


@dataclass
class _Wander:
    """A bounded random wander: first-order autoregression (Ornstein-Uhlenbeck), standard deviation 1."""

    pole: float
    value: float = 0.0

    def next(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        drive = generator.standard_normal(count) * np.sqrt(1 - self.pole**2)
        out, _ = lfilter([1.0], [1.0, -self.pole], drive, zi=[self.value * self.pole])
        self.value = float(out[-1])
        return out


@dataclass
class _Resonator:
    """A lightly damped mode of the housing, as a two-pole filter whose impulse response peaks near 1."""

    frequency: float  # cycles a sample
    damping: float
    state: NDArray[np.float64]

    def ring(self, drive: NDArray[np.float64]) -> NDArray[np.float64]:
        angle = 2 * np.pi * self.frequency
        radius = np.exp(-self.damping * angle)
        out, self.state = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], drive, zi=self.state)
        return out * np.sin(angle)


class SimulatedStream:
    """An endless recording of a machine; read(count) goes on where the last read stopped.

    rate: Hz; channels: x, y, z and, unless the sensor has no thermometer beside it, temperature; scales: unit per
    count of each; limits: lowest and highest count of each. Raises InputError for a machine, sensor, rate or fault that
    does not exist or does not fit.
    """

    def __init__(
        self,
        machine: str = "fan",
        rate: float = 400.0,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        sensor: str = "LIS3DH",
    ) -> None:
        if machine not in MACHINES:
            raise InputError(f"there is no machine {machine!r}; choose one of {', '.join(MACHINES)}")
        if sensor not in SENSORS:
            raise InputError(f"there is no sensor {sensor!r}; choose one of {', '.join(SENSORS)}")
        if not 20 <= rate <= 10000:
            raise InputError(f"--rate {rate:g} is out of range; the simulator makes 20 to 10000 samples a second")
        self.machine: Machine = MACHINES[machine]
        for fault in faults:
            if fault.name not in applicable(self.machine):
                raise InputError(
                    f"a {machine} cannot have {fault.name}; it can have {', '.join(applicable(self.machine))}"
                )
        self.rate = float(rate)
        self.faults = tuple(faults)
        self.seed = seed
        self.accelerometer = SENSORS[sensor]
        self.sensor = sensor
        count = 4 if self.accelerometer.thermometer else 3
        self.channels, self.units = CHANNELS[:count], UNITS[:count]
        self.scales = (*(self.accelerometer.scale,) * 3, THERMOMETER.scale)[:count]
        bounds = (-self.accelerometer.limit - 1, self.accelerometer.limit)
        self.limits = (*(bounds,) * 3, LIMITS)[:count]
        self.position = 0
        self._made = 0
        self._held = np.zeros((0, count), dtype=np.int16)
        self._generator = np.random.default_rng(seed)
        self._prepare()

    def _prepare(self) -> None:
        generator, machine = self._generator, self.machine
        self._angle = float(generator.uniform(0, 2 * np.pi))
        # Phases between the lines belong to the machine: another seed is another day, not another machine.
        self._phases = np.random.default_rng(list(machine.name.encode())).uniform(0, 2 * np.pi, (12, 3))
        # Corner times: speed 5 s, load 8 s, temperature 10 min. All bounded, so that an hour looks like a minute.
        self._speed = _Wander(float(np.exp(-1 / (5 * self.rate))), float(generator.standard_normal()))
        self._load = _Wander(float(np.exp(-1 / (8 * self.rate))), float(generator.standard_normal()))
        self._ambient = _Wander(float(np.exp(-1 / (600 * self.rate))), float(generator.standard_normal()))
        frequency = min(machine.resonance / self.rate, 0.42)
        self._housing = [_Resonator(frequency, 0.06, np.zeros(2)) for _ in range(3)]
        self._struck = _Resonator(frequency, 0.05, np.zeros(2))
        self._defect = 0.0  # turns of the defect since its last impulse
        self._next = 1.0
        self._heat = 0.0
        self._stuck: float | None = None

    def read(self, count: int) -> NDArray[np.int16]:
        """The next ``count`` frames, int16 [count, C]."""
        parts = [self._held]
        have = len(self._held)
        while have < count:
            parts.append(self._block())
            have += _BLOCK
        joined = np.concatenate(parts)
        self._held = joined[count:]
        self.position += count
        return joined[:count]

    def labels(self, start: int, count: int) -> NDArray[np.str_]:
        """Labels of frames, str [count]: ``normal``, or the fault that started last."""
        seconds = (start + np.arange(count)) / self.rate
        result = np.full(count, "normal", dtype="U16")
        for fault in sorted(self.faults, key=lambda fault: fault.start):
            result[seconds >= fault.start] = fault.name
        return result

    def _sizes(self, seconds: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        sizes: dict[str, NDArray[np.float64]] = {}
        for fault in self.faults:
            size = fault.size(seconds)
            sizes[fault.name] = np.maximum(sizes.get(fault.name, size), size)
        return sizes

    def _block(self) -> NDArray[np.int16]:
        seconds = (self._made + np.arange(_BLOCK)) / self.rate
        self._made += _BLOCK
        sizes = self._sizes(seconds)
        speed = 1 + self.machine.speed_wander * self._speed.next(self._generator, _BLOCK)
        load = 1 + self.machine.load_wander * self._load.next(self._generator, _BLOCK)
        turns = self.machine.shaft * speed / self.rate
        angle = self._angle + 2 * np.pi * np.cumsum(turns)
        # Every line used is a multiple of half the shaft's, so the angle may be taken back by two turns.
        self._angle = float(angle[-1] % (4 * np.pi))
        vibration = self._shaft(angle, speed, load, sizes) + self._lines(angle, load, seconds, sizes)
        vibration += self._broadband(load) + self._impulses(turns, angle, sizes)[:, None] * _LEVELS
        if "looseness" in sizes:
            limit = 0.11
            truncated = limit * np.tanh(vibration / limit)
            vibration += sizes["looseness"][:, None] * (truncated - vibration) * 0.7
        return self._sense(vibration + _GRAVITY, self._temperature(sizes), sizes)

    def _wave(self, angle: NDArray[np.float64], multiple: float, index: int) -> NDArray[np.float64]:
        return np.sin(multiple * angle[:, None] + self._phases[index]) * _LEVELS

    def _shaft(
        self,
        angle: NDArray[np.float64],
        speed: NDArray[np.float64],
        load: NDArray[np.float64],
        sizes: dict[str, NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        none = np.zeros(len(angle))
        first, second, third = self.machine.harmonics
        imbalance, blade = sizes.get("imbalance", none), sizes.get("blade", none)
        misalignment, loose = sizes.get("misalignment", none), sizes.get("looseness", none)
        # The force of an imbalance goes with the square of the speed (ISO 21940-11).
        level = first * speed**2 * (1 + 2.0 * imbalance + 0.8 * blade)
        out = level[:, None] * self._wave(angle, 1, 0)
        out += (load * (second + 0.030 * misalignment + 0.012 * loose))[:, None] * self._wave(angle, 2, 1)
        out += (load * (third + 0.012 * misalignment + 0.012 * loose))[:, None] * self._wave(angle, 3, 2)
        out[:, 2] += 0.03 * misalignment * np.sin(angle + self._phases[3, 2])
        for multiple, index in ((0.5, 4), (1.5, 5), (4, 6)):
            if loose.any():
                out += (0.014 * loose)[:, None] * self._wave(angle, multiple, index)
        return out

    def _lines(
        self,
        angle: NDArray[np.float64],
        load: NDArray[np.float64],
        seconds: NDArray[np.float64],
        sizes: dict[str, NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        machine, none = self.machine, np.zeros(len(angle))
        out = np.zeros((len(angle), 3))
        if machine.blades:
            depth = 0.05 + 0.6 * sizes.get("blade", none)
            out += (load * machine.blade_level * (1 + depth * np.cos(angle)))[:, None] * self._wave(
                angle, machine.blades, 7
            )
        if machine.teeth:
            depth = 0.15 + 0.6 * sizes.get("gear_tooth", none)
            out += (load * machine.mesh_level * (1 + depth * np.cos(angle)))[:, None] * self._wave(
                angle, machine.teeth, 8
            )
        if machine.line:
            electrical = np.sin(4 * np.pi * machine.line * seconds[:, None] + self._phases[9])
            out += (load * machine.line_level)[:, None] * electrical * _LEVELS
        return out

    def _broadband(self, load: NDArray[np.float64]) -> NDArray[np.float64]:
        drive = self._generator.standard_normal((len(load), 3))
        ringing = np.stack([mode.ring(drive[:, axis]) for axis, mode in enumerate(self._housing)], axis=1)
        return self.machine.roughness * load[:, None] * (0.45 * ringing + 0.5 * drive) * _LEVELS

    def _impulses(
        self, turns: NDArray[np.float64], angle: NDArray[np.float64], sizes: dict[str, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Ringing of the housing after the impulses of a defect that is passed over and over."""
        bearing = self.machine.bearing
        kinds = {
            "bearing_outer": (bearing.outer, np.ones_like(angle)),
            "bearing_inner": (bearing.inner, 0.6 + 0.4 * np.cos(angle)),
            "bearing_ball": (2 * bearing.ball, 0.7 + 0.3 * np.cos(bearing.cage * angle)),
            "gear_tooth": (1.0, 1.6 * np.ones_like(angle)),
        }
        drive = np.zeros(len(turns))
        draws = self._generator.standard_normal(len(turns))
        for name, (multiple, modulation) in kinds.items():
            if name in sizes:
                passed = self._defect + np.cumsum(multiple * turns)
                start = 0
                while len(hit := np.flatnonzero(passed[start:] >= self._next)):
                    start += int(hit[0])
                    drive[start] += sizes[name][start] * modulation[start]
                    self._next += 1.0 + _SLIP * draws[start]
                whole = np.floor(passed[-1])
                self._defect, self._next = float(passed[-1] - whole), float(self._next - whole)
                break
        return _IMPULSE * self._struck.ring(drive)

    def _temperature(self, sizes: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        ambient = 0.2 * self._ambient.next(self._generator, _BLOCK)
        pole = np.exp(-1 / (120 * self.rate))
        target = 30.0 * sizes.get("overheating", np.zeros(_BLOCK))
        heat, _ = lfilter([1 - pole], [1, -pole], target, zi=[self._heat * pole])
        self._heat = float(heat[-1])
        noise = THERMOMETER.noise * self._generator.standard_normal(_BLOCK)
        return self.machine.warm + ambient + heat + noise

    def _sense(
        self, acceleration: NDArray[np.float64], temperature: NDArray[np.float64], sizes: dict[str, NDArray[np.float64]]
    ) -> NDArray[np.int16]:
        sensor = self.accelerometer
        noise = sensor.noise_density * np.sqrt(self.rate / 2)
        values = acceleration + noise * self._generator.standard_normal(acceleration.shape)
        dropped = self._generator.random(_BLOCK) < 0.02
        if "drift" in sizes:
            values[:, 2] += 0.25 * sizes["drift"]
        if "clipping" in sizes:
            on = sizes["clipping"] > 0
            values[on, 0] = np.clip(values[on, 0], _GRAVITY[0] - 0.04, _GRAVITY[0] + 0.04)
        if "stuck" in sizes:
            on = sizes["stuck"] > 0
            if on.any() and self._stuck is None:
                self._stuck = float(values[np.argmax(on), 0])
            values[on, 0] = self._stuck or 0.0
        if "dropout" in sizes:
            values[dropped & (sizes["dropout"] > 0)] = 0.0
        if sensor.step:
            values = sensor.step * np.round(values / sensor.step)
        counts = np.clip(np.round(values / sensor.scale), -sensor.limit - 1, sensor.limit)
        degrees = np.clip(np.round(temperature / THERMOMETER.scale), -32768, 32767)
        return np.column_stack([counts, degrees])[:, : len(self.channels)].astype(np.int16)
