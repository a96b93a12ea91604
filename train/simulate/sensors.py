"""Sensors that the simulator speaks for: unit per count, range and noise, from their datasheets."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SENSORS", "THERMOMETER", "Sensor", "Thermometer"]


@dataclass(frozen=True)
class Sensor:
    """A 3-axis accelerometer at +-2 g.

    scale: g per count; limit: largest count; noise_density: g per square root of Hz; step: g that it can tell apart,
    where its driver gives finer counts; thermometer: whether one stands beside it.
    """

    name: str
    scale: float
    limit: int
    noise_density: float
    source: str
    step: float = 0.0
    thermometer: bool = True


@dataclass(frozen=True)
class Thermometer:
    """A digital thermometer. scale: degC per count; noise: degC RMS."""

    name: str
    scale: float
    noise: float
    source: str


SENSORS: dict[str, Sensor] = {
    sensor.name: sensor
    for sensor in (
        Sensor("LIS3DH", 0.001, 2047, 220e-6, "ST DocID17530 rev 2: high-resolution mode, 1 mg/digit, 220 ug/rtHz"),
        Sensor("ADXL345", 0.0039, 512, 290e-6, "Analog Devices ADXL345 rev G: full resolution, 3.9 mg/LSB; noise from "
               "0.75 LSB RMS at 100 Hz"),
        Sensor("MPU-6050", 1 / 16384, 32767, 400e-6, "InvenSense PS-MPU-6000A-00 rev 3.4: 16384 LSB/g, 400 ug/rtHz"),
        Sensor("MSA301", 1 / 4096, 8191, 300e-6, "MEMSensing MSA301 v1.0: 14 bits, 4096 LSB/g; no noise stated, "
               "300 ug/rtHz is assumed"),
        Sensor("MMA8653", 0.001, 2000, 300e-6, "NXP MMA8653FC rev 2: 10 bits, 3.9 mg/LSB; the BBC micro:bit gives mg; "
               "300 ug/rtHz is assumed", step=1 / 256, thermometer=False),
    )
}  # fmt: skip
"""Accelerometers by name."""

THERMOMETER = Thermometer("TMP117", 1 / 128, 0.01, "Texas Instruments SNOSD82: 7.8125 m degC per LSB")
