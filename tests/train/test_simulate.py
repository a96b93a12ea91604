"""The simulator's lines are where the formulas say, and its stream does not depend on how it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.train.errors import InputError
from offbeat.train.recording import read_recording
from offbeat.train.simulate import (
    MACHINES,
    SENSORS,
    Fault,
    SimulatedStream,
    applicable,
    parse_fault,
    simulate,
    write_csv,
)
from offbeat.train.simulate.machines import BEARING_6205

RATE = 400.0


def spectrum(signal: NDArray) -> tuple[NDArray, NDArray]:
    """Amplitude spectrum with a Hann window: frequencies, Hz, and amplitudes."""
    centred = (signal - signal.mean()) * np.hanning(len(signal))
    return np.fft.rfftfreq(len(signal), 1 / RATE), np.abs(np.fft.rfft(centred)) * 4 / len(signal)


def level(signal: NDArray, frequency: float, width: float = 0.5) -> float:
    """Largest amplitude within +-width Hz."""
    frequencies, amplitudes = spectrum(signal)
    return float(amplitudes[np.abs(frequencies - frequency) <= width].max())


def floor(signal: NDArray) -> float:
    return float(np.median(spectrum(signal)[1]))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 2500), min_size=1, max_size=6), st.integers(0, 1000))
def test_how_it_is_read_changes_nothing(sizes: list[int], seed: int) -> None:
    faults = (Fault("bearing_inner", 3.0, 2.0), Fault("stuck", 9.0))
    whole = SimulatedStream(seed=seed, faults=faults).read(sum(sizes))
    stream = SimulatedStream(seed=seed, faults=faults)
    np.testing.assert_array_equal(np.concatenate([stream.read(size) for size in sizes]), whole)


def test_seeds() -> None:
    one, again, other = (simulate(seconds=5, seed=seed).counts for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("name", MACHINES)
def test_shaft_and_its_lines(name: str) -> None:
    machine = MACHINES[name]
    x = simulate(name, seconds=60, seed=3).counts[:, 0].astype(float)
    for multiple in (1, 2, 3):
        assert level(x, multiple * machine.shaft) > 10 * floor(x)
    if machine.blades:
        assert level(x, machine.blades * machine.shaft, 1.0) > 10 * floor(x)
    if machine.teeth:
        assert level(x, machine.teeth * machine.shaft, 1.0) > 10 * floor(x)
        assert level(x, (machine.teeth + 1) * machine.shaft, 1.0) > 3 * floor(x)
    if machine.line:
        assert level(x, 2 * machine.line) > 10 * floor(x)


def test_defect_frequencies_of_a_6205() -> None:
    """Multiples of the shaft's as published for the 6205-2RS of the CWRU rig: 3.5848, 5.4152, 2.357, 0.39828."""
    found = (BEARING_6205.outer, BEARING_6205.inner, BEARING_6205.ball, BEARING_6205.cage)
    assert found == pytest.approx((3.5848, 5.4152, 2.357, 0.39828), rel=2e-3)


@pytest.mark.parametrize(("fault", "race"), [("bearing_outer", "outer"), ("bearing_inner", "inner")])
def test_bearing_faults_pass_at_their_frequency(fault: str, race: str) -> None:
    """With and without the fault all else is the same, so the difference is the ringing alone: its rectified
    spectrum has a line, some Hz wide from the slip, at the defect frequency."""
    machine = MACHINES["motor"]
    expected = getattr(machine.bearing, race) * machine.shaft
    clean = simulate("motor", seconds=60, seed=1).counts[:, 0].astype(float)
    faulty = simulate("motor", seconds=60, seed=1, faults=(Fault(fault, 0.0),)).counts[:, 0].astype(float)
    frequencies, amplitudes = spectrum(np.abs(faulty - clean))

    def energy(frequency: float) -> float:
        return float((amplitudes[np.abs(frequencies - frequency) < 3] ** 2).sum())

    # Between the line and its sidebands, which lie a shaft frequency away.
    assert energy(expected) > 3 * energy(expected - machine.shaft / 2)
    assert energy(expected) > 3 * energy(expected + machine.shaft / 2)


@pytest.mark.parametrize(("machine", "fault"), [(m, f) for m in MACHINES for f in applicable(MACHINES[m])])
def test_faults_start_at_their_second_and_change_something(machine: str, fault: str) -> None:
    clean = simulate(machine, seconds=40, seed=2)
    faulty = simulate(machine, seconds=40, seed=2, faults=(Fault(fault, 20.0),))
    first = int(20 * RATE)
    np.testing.assert_array_equal(clean.counts[:first], faulty.counts[:first])
    assert (clean.counts[first:] != faulty.counts[first:]).any()
    assert faulty.labels is not None
    assert set(faulty.labels[:first]) == {"normal"} and set(faulty.labels[first:]) == {fault}


def test_growth() -> None:
    fault = parse_fault("imbalance@10+20")
    assert fault == Fault("imbalance", 10.0, 20.0)
    assert fault.size(np.array([9.9, 10, 20, 30, 40])).tolist() == [0, 0, 0.5, 1, 1]


def test_normal_stays_normal() -> None:
    """RMS of a minute at the start and in the second hour differ by less than a tenth."""
    stream = SimulatedStream(seed=4)
    first = stream.read(24000)[:, :3].std(axis=0)
    for _ in range(60):
        stream.read(24000)
    later = stream.read(24000)[:, :3].std(axis=0)
    np.testing.assert_allclose(first, later, rtol=0.1)


@pytest.mark.parametrize("sensor", SENSORS)
def test_counts_stay_in_the_sensors_range(sensor: str) -> None:
    found = simulate(seconds=5, sensor=sensor, faults=(Fault("looseness", 0), Fault("imbalance", 0)))
    assert np.abs(found.counts[:, :3].astype(int)).max() <= SENSORS[sensor].limit + 1
    assert found.counts[:, 2].mean() * found.scales[2] == pytest.approx(0.998, abs=0.02)  # gravity


@pytest.mark.parametrize("text", ["", "imbalance", "imbalance@", "@3", "imbalance@-3", "imbalance@3+", "nonsense@3"])
def test_bad_faults(text: str) -> None:
    with pytest.raises(InputError):
        parse_fault(text)


def test_bad_machines() -> None:
    for settings_ in ({"machine": "toaster"}, {"sensor": "eye"}, {"rate": 1.0}, {"faults": (Fault("gear_tooth", 1),)}):
        with pytest.raises(InputError):
            SimulatedStream(**settings_)
    with pytest.raises(InputError, match="is out of range; ask for 1 to"):
        simulate(seconds=0)


def test_csv_is_the_recording(tmp_path: Path) -> None:
    faults = (parse_fault("imbalance@2"),)
    write_csv(SimulatedStream(seed=6, faults=faults), tmp_path / "r.csv", seconds=4)
    found, made = read_recording(tmp_path / "r.csv"), simulate(seconds=4, seed=6, faults=faults)
    np.testing.assert_array_equal(found.counts, made.counts)
    np.testing.assert_array_equal(found.labels, made.labels)
    assert (found.rate, found.scales, found.units, found.sensor) == (made.rate, made.scales, made.units, made.sensor)
