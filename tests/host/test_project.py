"""offbeat.toml: what it may say, what is said of what it may not, and which commands start from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from offbeat.host.cli import COMMANDS, application
from offbeat.host.cli.defaults import USES, defaults_of
from offbeat.host.drawing import wiring_drawing
from offbeat.host.project import Project, project_text, read_project, write_project
from offbeat.host.sensors import SENSORS, SensorChoice
from offbeat.train.boards import BOARDS, board_named, recognised, wired_boards
from offbeat.train.errors import InputError

WHOLE = """
[board]
name = "pico"
port = "/dev/ttyACM0"

[sensor]
name = "adxl345"
rate = 800
range_g = 4
bus = "spi"
pins = {select = 13}

[machine]
name = "hall 3, pump"
model = "models/pump"
false_alarms = "1/week"

[run]
journal = false
scores = 10
alarm_pin = "B8"
watchdog = 8000
thermometer = false
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "offbeat.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_it_may_say(tmp_path: Path) -> None:
    project = read_project(written(tmp_path, WHOLE))
    assert project.sensor == SensorChoice("adxl345", {"rate": 800, "range_g": 4}, "spi", {"select": 13})
    assert (project.board, project.port, project.machine) == ("pico", "/dev/ttyACM0", "hall 3, pump")
    assert (project.model, project.false_alarms) == (tmp_path / "models" / "pump", "1/week")
    assert project.run == {
        "journal": None, "scores": 10, "alarm_pin": "B8", "watchdog": 8000, "thermometer": False,
    }  # fmt: skip
    assert read_project(written(tmp_path, "")) == Project(tmp_path / "offbeat.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[board\n", r"this is not TOML: .*line 1"),
        ("[boards]\n", r"a table \[boards\]; offbeat knows \[board\]"),
        ("board = 1\n", r"board is 1; it has to be a table"),
        ("[board]\nname = 'pic0'\n", r"\[board\] name is 'pic0'.*choose .*pico"),
        ("[board]\nbaud = 9600\n", r"\[board\] has no key baud; it has name, port"),
        ("[board]\nport = 1\n", r"\[board\] port is 1; it has to be text"),
        ("[board]\nport = '\x7f'\n", r"not TOML"),
        ("[sensor]\nrate = 400\n", r"\[sensor\] has no name"),
        ("[sensor]\nname = 'lis2'\n", r"no sensor is called lis2; choose lis3dh"),
        ("[sensor]\nname = 'lis3dh'\nrange = 2\n", r"a sensor lis3dh has no range; it has rate, range_g"),
        ("[sensor]\nname = 'lis3dh'\nrate = 'fast'\n", r"rate of a sensor lis3dh is 'fast'; it has to be"),
        ("[sensor]\nname = 'lis3dh'\nrate = true\n", r"rate .* is True"),
        ("[sensor]\nname = 'lis3dh'\nfifo = 1\n", r"fifo .* is 1; it has to be true or false"),
        ("[sensor]\nname = 'lis3dh'\nbus = 'spi'\n", r"bus is 'spi'; a lis3dh takes i2c"),
        ("[sensor]\nname = 'lis3dh'\npins = 4\n", r"pins is 4"),
        ("[board]\nname = 'pico'\n[sensor]\nname = 'lis3dh'\npins = {sdx = 4}\n", r"a pin sdx has no place on i2c"),
        ("[board]\nname = 'pico'\n[sensor]\nname = 'lis3dh'\npins = {sda = 'x'}\n", r"pin sda is 'x'"),
        ("[board]\nname = 'blackpill'\n[sensor]\nname = 'lis3dh'\npins = {sda = 'B7'}\n", r"has sda at B7"),
        ("[machine]\nfalse_alarms = 'never'\n", r"never"),
        ("[run]\njournal = '../x'\n", r"\[run\] journal is '../x'"),
        ("[run]\nwatchdog = 8\n", r"\[run\] watchdog is 8; it has to be a whole number from 1000"),
        ("[run]\nalarm_level = true\n", r"alarm_level is True"),
        ("[run]\nalarm_pin = 'x'\n", r"alarm_pin, button\) is 'x'"),
        ("[run]\nlearn = 1\n", r"learn is 1; it has to be true or false"),
        ("[run]\nthermometer = 1\n", r"thermometer is 1; it can be false"),
        ("[run]\nspeed = 2\n", r"\[run\] has no key speed; it has journal"),
    ],
)  # fmt: skip
def test_what_it_may_not_say(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=says) as raised:
        read_project(path)
    assert str(raised.value).startswith(f"{path}: ") and "\n" not in str(raised.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "offbeat.toml"
    with pytest.raises(InputError, match="No such file"):
        read_project(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_project(path)
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(InputError, match="no settings file"):
        read_project(path)


@pytest.mark.parametrize("sensor", SENSORS)
def test_what_is_written_is_read(tmp_path: Path, sensor: str) -> None:
    bus = SENSORS[sensor].buses[-1]
    project = Project(
        tmp_path / "offbeat.toml", "pico", '/dev/"odd"\\port', SensorChoice(sensor, {"rate": 25}, bus),
        'Lüfter "3" \\ #', tmp_path / "models" / "a b", "2/week",
    )  # fmt: skip
    write_project(project)
    assert read_project(project.path) == project
    before = project.path.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        write_project(project)
    assert project.path.read_bytes() == before
    write_project(project, force=True)


def test_a_file_that_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one line"):
        write_project(Project(tmp_path / "offbeat.toml", "pico", "two\nlines"))
    assert not list(tmp_path.iterdir())


def test_the_text_has_no_value_that_was_not_given() -> None:
    text = project_text(Project(Path("offbeat.toml"), "pico"))
    assert '# port = "/dev/ttyACM0"' in text and "[sensor]" not in text


def test_every_default_is_an_option_that_its_command_has(tmp_path: Path) -> None:
    commands = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
    project = read_project(written(tmp_path, WHOLE.replace("hall 3, pump", "pump")))
    (tmp_path / "models" / "pump").mkdir(parents=True)
    (tmp_path / "models" / "pump" / "model.beat").touch()
    values = defaults_of(project)
    for name, taken in USES.items():
        assert name in COMMANDS
        assert set(taken) <= {parameter.name for parameter in commands[name].params}, name
        assert set(taken.values()) <= set(values), name


def test_boards_that_micropython_names() -> None:
    names = {
        "Raspberry Pi Pico with RP2040": "pico",
        "Raspberry Pi Pico W with RP2040": "pico",
        "Raspberry Pi Pico2 with RP2350": "pico2",
        "Raspberry Pi Pico 2 W with RP2350": "pico2",
        "Generic ESP32 module with ESP32": "esp32",
        "Generic ESP32 module with SPIRAM with ESP32": "esp32",
        "ESP32C3 module with ESP32-C3": "esp32-c3",
        "ESP32C3 module with ESP32C3": "esp32-c3",
        "Generic ESP32S3 module with ESP32S3": "esp32-s3",
        "Generic ESP32S3 module with Octal-SPIRAM with ESP32-S3": "esp32-s3",
        "NUCLEO_H743ZI with STM32H743": "nucleo-h743zi",
        "WEACT_F411_BLACKPILL with STM32F411CE": "blackpill",
    }
    assert {name: getattr(recognised(name), "name", None) for name in names} == names
    for stranger in ("", "Adafruit Feather RP2040 with rp2040", "LOLIN S3 with ESP32-S3", "linux [GCC 14] version"):
        assert recognised(stranger) is None


def test_no_pin_of_a_board_has_two_uses() -> None:
    for name in wired_boards():
        wiring = BOARDS[name].wiring
        assert wiring is not None
        pins = [wiring.sda, wiring.scl, wiring.sck, wiring.mosi, wiring.miso, wiring.select, wiring.analogue]
        assert len({pin.name for pin in pins}) == len({pin.label for pin in pins}) == len(pins), name


@pytest.mark.parametrize("name", wired_boards())
@pytest.mark.parametrize(("sensor", "bus"), [("lis3dh", ""), ("adxl345", "spi"), ("analogue", ""), ("bme280", "")])
def test_a_drawing_joins_every_wire(name: str, sensor: str, bus: str) -> None:
    drawing = wiring_drawing(board_named(name), SensorChoice(sensor, bus=bus))
    lines = drawing.splitlines()
    assert drawing.isascii() and len({len(line) for line in lines}) == 1
    assert sum("|--------|" in line for line in lines) == {"": 4, "spi": 6}[bus] - (sensor == "analogue")


def test_a_drawing_of_pins_of_ones_own() -> None:
    drawing = wiring_drawing(board_named("pico"), SensorChoice("mpu6050", pins={"sda": 16}))
    assert "16  SDA" in drawing and "GP5, pin 7  SCL" in drawing


def test_the_documentations_file_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
    (block,) = text.split("```toml\n")[1:]
    project = read_project(written(tmp_path, block.split("```")[0]))
    assert project.sensor == SensorChoice("lis3dh", {"rate": 400, "range_g": 2}, "", {"sda": 4, "scl": 5})
    assert project.run == {"journal": "journal", "models": "models"}


def test_the_documentations_drawing_is_what_is_drawn() -> None:
    text = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert wiring_drawing(board_named("pico"), SensorChoice("adxl345", bus="spi")) in text
