"""BME280: compensation against Bosch's formulas as they are printed, and the driver on the chip's model."""

import gc
from array import array

from tests.device.sensors.bus import MEASURES, Clock, FakeI2C, allocated
from tests.device.sensors.chips import bme280 as chips
from tests.device.sensors.subject import sensors


def rig(chip=None, start=0, **options):
    chip = chip or chips.Bme280()
    bus = FakeI2C(Clock(start), chip)
    return sensors.open_sensor("bme280", bus, **options), chip, bus


def calibration():
    driver, _, _ = rig()
    return driver._calibration


def fine_as_printed(raw, t1, t2, t3):
    """Section 4.2.3."""
    var1 = (((raw >> 3) - (t1 << 1)) * t2) >> 11
    var2 = (((((raw >> 4) - t1) * ((raw >> 4) - t1)) >> 12) * t3) >> 14
    return var1 + var2


def pressure_as_printed_64(raw, fine, p1, p2, p3, p4, p5, p6, p7, p8, p9):
    """Section 4.2.3: Q24.8 Pa."""
    var1 = fine - 128000
    var2 = var1 * var1 * p6
    var2 = var2 + ((var1 * p5) << 17)
    var2 = var2 + (p4 << 35)
    var1 = ((var1 * var1 * p3) >> 8) + ((var1 * p2) << 12)
    var1 = (((1 << 47) + var1) * p1) >> 33
    p = 1048576 - raw
    p = (((p << 31) - var2) * 3125) // var1
    var1 = (p9 * (p >> 13) * (p >> 13)) >> 25
    var2 = (p8 * p) >> 19
    return ((p + var1 + var2) >> 8) + (p7 << 4)


def pressure_as_printed_32(raw, fine, p1, p2, p3, p4, p5, p6, p7, p8, p9):
    """Section 8.2: Pa."""
    var1 = (fine >> 1) - 64000
    var2 = (((var1 >> 2) * (var1 >> 2)) >> 11) * p6
    var2 = var2 + ((var1 * p5) << 1)
    var2 = (var2 >> 2) + (p4 << 16)
    var1 = (((p3 * (((var1 >> 2) * (var1 >> 2)) >> 13)) >> 3) + ((p2 * var1) >> 1)) >> 18
    var1 = ((32768 + var1) * p1) >> 15
    p = ((1048576 - raw) - (var2 >> 12)) * 3125
    p = (p << 1) // var1 if p < 0x80000000 else (p // var1) * 2
    var1 = (p9 * (((p >> 3) * (p >> 3)) >> 13)) >> 12
    var2 = ((p >> 2) * p8) >> 13
    return p + ((var1 + var2 + p7) >> 4)


def humidity_as_printed(raw, fine, h1, h2, h3, h4, h5, h6):
    """Section 4.2.3: Q22.10 %RH."""
    v = fine - 76800
    v = (((raw << 14) - (h4 << 20) - (h5 * v)) + 16384 >> 15) * (
        ((((((v * h6) >> 10) * (((v * h3) >> 11) + 32768)) >> 10) + 2097152) * h2 + 8192) >> 14
    )
    v = v - (((((v >> 15) * (v >> 15)) >> 7) * h1) >> 4)
    v = 0 if v < 0 else v
    v = 419430400 if v > 419430400 else v
    return v >> 12


def check_boschs_example():
    c = calibration()
    fine = c.fine_temperature(519888)
    assert fine == 128422 and (fine * 5 + 128) >> 8 == 2508  # 25.08 degC
    assert c.pressure(415148, fine) == 100656  # Pa; 100653.27 in the example's floating point
    assert abs(pressure_as_printed_64(415148, fine, *chips.PRESSURE) - 100653.27 * 256) < 8


def check_calibration_is_taken_apart_as_it_is_stored():
    c = calibration()
    assert (c.t1, c.t2, c.t3) == chips.TEMPERATURE
    assert (c.p1, c.p2, c.p3, c.p4, c.p5, c.p6, c.p7, c.p8, c.p9) == chips.PRESSURE
    assert (c.h1, c.h2, c.h3, c.h4, c.h5, c.h6) == chips.HUMIDITY
    rest = bytes((0, 0, 0, 0xFF, 0xE1, 0x80, 0))  # both 12-bit parameters negative
    c.parse(bytes(24), 0, rest)
    assert (c.h4, c.h5) == (-15, -2034)


def check_the_formulas_are_boschs_over_the_whole_range():
    c = calibration()
    for temperature in range(330000, 720001, 30000):
        fine = c.fine_temperature(temperature)
        assert fine == fine_as_printed(temperature, *chips.TEMPERATURE)
        for pressure in range(200000, 800001, 20000):
            found = c.pressure(pressure, fine)
            assert found == pressure_as_printed_32(pressure, fine, *chips.PRESSURE), (temperature, pressure)
            if 30000 <= found <= 110000:
                assert abs(found - pressure_as_printed_64(pressure, fine, *chips.PRESSURE) / 256) < 12
        for humidity in range(0, 65536, 1111):
            assert c.humidity(humidity, fine) == humidity_as_printed(humidity, fine, *chips.HUMIDITY)


def check_meaningless_calibration_gives_no_error():
    c = calibration()
    for byte in (0x00, 0xFF, 0x80, 0x7F):
        c.parse(bytes([byte] * 24), byte, bytes([byte] * 7))
        for raw in (0, 0x80000, 0xFFFFF):
            fine = c.fine_temperature(raw)
            c.pressure(raw, fine)
            assert 0 <= c.humidity(raw & 0xFFFF, fine) <= 102400


def poll(driver, bus, seconds, step_us=1000):
    frame = array("h", (0, 0, 0))
    found = []
    for _ in range(seconds * 1000000 // step_us):
        bus.time.advance(step_us)
        if driver.read_into(frame):
            found.append(tuple(frame))
    return found


def check_a_frame_a_second():
    driver, chip, bus = rig()
    found = poll(driver, bus, 20)
    fine = 128422
    humidity = humidity_as_printed(25000, fine, *chips.HUMIDITY)
    assert len(found) in (19, 20, 21) and chip.measured - len(found) <= 1
    assert set(found) == {(2508, 25164, (humidity * 100 + 512) >> 10)}
    assert driver.flags == driver.errors == driver.restarts == driver.lost == 0
    assert driver.channels == ("temperature", "pressure", "humidity")
    assert chip.registers[0xF4] & 3 == 0, "asleep between measurements"


def check_a_slow_rate():
    driver, _, bus = rig(rate=0.1)
    assert driver.rate_millihertz == 100
    assert len(poll(driver, bus, 100, 10000)) in (9, 10)
    assert driver.flags == 0


def check_a_busy_board_is_counted():
    driver, _, bus = rig()
    poll(driver, bus, 3)
    bus.time.advance(5000000)
    poll(driver, bus, 3)
    assert driver.overruns == 1 and driver.flags == sensors.LOST
    assert driver.lost in (3, 4, 5), driver.lost


def check_a_chip_that_was_reset_measures_humidity_again():
    driver, chip, bus = rig()
    poll(driver, bus, 3)
    chip.reset()
    found = poll(driver, bus, 5)
    assert len(set(found)) == 1 and len(found) >= 4, found
    assert driver.restarts == 1 and driver.flags == sensors.RESTARTED | sensors.LOST and driver.errors == 0


def check_a_reset_in_the_middle_of_a_measurement_gives_no_frame():
    driver, chip, bus = rig()
    good = set(poll(driver, bus, 2))
    while not chip.read(0xF3):
        poll(driver, bus, 1, 1000000)
    chip.reset()
    assert set(poll(driver, bus, 5)) == good
    assert driver.restarts == 1 and driver.lost >= 1 and driver.flags & sensors.LOST


def check_a_refused_byte_costs_a_frame_at_most():
    for byte in range(60):
        driver, _, bus = rig()
        good = poll(driver, bus, 2)[0]
        bus.nack_in = byte
        found = poll(driver, bus, 8)
        assert driver.errors == 1 and driver.flags & sensors.BUS
        assert set(found) == {good} and len(found) >= 6, (byte, found)


def check_a_stuck_bus_is_left_alone():
    driver, _, bus = rig()
    poll(driver, bus, 2)
    bus.stuck = True
    before = bus.transfers
    assert poll(driver, bus, 30) == []
    assert 20 <= bus.transfers - before <= 60
    bus.stuck = False
    assert len(poll(driver, bus, 10)) >= 7
    assert driver.errors > 0 and driver.restarts == 0


def check_other_chips_and_rates_are_refused():
    for make, kind, said in (
        (lambda: rig(chips.Bme280(identity=0x58)), OSError, "is no BME280: its register 0xd0 reads 0x58, not 0x60"),
        (lambda: rig(address=0x77), OSError, "no chip answers at I2C address 0x77, where the BME280 should be"),
        (lambda: rig(rate=100), ValueError, "up to 50 Hz"),
        (lambda: rig(rate=0.001), ValueError, "0.004 Hz"),
    ):
        try:
            make()
        except kind as error:
            assert said in str(error), str(error)
        else:
            raise AssertionError(said)


def check_reading_allocates_nothing():
    driver, _, bus = rig(rate=50)
    frame = array("h", (0, 0, 0))
    poll(driver, bus, 1)
    bus.measured = True
    taken = frames = 0
    gc.disable()
    for i in range(1500):
        if MEASURES and i % 100 == 0:
            gc.collect()
        bus.time.advance(2000)
        before, own = allocated(), bus.own
        frames += driver.read_into(frame)
        taken += allocated() - before - (bus.own - own)
    gc.enable()
    assert frames > 100 and taken == 0, (frames, taken)
