"""open_sensor, the interface that all sources keep, the bus that is freed, and CPython's ticks."""

from tests.device.sensors.subject import clock, sensors


def check_an_unknown_name_is_refused_with_those_that_are_known():
    try:
        sensors.open_sensor("mpu9999", None)
    except ValueError as error:
        said = str(error)
    assert said == (
        "no sensor is called mpu9999; there are adxl345, analogue, bme280, lis3dh, mpu6050, msa301, recorded, "
        "simulator, stream, temperature"
    ), said


def check_every_name_loads():
    for name in sensors.SENSORS:
        driver = sensors.SENSORS[name]()
        assert issubclass(driver, sensors.Source), name


def check_all_attributes_are_there_from_the_start():
    source = sensors.open_sensor("simulator")
    for name in ("errors", "overruns", "lost", "restarts", "jitter_us", "flags"):
        assert getattr(source, name) == 0
    assert len(source.channels) == len(source.units) == len(source.scales) == len(source.limits) == 3


class Line:
    """An open-drain pin on a line that a chip may hold low until the clock has risen some times."""

    def __init__(self):
        self.level = 1
        self.holds = 0
        self.events = []

    def scl(self, level):
        if level and self.holds:
            self.holds -= 1
        self.events.append(("scl", level))

    def sda(self, level=None):
        if level is None:
            return 0 if self.holds else self.level
        self.level = level
        self.events.append(("sda", level))


def check_a_held_bus_is_freed_by_clocks():
    sensors.SENSORS["lis3dh"]()
    clear_bus = sensors.registers.clear_bus
    for holds, clocks in ((0, 0), (1, 1), (5, 5), (9, 9)):
        line = Line()
        line.holds = holds
        assert clear_bus(line.scl, line.sda, lambda us: None) is True
        assert line.events.count(("scl", 1)) == clocks + 1
        assert line.events[-4:] == [("scl", 0), ("sda", 0), ("scl", 1), ("sda", 1)], "a STOP at the end"
    line = Line()
    line.holds = 99
    assert clear_bus(line.scl, line.sda, lambda us: None) is False


def check_ticks_run():
    before = clock.ticks_us()
    milliseconds = clock.ticks_ms()
    while clock.ticks_diff(clock.ticks_us(), before) < 2500:
        pass
    assert clock.ticks_diff(clock.ticks_ms(), milliseconds) >= 2
    assert clock.ticks_diff(clock.ticks_add(before, 5), before) == 5
    assert clock.ticks_diff(before, clock.ticks_add(before, 5)) == -5
    assert clock.frames_in(1500, 400000) == 600 and clock.frames_in(1 << 29, 1344000) == 600 * 1344
