"""On a 32-bit board nothing that a driver computes leaves the small integers, so nothing is allocated there either.

The MicroPython that runs the other checks has 63 bits, where this would not show.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from tests.device.sensors import bus, check_accelerometers, check_bme280, check_paced
from tests.device.sensors.chips import bme280 as chip
from tests.parity import checked

# Bosch's example, and parameters typed by hand, of the size that chips have.
CALIBRATIONS = [
    (chip.TEMPERATURE, chip.PRESSURE, chip.HUMIDITY),
    ((28485, 26735, 50), (36738, -10635, 3024, 6980, -4, -7, 9900, -10230, 4285), (75, 362, 0, 333, 0, 30)),
    ((27859, 26004, 50), (38142, -10484, 3024, 9086, -158, -7, 9900, -10230, 4285), (75, 355, 0, 334, 50, 30)),
]


@pytest.fixture(autouse=True)
def checked_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    sensors, clock = checked.device("sensors"), checked.device("sensors.clock")
    for name in ("ticks_us", "ticks_ms", "ticks_add", "ticks_diff"):
        monkeypatch.setattr(clock, name, getattr(clock, name))
    monkeypatch.setattr(bus, "clock", clock)
    monkeypatch.setattr(check_paced, "clock", clock)
    for module in (check_accelerometers, check_bme280, check_paced):
        monkeypatch.setattr(module, "sensors", sensors)


@pytest.mark.parametrize(
    "check",
    [
        check_accelerometers.check_every_sample_comes_once_and_in_order,
        check_accelerometers.check_an_overrun_is_counted_flagged_and_over,
        check_accelerometers.check_a_stuck_bus_is_tried_ever_less_often,
        check_accelerometers.check_extremes_keep_their_sign,
        check_bme280.check_a_frame_a_second,
        check_bme280.check_a_slow_rate,
        check_paced.check_the_pace_keeps_any_rate,
        check_paced.check_the_pace_gives_up_what_is_too_old,
        check_paced.check_analogue_by_timer,
        check_paced.check_analogue_polled,
        check_paced.check_rp2_formula,
        check_paced.check_the_simulator_hums_and_its_fault_shows,
    ],
)
def test_31_bits_hold_what_a_driver_computes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("temperature", "pressure", "humidity"), CALIBRATIONS)
def test_31_bits_hold_the_bme280s_compensation(
    temperature: tuple[int, ...], pressure: tuple[int, ...], humidity: tuple[int, ...]
) -> None:
    h1, h2, h3, h4, h5, h6 = humidity
    calibration = checked.device("sensors.bme280").Calibration()
    main = struct.pack("<HhhHhhhhhhhh", *temperature, *pressure)
    calibration.parse(main, h1, struct.pack("<hBbBbb", h2, h3, h4 >> 4, h4 & 15 | (h5 & 15) << 4, h5 >> 4, h6))
    extremes: dict[str, list[int]] = {"temperature": [], "pressure": [], "humidity": []}
    for raw in range(0, 1 << 20, 4096):
        fine = check_bme280.fine_as_printed(raw, *temperature)
        if not -40 <= fine / 5120 <= 85:
            continue
        assert calibration.fine_temperature(raw) == fine
        extremes["temperature"].append(fine)
        for reading in range(0, 1 << 20, 4096):
            expected = check_bme280.pressure_as_printed_32(reading, fine, *pressure)
            if 30000 <= expected <= 110000:
                assert calibration.pressure(reading, fine) == expected
                extremes["pressure"].append(expected)
        for reading in range(0, 1 << 16, 256):
            expected = check_bme280.humidity_as_printed(reading, fine, *humidity)
            if 0 < expected < 102400:
                assert calibration.humidity(reading, fine) == expected
                extremes["humidity"].append(expected)
    assert min(extremes["temperature"]) < -38 * 5120 and max(extremes["temperature"]) > 83 * 5120
    assert min(extremes["pressure"]) < 31000 and max(extremes["pressure"]) > 109000
    assert min(extremes["humidity"]) < 2 * 1024 and max(extremes["humidity"]) > 98 * 1024
