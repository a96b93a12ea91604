"""Sources that the board's own clock paces: analogue inputs, the board's temperature, recordings, the simulator."""

import gc
import os
import struct
from array import array

from tests.device.sensors.bus import MEASURES, Clock, allocated
from tests.device.sensors.subject import clock, refused, sensors, timed


class Input:
    """machine.ADC: a ramp."""

    def __init__(self, start=0, step=1):
        self.value = start
        self.step = step

    def read_u16(self):
        self.value = (self.value + self.step) & 0xFFFF
        return self.value


class Timer:
    """machine.Timer: call fire() for a tick. hard: whether this port knows that option."""

    PERIODIC = 1

    def __init__(self, hard=True):
        self.knows_hard = hard
        self.options = None
        self.running = False

    def init(self, **options):
        if "hard" in options and not self.knows_hard:
            raise TypeError("extra keyword arguments given")
        self.options = options
        self.running = True

    def deinit(self):
        self.running = False

    def fire(self):
        self.options["callback"](self)


def take(source, frames):
    """All frames that are due, appended to a list."""
    frame = array("h", (0 for _ in source.channels))
    while source.read_into(frame):
        frames.append(tuple(frame))


def timed_input(rate=1000, frames=16):
    """A polled analogue input, read by a timer; and the clock."""
    time = Clock()
    timer = Timer()
    polled = sensors.open_sensor("analogue", [Input()], rate)
    return timed.Timed(polled, timer, frames), polled, timer, time


def busy(time, timer, periods, period_us=1000):
    """The board scores for so long; the timer comes twice a period."""
    for _ in range(2 * periods):
        time.advance(period_us // 2)
        timer.fire()


def check_a_timer_reads_what_a_busy_board_cannot():
    source, polled, timer, time = timed_input()
    assert timer.options["freq"] == 2000 and "hard" not in timer.options
    assert (source.channels, source.limits, source.sensor) == (polled.channels, polled.limits, "ADC")
    frames = []
    for _ in range(50):
        busy(time, timer, 10)
        take(source, frames)
    assert len(frames) == 500
    assert [frame[0] for frame in frames] == [1 + i - 32768 for i in range(500)]
    assert (source.lost, source.overruns, source.errors, source.flags) == (0, 0, 0, 0)
    source.close()
    assert not timer.running


def check_a_full_ring_loses_the_newest_and_says_so():
    source, _, timer, time = timed_input()
    frames = []
    busy(time, timer, 40)
    take(source, frames)
    assert (len(frames), source.flags) == (16, 0), "those that were kept follow one another"
    busy(time, timer, 5)
    take(source, frames)
    assert len(frames) == 21 and (source.lost, source.overruns) == (24, 1)
    assert source.flags == sensors.LOST
    source.flags = 0
    busy(time, timer, 5)
    take(source, frames)
    assert len(frames) == 26 and source.flags == 0


def check_what_befalls_the_sensor_is_passed_on():
    source, polled, timer, time = timed_input()
    frames = []
    busy(time, timer, 3)
    polled.flags |= sensors.BUS
    polled.errors += 1
    polled.jitter_us = 700
    busy(time, timer, 1)
    frame = array("h", (0,))
    for _ in range(3):
        assert source.read_into(frame) and source.flags == 0
    assert source.read_into(frame) and source.flags == sensors.BUS
    assert (source.errors, source.jitter_us, polled.flags) == (1, 700, 0)
    source.flags = 0
    polled.flags = sensors.BUS
    take(source, frames)
    assert not frames and source.flags == sensors.BUS, "a bus that stays silent shows"


def check_open_sensor_takes_a_timer():
    time = Clock()
    timer = Timer(hard=False)
    source = sensors.open_sensor("temperature", rate=10, read=lambda: 2100, timer=timer)
    frames = []
    for _ in range(4):
        time.advance(100000)
        timer.fire()
    take(source, frames)
    assert frames == [(2100,)] * 4 and source.sensor == "board"
    assert type(sensors.open_sensor("temperature", rate=10, read=lambda: 2100, timer=None)) is not type(source)


def check_a_timer_that_reads_allocates_nothing():
    source, _, timer, _ = timed_input()
    now = [0]
    clock.ticks_us = lambda: now[0]
    clock.ticks_diff = lambda later, earlier: later - earlier
    clock.ticks_add = lambda ticks, delta: ticks + delta
    frame = array("h", (0,))
    gc.collect()
    gc.disable()
    frames = taken = 0
    for _ in range(3000):
        now[0] += 500
        before = allocated()
        timer.fire()
        while source.read_into(frame):
            frames += 1
        taken += allocated() - before
    gc.enable()
    assert frames > 1000 and taken == 0, (frames, taken)


def check_the_pace_keeps_any_rate():
    for rate, periods in ((3000000, 3000), (1000, 10), (333333, 333), (62500, 125), (7, 3), (44100000, 20000)):
        time = Clock((1 << 30) - 5000)
        pace = clock.Pace(rate, 4)
        step = max(1, 1000000000 // rate // 3)
        due = 0
        while due < periods:
            time.advance(step)
            while pace.due():
                assert pace.missed == 0
                due += 1
        elapsed = time.now - ((1 << 30) - 5000)
        assert abs(elapsed - periods * 1000000000 // rate) <= step + 1, (rate, elapsed)


def check_the_pace_gives_up_what_is_too_old():
    time = Clock()
    pace = clock.Pace(1000000, 4)
    time.advance(10500)
    due = 0
    missed = 0
    while pace.due():
        missed += pace.missed
        due += 1
    assert (due, missed) == (4, 6)
    assert 0 <= pace.late_us < 1000
    time.advance(600 * 1000000)  # more than a difference of ticks can say
    assert pace.due() and pace.missed >= 4


def check_analogue_polled():
    time = Clock()
    source = sensors.open_sensor("analogue", [Input(), Input(65535, 0)], rate=1000, names=("sound", "current"))
    assert source.channels == ("sound", "current") and source.units == ("V", "V")
    assert abs(float(source.scales[0]) * 65536 - 3.3) < 1e-4
    frames = []
    for _ in range(4000):
        time.advance(250)
        take(source, frames)
    assert len(frames) == 1000
    assert [f[0] for f in frames] == list(range(1 - 32768, 1001 - 32768)) and {f[1] for f in frames} == {32767}
    assert source.flags == 0 and source.jitter_us == 0
    time.advance(1400)  # 0.4 ms late
    take(source, frames)
    assert source.flags == sensors.LATE and source.jitter_us == 400 and source.lost == 0
    source.flags = source.jitter_us = 0
    time.advance(10600)
    take(source, frames)
    assert source.flags & sensors.LOST and source.lost == 10 and source.overruns == 1


def check_analogue_by_timer():
    for hard in (True, False):
        time = Clock()
        timer = Timer(hard)
        source = sensors.open_sensor("analogue", [Input()], rate=1000, timer=timer, frames=16)
        assert timer.options["freq"] == 1000 and ("hard" in timer.options) is hard
        frames = []
        for _ in range(40):  # pauses of 16 frames
            for _ in range(16):
                time.advance(1000)
                timer.fire()
            take(source, frames)
        assert [f[0] for f in frames] == list(range(1 - 32768, 641 - 32768))
        assert source.flags == source.lost == source.jitter_us == 0
        for _ in range(20):  # four too many
            time.advance(1000)
            timer.fire()
        take(source, frames)
        assert len(frames) == 656 and source.flags == 0, "what is before the gap is good"
        time.advance(1000)
        timer.fire()
        take(source, frames)
        assert source.flags == sensors.LOST and source.lost == 4 and source.overruns == 1
        source.flags = 0
        time.advance(3100)  # the interrupt came too late for two ticks
        timer.fire()
        take(source, frames)
        assert source.flags == sensors.LOST and source.lost == 6
        source.flags = 0
        time.advance(1400)
        timer.fire()
        take(source, frames)
        assert source.flags == sensors.LATE and 350 < source.jitter_us <= 400
        source.close()
        assert not timer.running


def check_analogue_settings_are_checked():
    Clock()
    assert "0 inputs" in refused(ValueError, "analogue", [], rate=100)
    assert "1 inputs, but 2 names" in refused(ValueError, "analogue", [Input()], rate=100, names=("a", "b"))
    assert "not at 50000" in refused(ValueError, "analogue", [Input()], rate=50000)
    source = sensors.open_sensor("analogue", [Input()], rate=100, unit="A", scale="0.0015")
    assert source.units == ("A",) and source.scales == ("0.0015",)


def check_temperature():
    time = Clock()
    readings = iter((2150, -550, OSError(5), 2200))

    def read():
        value = next(readings)
        if isinstance(value, OSError):
            raise value
        return value

    source = sensors.open_sensor("temperature", rate=0.5, read=read)
    frames = []
    for _ in range(80):
        time.advance(100000)
        take(source, frames)
    assert frames == [(2150,), (-550,), (2200,)]
    assert source.errors == 1 and source.flags == sensors.BUS and source.rate_millihertz == 500
    said = refused(OSError, "temperature")
    assert said.startswith("MicroPython on ") and said.endswith("offers no temperature of the board")


def check_rp2_formula():
    sensors.open_sensor("temperature", read=int)  # loads the module
    thermometer = sensors.temperature.Rp2Thermometer
    for celsius in (-20, 0, 27, 45, 85):
        volts = 0.706 - (celsius - 27) * 0.001721
        found = thermometer(Input(int(volts * 65535 / 3.3 + 0.5), 0))()
        assert abs(found - 100 * celsius) <= 3, (celsius, found)
    assert -32768 <= thermometer(Input(65535, 0))() < thermometer(Input(0, 0))()


ABOUT = {
    "channels": ["x", "y"], "units": ["g", "g"], "scales": ["0.001", "0.002"], "sensor": "MADE-UP",
    "rate_millihertz": 400000,
}  # fmt: skip
PATH = "recorded-by-a-check.bin"


def recording(frames):
    with open(PATH, "wb") as file:
        for i in range(frames):
            file.write(struct.pack("<hh", i, -i))


def check_a_recording_once_and_in_a_loop():
    try:
        recording(70)
        for loop in (False, True):
            time = Clock()
            source = sensors.open_sensor("recorded", PATH, ABOUT, loop=loop)
            assert source.scales == ("0.001", "0.002") and source.sensor == "MADE-UP"
            frames = []
            for _ in range(4 * 200):
                time.advance(625)
                take(source, frames)
            expected = 200 if loop else 70
            assert frames == [(i % 70, -(i % 70)) for i in range(expected)], len(frames)
            assert source.ended is not loop and source.flags == 0
        time.advance(10000000)
        take(source, frames)
        assert source.flags == sensors.LOST and source.lost == 4000 - 256
    finally:
        os.remove(PATH)


def check_recordings_that_cannot_be_played_are_refused():
    Clock()
    refused(OSError, "recorded", "there-is-none.bin", ABOUT)
    try:
        for content in (b"", b"123"):
            with open(PATH, "wb") as file:
                file.write(content)
            said = refused(ValueError, "recorded", PATH, ABOUT)
            assert f"holds {len(content)} bytes; frames of 2 channels take 4 each" in said
    finally:
        os.remove(PATH)


def energy(source, time, frames):
    """Mean square of the x axis about its mean, and of its differences: what a fault raises."""
    found = []
    while len(found) < frames:
        time.advance(2500)
        take(source, found)
    xs = [f[0] for f in found]
    mean = sum(xs) // len(xs)
    level = sum((x - mean) ** 2 for x in xs) // len(xs)
    change = sum((xs[i] - xs[i - 1]) ** 2 for i in range(1, len(xs))) // len(xs)
    return level, change, found


def check_the_simulator_hums_and_its_fault_shows():
    time = Clock()
    source = sensors.open_sensor("simulator")
    healthy, change, found = energy(source, time, 1500)
    assert 4000 < healthy < 20000, healthy
    assert 960 < sum(f[2] for f in found) // 1500 < 1040, "gravity"
    assert source.flags == 0 and source.lost == 0
    again = energy(sensors.open_sensor("simulator"), time, 1500)[2]
    assert again == found, "a run can be repeated"
    source.fault = True
    faulty, faulty_change, _ = energy(source, time, 1500)
    assert faulty > healthy * 3 // 2 and faulty_change > 2 * change, (faulty, healthy, faulty_change, change)
    source.fault = False
    recovered = energy(source, time, 1500)[1]
    assert abs(recovered - change) * 10 < change


def check_the_simulators_switch():
    time = Clock()
    pressed = []
    source = sensors.open_sensor("simulator", switch=lambda: bool(pressed))
    energy(source, time, 200)
    assert source.fault is False
    pressed.append(1)
    energy(source, time, 200)
    assert source.fault is True


def check_reading_allocates_nothing():
    time = Clock()
    timer = Timer()
    try:
        recording(64)
        for source in (
            sensors.open_sensor("analogue", [Input(), Input()], rate=400),
            sensors.open_sensor("analogue", [Input(), Input()], rate=400, timer=timer, frames=8),
            sensors.open_sensor("temperature", rate=400, read=int),
            sensors.open_sensor("recorded", PATH, ABOUT),
            sensors.open_sensor("simulator"),
        ):
            frame = array("h", (0 for _ in source.channels))
            # The clock of a board allocates nothing; this one is a closure over an integer.
            now = [time.now]
            clock.ticks_us = lambda now=now: now[0]
            frames = taken = 0
            if MEASURES:
                gc.collect()
            gc.disable()
            for i in range(3000):
                now[0] += 1250
                if i % 500 == 499:
                    now[0] += 2000000
                before = allocated()
                if i & 1 and source.sensor == "ADC":
                    timer.fire()
                while source.read_into(frame):
                    frames += 1
                taken += allocated() - before
            gc.enable()
            assert frames > 1000 and taken == 0, (source.sensor, frames, taken)
    finally:
        os.remove(PATH)
