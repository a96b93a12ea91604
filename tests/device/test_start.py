"""The start of a deployed board: buses and pins as each port of MicroPython wants them, sensors that come late.

machine has no real part on a computer, so it is one that notes what is asked of it; the chips behind its buses are
the register-level models of tests/device/sensors.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offbeat.device import app, sensors, start
from offbeat.device.sensors import clock
from offbeat.host.deploy.settings import settings_of
from offbeat.host.project import RUN_KEYWORDS
from offbeat.host.sensors import SENSORS, SensorChoice
from offbeat.train.boards import BOARDS, wired_boards
from tests.device.sensors.bus import Clock, FakeI2C, FakeSPI
from tests.device.sensors.chips.adxl345 import Adxl345
from tests.device.sensors.chips.lis3dh import Lis3dh

PORTS = {"pico": "rp2", "pico2": "rp2", "nucleo-h743zi": "pyboard", "blackpill": "pyboard"}


class Asked(list[tuple[str, tuple[object, ...], dict[str, object]]]):
    """What was asked of machine, in order."""

    def of(self, name: str) -> tuple[tuple[object, ...], dict[str, object]]:
        """The last words to one of its classes."""
        return next((words, options) for asked, words, options in reversed(self) if asked == name)


@pytest.fixture
def real_clock() -> Iterator[None]:
    names = ("ticks_us", "ticks_ms", "ticks_add", "ticks_diff")
    kept = {name: getattr(clock, name) for name in names}
    yield
    for name, function in kept.items():
        setattr(clock, name, function)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, real_clock: None) -> Asked:
    """A module machine whose I2C has a LIS3DH, and whose SPI has an ADXL345."""
    asked = Asked()
    now = Clock()
    spi = FakeSPI(now, Adxl345(now))

    def noting(name: str, result: Any) -> Any:
        def make(*words: object, **options: object) -> Any:
            asked.append((name, words, options))
            return result(*words) if callable(result) else result

        return make

    class Pin:
        OPEN_DRAIN, PULL_UP, OUT = 1, 2, 3

        def __init__(self, name: object, *words: object, **options: object) -> None:
            self.name = name
            asked.append(("Pin", (name, *words), options))

        def __call__(self, *level: int) -> int:
            if level and self.name in (17, 5, "A4"):
                spi.select(level[0])
            return 1

    class Adc:
        ATTN_11DB = 3

        def __init__(self, pin: Pin, **options: object) -> None:
            asked.append(("ADC", (pin.name,), options))

        def read_u16(self) -> int:
            return 32768

    class Timer:
        PERIODIC = 1

        def __init__(self, number: int) -> None:
            asked.append(("Timer", (number,), {}))

        def init(self, **options: object) -> None:
            asked.append(("Timer.init", (), options))

    made = types.ModuleType("machine")
    parts = {
        "Pin": Pin, "ADC": Adc, "Timer": Timer, "I2C": noting("I2C", FakeI2C(now, Lis3dh())),
        "SPI": noting("SPI", spi), "unique_id": lambda: b"\x01\xab",
    }  # fmt: skip
    for name, part in parts.items():
        setattr(made, name, part)
    monkeypatch.setitem(sys.modules, "machine", made)
    monkeypatch.setattr(time, "sleep_us", lambda us: None, raising=False)
    return asked


def opened(monkeypatch: pytest.MonkeyPatch, board: str, choice: SensorChoice) -> Any:
    monkeypatch.setattr(sys, "platform", PORTS.get(board, "esp32"))
    return start.open_source(json.loads(json.dumps(settings_of(board, choice, {}))))


def pin_names(options: dict[str, Any]) -> dict[str, object]:
    return {name: value.name for name, value in options.items() if hasattr(value, "name")}


@pytest.mark.parametrize("board", wired_boards())
def test_i2c_on_every_board(machine: Asked, monkeypatch: pytest.MonkeyPatch, board: str) -> None:
    source = opened(monkeypatch, board, SensorChoice("lis3dh", {"rate": 100, "range_g": 4}))
    assert (source.rate_millihertz, source.scales[0]) == (100000, "0.002")
    wiring = BOARDS[board].wiring
    assert wiring is not None
    words, options = machine.of("I2C")
    assert words == (wiring.i2c,) and options["timeout"] == 5000 and options["freq"] == 400000
    chosen = {"sda": wiring.sda.name, "scl": wiring.scl.name} if wiring.chosen else {}
    assert pin_names(options) == chosen
    # the bus is freed before, on the very pins
    assert [asked[1][0] for asked in machine[:2]] == [wiring.scl.name, wiring.sda.name]


@pytest.mark.parametrize("board", ["pico", "esp32", "nucleo-h743zi"])
def test_spi(machine: Asked, monkeypatch: pytest.MonkeyPatch, board: str) -> None:
    source = opened(monkeypatch, board, SensorChoice("adxl345", {"rate": 3200}, bus="spi"))
    assert source.rate_millihertz == 3200000
    words, options = machine.of("SPI")
    wiring = BOARDS[board].wiring
    assert wiring is not None and words == (wiring.spi,)
    assert (options["polarity"], options["phase"]) == (1, 1)
    assert set(pin_names(options)) == ({"sck", "mosi", "miso"} if wiring.chosen else set())


@pytest.mark.parametrize(("board", "timer", "attenuated"), [("pico", -1, False), ("esp32", 0, True)])
def test_an_analogue_input(
    machine: Asked, monkeypatch: pytest.MonkeyPatch, board: str, timer: int, attenuated: bool
) -> None:
    source = opened(monkeypatch, board, SensorChoice("analogue", {"rate": 1000, "names": ["current"], "unit": "A"}))
    assert source.channels == ("current",)
    words, options = machine.of("ADC")
    wiring = BOARDS[board].wiring
    assert wiring is not None and words == (wiring.analogue.name,)
    assert ("atten" in options) == attenuated
    assert machine.of("Timer")[0] == (timer,)


def test_other_pins(machine: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(monkeypatch, "pico", SensorChoice("lis3dh", pins={"sda": 16, "scl": 17}))
    assert pin_names(machine.of("I2C")[1]) == {"sda": 16, "scl": 17}


def test_the_simulator_of_a_pico_listens_to_its_button(machine: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    rp2 = types.ModuleType("rp2")
    pressed: list[int] = []
    rp2.bootsel_button = lambda: pressed.append(1) or 1  # type: ignore[attr-defined, func-returns-value]
    monkeypatch.setitem(sys.modules, "rp2", rp2)
    source = opened(monkeypatch, "pico", SensorChoice("simulator", {"rate": 200}))
    assert source.rate_millihertz == 200000


def test_a_sensor_that_answers_late_is_waited_for(
    machine: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "rp2")
    settings = settings_of("pico", SensorChoice("lis3dh"), {"journal": None, "alarm_pin": "B1"})
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    real, tries, ran = start.open_source, [], []

    def late(settings: dict[str, Any]) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no LIS3DH answers at I2C address 0x18")
        return real(settings)

    monkeypatch.setattr(start, "open_source", late)
    monkeypatch.setattr(start, "run", lambda *words, **options: ran.append((words, options)))
    monkeypatch.setattr(time, "sleep_ms", lambda ms: None, raising=False)
    start.start(str(tmp_path))
    ((source, path, board, unique), options), *_ = ran
    assert (source.sensor, path, board, unique) == ("LIS3DH", f"{tmp_path}/model.beat", "pico", "01ab")
    assert (options["journal"], options["alarm_pin"].name) == (None, "B1")
    assert capsys.readouterr().out.count("offbeat waits for its sensor: no LIS3DH answers") == 2


def test_a_computer_has_no_pins() -> None:
    with pytest.raises(ValueError, match="has no pins"):
        start.open_source(settings_of("pico", SensorChoice("lis3dh"), {}))


def test_the_hosts_table_of_sensors_is_the_drivers() -> None:
    not_deployed = {"stream", "recorded"}
    assert set(SENSORS) == set(sensors.SENSORS) - not_deployed
    for name, sensor in SENSORS.items():
        driver = sensors.SENSORS[name]()
        assert set(sensor.options) <= set(inspect.signature(driver).parameters), name
        if sensor.part:
            assert sensor.part == driver.sensor


def test_keywords_of_the_main_loop_are_those_that_it_has() -> None:
    assert set(RUN_KEYWORDS) == set(inspect.signature(app.make_app).parameters) - {"source", "path", "board", "unique"}
