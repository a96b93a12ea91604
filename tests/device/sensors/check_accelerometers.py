"""What every accelerometer's driver must do, on its chip's model."""

import gc
from array import array

from tests.device.sensors.bus import MEASURES, Clock, FakeI2C, FakeSPI, Timer, allocated
from tests.device.sensors.chips.adxl345 import Adxl345
from tests.device.sensors.chips.lis3dh import Lis3dh
from tests.device.sensors.chips.mpu6050 import Mpu6050
from tests.device.sensors.chips.msa301 import Msa301
from tests.device.sensors.subject import refused, sensors, timed


class Rig:
    """A driver, its chip on a bus, and frames that were read. depth: frames that the chip keeps; step: x of signal()
    from one sample to the next, which comes round after `cycle` samples; still: z."""

    def __init__(self, name, chip, bus, depth, step, cycle, still, **options):
        self.name, self.chip, self.bus, self.depth = name, chip, bus, depth
        self.step, self.cycle, self.still = step, cycle, still
        self.options = options
        self.time = bus.time
        self.driver = sensors.open_sensor(name, bus, **options)
        self.period = 1000000000 // self.driver.rate_millihertz
        self.frame = array("h", (0, 0, 0))
        self.frames = []
        # Without a FIFO a sample may come while the one before is being read: then axes are one sample apart.
        self.skewed = not options.get("fifo", True)
        self.began = self.time.now

    def expected(self):
        """Samples that this chip should have made."""
        return (self.time.now - self.began) * self.chip.speed // (1000 * self.period)

    def take(self):
        """Read until there is no frame; each frame must be whole."""
        taken = 0
        while self.driver.read_into(self.frame):
            x, y, z = self.frame
            assert (y == -x or (self.skewed and y == -x - self.step)) and z == self.still, (self.name, x, y, z)
            self.frames.append(x // self.step)
            taken += 1
        return taken

    def run(self, periods, polls=4):
        """Let so many periods pass, polled a few times in each."""
        for _ in range(periods * polls):
            self.time.advance(self.period // polls)
            self.take()

    def gaps(self):
        """Samples that are missing between frames that follow each other."""
        return [
            (self.frames[i] - self.frames[i - 1] - 1) % self.cycle
            for i in range(1, len(self.frames))
            if (self.frames[i] - self.frames[i - 1] - 1) % self.cycle
        ]

    def clean(self):
        d = self.driver
        return (d.errors, d.overruns, d.lost, d.restarts, d.flags) == (0, 0, 0, 0, 0)


def i2c(chip, start=0):
    return FakeI2C(Clock(start), chip)


def lis3dh(start=0, **options):
    chip = Lis3dh()
    return Rig("lis3dh", chip, i2c(chip, start), 32, 4, 500, 1000, **options)


def lis3dh_without_fifo(start=0, **options):
    return lis3dh(start, fifo=False, **options)


def mpu6050(start=0, **options):
    chip = Mpu6050()
    return Rig("mpu6050", chip, i2c(chip, start), 169, 4, 500, 1000, **options)


def adxl345(start=0, **options):
    time = Clock(start)
    chip = Adxl345(time)
    return Rig("adxl345", chip, FakeI2C(time, chip), 32, 1, 250, 256, **options)


def adxl345_on_spi(start=0, **options):
    time = Clock(start)
    chip = Adxl345(time)
    bus = FakeSPI(time, chip)
    return Rig("adxl345", chip, bus, 32, 1, 250, 256, select=bus.select, **options)


def msa301(start=0, **options):
    chip = Msa301()
    return Rig("msa301", chip, i2c(chip, start), 1, 4, 500, 4096, **options)


WITH_FIFO = (lis3dh, mpu6050, adxl345, adxl345_on_spi)
WITHOUT_FIFO = (lis3dh_without_fifo, msa301)
ALL = WITH_FIFO + WITHOUT_FIFO
ON_I2C = (lis3dh, mpu6050, adxl345, lis3dh_without_fifo, msa301)


def check_a_timer_saves_what_a_busy_board_would_lose():
    for make in WITHOUT_FIFO:
        for helped, speed in ((False, 1000), (True, 970), (True, 1000), (True, 1030)):
            rig = make()
            rig.chip.speed = speed
            timer = Timer()
            source = timed.Timed(rig.driver, timer) if helped else rig.driver
            tick = 1000000 // timer.options["freq"] if helped else rig.period
            due = rig.time.now
            for _ in range(60):
                for _ in range(10 * rig.period // tick):  # ten periods in which the board scores
                    due += tick
                    rig.time.advance(max(due - rig.time.now, 0))
                    if helped:
                        timer.fire()
                while source.read_into(rig.frame):
                    rig.frames.append(rig.frame[0] // rig.step)
            assert (not rig.gaps()) is helped, (rig.name, helped, rig.gaps())
            assert (source.lost == 0 and source.flags == 0) is helped, (rig.name, helped, source.lost)
            assert len(rig.frames) >= rig.expected() - 12 or not helped, len(rig.frames)


def check_every_sample_comes_once_and_in_order():
    for make in ALL:
        rig = make()
        rig.run(1200)
        assert rig.clean(), (rig.name, rig.driver.errors, rig.driver.lost, rig.driver.flags)
        assert rig.gaps() == [], (rig.name, rig.gaps())
        assert rig.chip.made - 2 <= len(rig.frames) <= rig.chip.made, (rig.name, rig.chip.made, len(rig.frames))


def check_rates_are_what_the_chip_samples_at():
    for make, rates in (
        (lis3dh, (1, 10, 25, 50, 100, 200, 400, 1344)),
        (mpu6050, (4, 5, 10, 20, 25, 50, 100, 125, 200, 250, 500, 1000)),
        (adxl345, (25, 50, 100, 200, 400, 800)),
        (adxl345_on_spi, (25, 100, 1600, 3200)),
        (msa301, (15.625, 31.25, 62.5, 125, 250, 500, 1000)),
    ):
        for rate in rates:
            rig = make(rate=rate)
            assert rig.driver.rate_millihertz == int(rate * 1000)
            rig.run(64)
            assert rig.clean(), (rig.name, rate, rig.driver.lost, rig.driver.flags)
            assert abs(rig.chip.made - rig.expected()) <= 2, (rig.name, rate, rig.chip.made)
            assert len(rig.frames) >= rig.chip.made - 1 and not rig.gaps(), (rig.name, rate)


def check_a_pause_as_long_as_the_fifo_loses_nothing():
    for make in WITH_FIFO:
        rig = make()
        rig.run(40)
        for _ in range(5):
            rig.time.advance((rig.depth - 2) * rig.period)
            rig.run(3)
        assert rig.clean(), (rig.name, rig.driver.overruns, rig.driver.flags)
        assert rig.gaps() == []


def check_an_overrun_is_counted_flagged_and_over():
    for make in ALL:
        rig = make()
        rig.run(40)
        rig.take()
        rig.time.advance((3 * rig.depth + 4) * rig.period)
        assert rig.driver.flags == 0
        before = len(rig.frames)
        while not rig.driver.read_into(rig.frame):
            rig.time.advance(rig.period // 4)
        assert rig.driver.flags == sensors.LOST, (rig.name, rig.driver.flags)
        rig.frames.append(rig.frame[0] // rig.step)
        assert rig.driver.overruns == 1
        rig.driver.flags = 0
        rig.run(60)
        assert len(rig.frames) > before + 50
        (gap,) = rig.gaps()
        # By the board's clock, in milliseconds, where the chip does not count.
        assert (rig.driver.lost - gap + 3) % rig.cycle <= 6, (rig.name, rig.driver.lost, gap)
        assert rig.driver.overruns == 1 and rig.driver.flags == 0 and rig.driver.errors == 0


def check_a_refused_byte_anywhere_costs_no_more_than_frames():
    for make in ON_I2C:
        for byte in range(0, 40):
            rig = make()
            rig.run(5)
            rig.time.advance(min(8, rig.depth) * rig.period)
            rig.bus.nack_in = byte
            rig.run(60)
            assert rig.bus.nack_in == -1, "the fault came"
            assert rig.driver.errors == 1
            assert rig.driver.flags & sensors.BUS
            assert rig.driver.restarts == 0
            gaps = rig.gaps()
            assert len(gaps) <= 2, (rig.name, byte, gaps)
            if gaps:
                assert rig.driver.flags & sensors.LOST and rig.driver.lost > 0, (rig.name, byte, gaps)
            last = rig.frames[-1]
            assert (rig.chip.made - 1 - last) % rig.cycle <= 2, "it goes on"


def check_a_stuck_bus_is_tried_ever_less_often():
    for make in ON_I2C:
        rig = make()
        rig.run(30)
        frames = len(rig.frames)
        rig.bus.stuck = True
        before = rig.bus.transfers
        began = rig.time.now
        while rig.time.now - began < 20000000:
            rig.time.advance(1000)
            rig.take()
        assert len(rig.frames) == frames
        tries = rig.bus.transfers - before
        assert 20 <= tries <= 40 and rig.driver.errors == tries, (rig.name, tries, rig.driver.errors)
        assert rig.driver.flags & sensors.BUS
        rig.bus.stuck = False
        rig.driver.flags = 0
        rig.time.advance(1100000)
        rig.run(60)
        assert len(rig.frames) > frames + 50
        assert rig.driver.errors == tries and rig.driver.restarts == 0


def check_a_chip_that_was_reset_is_configured_again():
    for make in ALL:
        rig = make()
        rig.run(50)
        settings = bytes(rig.chip.registers)
        frames = len(rig.frames)
        rig.chip.reset()
        assert bytes(rig.chip.registers) != settings
        rig.run(200)
        assert rig.driver.restarts == 1, (rig.name, rig.driver.restarts)
        assert rig.driver.flags & sensors.RESTARTED and rig.driver.flags & sensors.LOST
        assert rig.driver.errors == 0
        assert len(rig.frames) > frames + 100
        for register in rig.chip.defaults:
            if register not in (0x27, 0x30, 0x3A):
                assert rig.chip.registers[register] == settings[register], (rig.name, register)


def check_a_chip_that_comes_back_on_the_bus_is_configured_again():
    for make in ON_I2C:
        rig = make()
        rig.run(50)
        frames = len(rig.frames)
        chips, rig.bus.chips = rig.bus.chips, {}
        rig.run(100)
        assert rig.driver.errors > 0
        rig.chip.reset()
        rig.bus.chips = chips
        rig.run(1200)
        assert rig.driver.restarts == 1
        assert len(rig.frames) > frames + 500


def check_another_chip_is_not_configured():
    for make in ON_I2C:
        rig = make()
        rig.run(50)
        rig.chip.reset()
        rig.chip.registers[{"lis3dh": 0x0F, "mpu6050": 0x75, "adxl345": 0x00, "msa301": 0x01}[rig.name]] = 0xAA
        rig.chip.written = []
        frames = len(rig.frames)
        rig.run(400)
        assert rig.chip.written == [] and len(rig.frames) == frames
        assert rig.driver.errors > 0 and rig.driver.flags & sensors.BUS


def check_wrong_and_absent_chips_are_refused_in_a_sentence():
    for name, chip, register in (
        ("lis3dh", Lis3dh(identity=0x44), 0x0F),
        ("mpu6050", Mpu6050(identity=0x70), 0x75),
        ("adxl345", Adxl345(Clock(), identity=0x44), 0x00),
        ("msa301", Msa301(identity=0x44), 0x01),
    ):
        said = refused(OSError, name, i2c(chip))
        part = {"mpu6050": "MPU-6050"}.get(name, name.upper())
        begin = f"the chip at I2C address 0x{chip.address:02x} is no {part}: its register 0x{register:02x} reads 0x"
        assert said.startswith(begin), said
        assert chip.written == []
        said = refused(OSError, name, FakeI2C(Clock()))
        assert said == f"no chip answers at I2C address 0x{chip.address:02x}, where the {part} should be", said
    floating = FakeSPI(Clock())
    assert "reads 0xff" in refused(OSError, "adxl345", floating, select=floating.select)


def check_settings_that_a_chip_lacks_are_refused():
    for make in (lis3dh, mpu6050, adxl345, msa301):
        for options in ({"rate": 333}, {"range_g": 3}):
            try:
                make(**options)
            except ValueError as error:
                assert "; there are " in str(error)
            else:
                raise AssertionError(make)
    try:
        adxl345(rate=1600)
    except ValueError as error:
        assert "SPI" in str(error)
    else:
        raise AssertionError("too fast for I2C")


def check_extremes_keep_their_sign():
    for make, options, samples in (
        (lis3dh_without_fifo, {}, ((2047, -2048, -1), (0, 1, -2), (-2048, 2047, 0))),
        (lis3dh, {}, ((2044, -2048, -4), (0, 4, -8), (-2048, 2044, 0))),
        (mpu6050, {}, ((32767, -32768, -1), (255, 256, -256), (-32768, 32767, 0))),
        (adxl345, {}, ((511, -512, -1), (255, 256, -256), (-512, 511, 0))),
        (adxl345, {"range_g": 16}, ((4095, -4096, -1), (255, 256, -256), (-4096, 4095, 0))),
        (adxl345_on_spi, {}, ((511, -512, -1), (255, 256, -256), (-512, 511, 0))),
        (msa301, {}, ((8191, -8192, -1), (63, 64, -64), (-8192, 8191, 0))),
    ):
        rig = make(**options)
        rig.chip.signal = lambda n, samples=samples: samples[n % 3]
        seen = []
        for _ in range(200):
            rig.time.advance(rig.period // 4)
            while rig.driver.read_into(rig.frame):
                seen.append(tuple(rig.frame))
        assert seen[0] == samples[0] and len(seen) > 40
        assert all(seen[i] == samples[i % 3] for i in range(len(seen))), (rig.name, seen[:6])
        for axis in range(2):
            assert rig.driver.limits[axis] == (min(s[axis] for s in samples), max(s[axis] for s in samples))


def check_ranges_are_set_and_scaled():
    for make, register, mask, shift in (
        (lis3dh, 0x23, 0x30, 4), (mpu6050, 0x1C, 0x18, 3), (adxl345, 0x31, 0x03, 0), (msa301, 0x0F, 0x03, 0),
    ):  # fmt: skip
        for i in range(4):
            rig = make(range_g=2 << i)
            assert (rig.chip.registers[register] & mask) >> shift == i
            lowest, _ = rig.driver.limits[0]
            reach = -lowest * float(rig.driver.scales[0])
            factor = {"lis3dh": (1.024, 1.024, 1.024, 1.536)[i], "adxl345": 0.9984}.get(rig.name, 1)
            assert abs(reach / (2 << i) - factor) < 1e-3, (rig.name, i, reach)


def check_the_clock_may_come_round():
    for make in ALL:
        for start in ((1 << 30) - 100000, (1 << 29) - 100000, (1 << 30) * 1000 - 50000):
            rig = make(start)
            rig.run(300)
            assert rig.clean() and not rig.gaps(), (rig.name, start, rig.driver.lost, rig.driver.flags)
            assert len(rig.frames) > 290


def check_a_chip_with_a_slow_or_fast_clock_loses_nothing():
    for make in ALL:
        for speed in (950, 1050):
            rig = make()
            rig.chip.speed = speed
            rig.run(600, 8)
            assert rig.clean() and not rig.gaps(), (rig.name, speed, rig.gaps(), rig.driver.lost)
            assert abs(len(rig.frames) - rig.expected()) <= 3, (rig.name, speed, len(rig.frames))


def check_reading_allocates_nothing():
    for make in ALL:
        rig = make()
        rig.run(20)
        driver, frame, bus, time = rig.driver, rig.frame, rig.bus, rig.time
        frames = taken = 0
        bus.measured = True
        gc.disable()
        for i in range(400):
            if MEASURES and i % 20 == 0:
                gc.collect()
            time.advance(rig.period // 2)
            if i % 75 == 74:
                time.advance(3 * rig.depth * rig.period)  # overruns and their recovery too
            before = allocated()
            own = bus.own
            while driver.read_into(frame):
                frames += 1
            taken += allocated() - before - (bus.own - own)
        gc.enable()
        assert frames > 180 and driver.overruns >= 5, (rig.name, frames, driver.overruns)
        assert taken == 0, (rig.name, taken)
