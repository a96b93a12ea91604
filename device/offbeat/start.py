"""Starts what `offbeat deploy` has installed in a directory: settings.json says which sensor, on which pins.

settings.json has
    board       its name in what the board says of itself
    unique      its unique id, empty where the chip has one
    sensor      a name of sensors.SENSORS
    options     keywords of that driver; "about" of a stream is the file that says what comes through
    bus         {"kind": "i2c", "id", "sda", "scl", "chosen"}, {"kind": "spi", "id", "sck", "mosi", "miso", "select",
                "chosen"}, {"kind": "analogue", "pins"} or {"kind": "none"}; chosen: the port is told the pins
    run         keywords of app.run
"""

import json
import sys
import time

from .app import run
from .sensors import open_sensor
from .sensors.registers import clear_bus

_PAUSE = 2000  # ms between two tries to find the sensor
_I2C_TIMEOUT = 5000  # us that a chip may hold the clock
_NO_PINS = "MicroPython on a computer has no pins for a sensor; take the simulator"


def start(place):
    """Run for ever what stands in the directory `place`; a sensor that does not answer is waited for."""
    settings = settings_of(place)
    while True:
        try:
            source = open_source(settings)
            break
        except OSError as error:
            print("offbeat waits for its sensor:", error)
            time.sleep_ms(_PAUSE)
    run(source, place + "/model.beat", settings["board"], unique_of(settings), **_keywords(settings["run"]))


def _keywords(options):
    """Keywords of app.run; an alarm pin that has a name becomes a machine.Pin, a button to ground a function."""
    if sys.platform != "linux" and isinstance(options.get("alarm_pin"), str):
        from machine import Pin  # type: ignore[attr-defined]

        options["alarm_pin"] = Pin(options["alarm_pin"], Pin.OUT)
    if sys.platform != "linux" and options.get("button") is not None:
        from machine import Pin  # type: ignore[attr-defined]

        button = Pin(options["button"], Pin.IN, Pin.PULL_UP)
        options["button"] = lambda: not button()
    return options


def settings_of(place):
    """What settings.json in the directory `place` says."""
    with open(place + "/settings.json") as file:
        return json.load(file)


def unique_of(settings):
    """The board's unique id, in hexadecimal digits; of a virtual board what the settings say."""
    if settings["unique"]:
        return settings["unique"]
    from machine import unique_id  # type: ignore[attr-defined]

    return "".join("%02x" % byte for byte in unique_id())


def open_source(settings):
    """The sensor that the settings name. Raises OSError where it does not answer, ValueError for wrong settings."""
    bus, options = settings["bus"], settings["options"]
    name, kind = settings["sensor"], bus["kind"]
    if kind == "i2c":
        return open_sensor(name, _i2c(bus), **options)
    if kind == "spi":
        spi, select = _spi(bus)
        return open_sensor(name, spi, select=select, **options)
    if kind == "analogue":
        return open_sensor(name, _inputs(bus["pins"]), timer=_timer(), **options)
    if name == "stream":
        with open(options["about"]) as file:
            return open_sensor(name, options["path"], json.load(file))
    if name == "simulator" and sys.platform == "rp2":
        import rp2  # type: ignore[import-not-found]

        return open_sensor(name, switch=rp2.bootsel_button, **options)
    return open_sensor(name, **options)


def _i2c(bus):
    if sys.platform == "linux":
        raise ValueError(_NO_PINS)
    from machine import I2C, Pin  # type: ignore[attr-defined]

    scl, sda = bus["scl"], bus["sda"]
    clear_bus(Pin(scl, Pin.OPEN_DRAIN, Pin.PULL_UP), Pin(sda, Pin.OPEN_DRAIN, Pin.PULL_UP), time.sleep_us)
    if not bus["chosen"]:
        return I2C(bus["id"], freq=400000, timeout=_I2C_TIMEOUT)
    return I2C(bus["id"], scl=Pin(scl), sda=Pin(sda), freq=400000, timeout=_I2C_TIMEOUT)


def _spi(bus):
    if sys.platform == "linux":
        raise ValueError(_NO_PINS)
    from machine import SPI, Pin  # type: ignore[attr-defined]

    select = Pin(bus["select"], Pin.OUT, value=1)
    if not bus["chosen"]:
        return SPI(bus["id"], baudrate=5000000, polarity=1, phase=1), select
    sck, mosi, miso = Pin(bus["sck"]), Pin(bus["mosi"]), Pin(bus["miso"])
    return SPI(bus["id"], baudrate=5000000, polarity=1, phase=1, sck=sck, mosi=mosi, miso=miso), select


def _inputs(pins):
    if sys.platform == "linux":
        raise ValueError(_NO_PINS)
    from machine import ADC, Pin  # type: ignore[attr-defined]

    if sys.platform == "esp32":  # without attenuation its range ends at about 1 V
        return [ADC(Pin(pin), atten=ADC.ATTN_11DB) for pin in pins]
    return [ADC(Pin(pin)) for pin in pins]


def _timer():
    if sys.platform == "linux":
        raise ValueError(_NO_PINS)
    from machine import Timer  # type: ignore[attr-defined]

    return Timer(0 if sys.platform == "esp32" else -1)
