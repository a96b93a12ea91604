"""Sensors: each a source of frames, one module each; open_sensor() loads the one that is asked for.

A source has
    channels, units     tuples of names, one a channel
    scales              tuple of unit per count, as text
    limits              tuple of (lowest, highest) count; a sample that stands there was clipped
    sensor              name of the part
    rate_millihertz     sampling rate
    read_into(frame)    True when it has put the next sample of every channel, int16 counts, into frame, an
                        array('h'); False when none is due. It does not block, and allocates nothing (but a
                        failing bus raises, and MicroPython allocates what is raised).

and counts, in 30 bits that start again from 0:
    errors              transfers that the bus or the chip refused
    overruns            times that frames were overwritten or left out because nobody took them in time
    lost                frames that went so; by the clock where the chip does not count, then at least 1 a time
    restarts            times that a chip had lost its configuration and was given it again
    jitter_us           how late the latest frame was, in microseconds, since whoever looks last set it to 0; it
                        stays 0 where the chip has its own clock

flags says why frames since the last look should not be trusted: bits LOST, BUS, RESTARTED and LATE below. Whoever
looks sets it to 0: `flags, source.flags = source.flags, 0`. A bit is set no later than the call that hands out
the first frame after a gap, and not before the last frame ahead of it has been handed out, so it belongs to the
window that this frame goes into. Call read_into until it says False before a long calculation: chips with a FIFO
keep sampling meanwhile.
"""

from ..quality import LIMITS

try:
    from micropython import const
except ImportError:  # CPython

    def const(value):  # type: ignore[misc]
        return value


LOST = 1  # frames are missing before the next one
BUS = 2  # a transfer failed
RESTARTED = 4  # the chip had been reset, and was configured again
LATE = 8  # a frame was taken so late that its window is unfit, see quality.late()

COUNTER = const(0x3FFFFFFF)  # counters stay small integers on a 32-bit board


class Source:
    """What all sources have in common. rate_millihertz: sampling rate."""

    channels: tuple = ("x", "y", "z")
    units: tuple = ("g", "g", "g")
    scales: tuple = ("1", "1", "1")
    limits: tuple = (LIMITS,) * 3
    sensor = ""

    def __init__(self, rate_millihertz):
        # All attributes from the start: a new one, later, would make the object's dictionary grow.
        self.rate_millihertz = rate_millihertz
        self.errors = 0
        self.overruns = 0
        self.lost = 0
        self.restarts = 0
        self.jitter_us = 0
        self.flags = 0

    def read_into(self, frame):
        """The next frame, when there is one."""
        raise NotImplementedError

    def _describe(self, about):
        """Take what a dictionary of channels, units, scales, sensor, rate_millihertz and, where they are known, limits
        says of the frames."""
        self.channels = tuple(about["channels"])
        self.units = tuple(about["units"])
        self.scales = tuple(about["scales"])
        self.limits = tuple(about.get("limits") or (LIMITS,) * len(self.channels))
        self.sensor = about["sensor"]
        Source.__init__(self, about["rate_millihertz"])

    def _due(self, pace):
        """Whether a clock.Pace says that a frame is due; those that it gave up are counted as lost."""
        if not pace.due():
            return False
        if pace.missed:
            self._lose(pace.missed)
        return True

    def _lose(self, frames):
        """Count an overrun that took this many frames."""
        self.overruns = (self.overruns + 1) & COUNTER
        self.lost = (self.lost + frames) & COUNTER
        self.flags |= LOST


def millihertz(rate):
    """A rate in Hz, a number, as an integer in mHz."""
    return int(rate * 1000 + 0.5)


def _adxl345():
    from .adxl345 import Adxl345

    return Adxl345


def _analogue():
    from .analogue import AnalogueInput

    return AnalogueInput


def _bme280():
    from .bme280 import Bme280

    return Bme280


def _lis3dh():
    from .lis3dh import Lis3dh

    return Lis3dh


def _mpu6050():
    from .mpu6050 import Mpu6050

    return Mpu6050


def _msa301():
    from .msa301 import Msa301

    return Msa301


def _recorded():
    from .recorded import Recorded

    return Recorded


def _simulator():
    from .simulator import Simulator

    return Simulator


def _stream():
    from .stream import Stream

    return Stream


def _temperature():
    from .temperature import BoardTemperature

    return BoardTemperature


SENSORS = {
    "adxl345": _adxl345,
    "analogue": _analogue,
    "bme280": _bme280,
    "lis3dh": _lis3dh,
    "mpu6050": _mpu6050,
    "msa301": _msa301,
    "recorded": _recorded,
    "simulator": _simulator,
    "stream": _stream,
    "temperature": _temperature,
}


def open_sensor(name, *arguments, **options):
    """A source by its name in SENSORS, for instance open_sensor("mpu6050", i2c, rate=500); loads that driver only.

    Arguments and options are those of the driver's class; timer: of a sensor without FIFO, a machine.Timer that reads
    it, see timed and analogue. Raises ValueError for a name that is none of SENSORS and
    for settings that the sensor does not have, OSError where no such sensor answers.
    """
    if name not in SENSORS:
        raise ValueError("no sensor is called %s; there are %s" % (name, ", ".join(sorted(SENSORS))))
    driver = SENSORS[name]()
    if name == "analogue":  # it reads its converter in the timer's interrupt itself
        return driver(*arguments, **options)
    timer = options.pop("timer", None)
    source = driver(*arguments, **options)
    if timer is None:
        return source
    from .timed import Timed

    return Timed(source, timer)
