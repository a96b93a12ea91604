"""`offbeat profile`: what a model takes of a microcontroller, measured before one is flashed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offbeat.train.errors import InputError

from .options import Json
from .output import print_json, progress, say, table

if TYPE_CHECKING:
    from offbeat.host.profile import BoardTimes
    from offbeat.train.profile import Fit, Measurement

__all__ = ["command"]

EXAMPLE = "offbeat profile models/fan --mcu cortex-m0,cortex-m4 --clock 48"
NEEDS_ARGUMENTS = True

_MOST_FUNCTIONS = 10


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Model directory, or a model file.")],
    mcu: Annotated[
        str | None,
        typer.Option(
            help="Cores, comma-separated; by default cortex-m0, -m3, -m4, -m7, -m33 and rv32imc. Also rv32ec."
        ),
    ] = None,
    clock: Annotated[
        float | None, typer.Option(help="Clock in MHz for the time; by default what is usual for each core.")
    ] = None,
    optimize: Annotated[str, typer.Option(help="O2 for speed, Os for size.")] = "O2",
    current: Annotated[
        float | None, typer.Option(help="Current of the running chip in mA, from its datasheet: shows energy.")
    ] = None,
    voltage: Annotated[float | None, typer.Option(help="Supply voltage in V that this current is for.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Save a plot here: .png, .svg or .pdf.")] = None,
    port: Annotated[
        str | None, typer.Option("--port", "-p", help="Time the same model on the board at this serial port, too.")
    ] = None,
    json: Json = False,
) -> None:
    """Compile a model for microcontrollers, run it on emulated ones, and count: flash, RAM, stack, instructions.

    Counts are exact and the same on every computer; time is estimated from the core's manual. Each feature, score and
    decision is compared with NumPy's on the way. Needs no board and no system package: pip install 'offbeat[profile]'.
    """
    from offbeat.train.modelfile import read_model
    from offbeat.train.profile import OPTIMIZATIONS, advice, fits, mcus_named, measure_on, save_plot

    cores = mcus_named(mcu)
    if optimize not in OPTIMIZATIONS:
        raise InputError(f"--optimize {optimize} is unknown; choose {' or '.join(OPTIMIZATIONS)}")
    if clock is not None and not 0 < clock <= 1e4:
        raise InputError(f"--clock {clock:g} is no clock of a microcontroller; give megahertz, for instance 48")
    watts = _watts(current, voltage)
    parsed = read_model(model)
    data = (model / "model.beat" if model.is_dir() else model).read_bytes()
    with progress(json) as show:
        measured = measure_on(data, cores, optimize, lambda share: show("compile and run", share))
        times = _on_board(model, port, lambda share: show("board", share))
    if plot is not None:
        save_plot(measured, plot, f"{parsed.name or parsed.identity}, -{optimize}")
    boards = fits(parsed, measured)
    if json:
        print_json(_values(parsed, measured, boards, times, clock, watts, optimize))
        return
    _print(measured, clock, watts, optimize)
    _print_functions(measured)
    _print_boards(boards, advice(boards))
    if times is not None:
        _print_times(times)
    if plot is not None:
        say(f"\n{plot}")


def _watts(current: float | None, voltage: float | None) -> float | None:
    if current is None and voltage is None:
        return None
    if current is None or voltage is None:
        raise InputError("energy needs both --current (mA) and --voltage (V), as the chip's datasheet gives them")
    if not (0 < current <= 1e4 and 0 < voltage <= 100):
        raise InputError(f"--current {current:g} mA at --voltage {voltage:g} V is no microcontroller; check the units")
    return current / 1000 * voltage


def _on_board(model: Path, port: str | None, show: Any) -> BoardTimes | None:
    from offbeat.host.profile import time_on_board

    return None if port is None else time_on_board(model, port, show)


def _clock(measurement: Measurement, clock: float | None) -> float:
    return measurement.firmware.mcu.clock if clock is None else clock * 1e6


def _values(
    model: Any, measured: Sequence[Measurement], boards: Sequence[Fit], times: BoardTimes | None,
    clock: float | None, watts: float | None, optimize: str,
) -> dict[str, Any]:  # fmt: skip
    from offbeat.train.profile import ASSUMPTION, compiler, emulator

    mcus = []
    for measurement in measured:
        low, high = measurement.seconds(_clock(measurement, clock))
        values = {**measurement.as_dict(), "clock": _clock(measurement, clock), "seconds_estimated": [low, high]}
        mcus.append(values if watts is None else {**values, "joules_estimated": [low * watts, high * watts]})
    return {
        "mcus": mcus,
        "model": model.identity,
        "compiler": f"{compiler()} -{optimize}",
        "emulator": emulator(),
        "assumption": ASSUMPTION,
        "boards": [fit.as_dict() for fit in boards],
        **({} if times is None else {"board": times.as_dict()}),
    }


def _print(measured: Sequence[Measurement], clock: float | None, watts: float | None, optimize: str) -> None:
    from offbeat.train.profile import ASSUMPTION, compiler, emulator

    columns = ["core", "flash", "code", "constants", "helpers", "RAM", "stack", "samples", "features", "model", "total",
               "as recorded", "clock", "time"]  # fmt: skip
    rows: list[list[object]] = []
    for measurement in measured:
        speed = _clock(measurement, clock)
        seconds, code = measurement.seconds(speed), measurement.firmware.sections[".text"]
        count, typical = measurement.largest, measurement.typical
        row: list[object] = [
            measurement.firmware.mcu.name, measurement.flash, code, measurement.flash - code, measurement.helpers,
            measurement.ram, measurement.stack, measurement.samples, count.features, count.model, count.total,
            "-" if typical is None else typical.total, f"{speed / 1e6:g} MHz", _range(seconds, 1e3, "ms"),
        ]  # fmt: skip
        rows.append(row if watts is None else [*row, _range((seconds[0] * watts, seconds[1] * watts), 1e6, "uJ")])
    table("", columns if watts is None else [*columns, "energy"], rows)
    windows = measured[0].windows
    say(
        f"\nCompiled by {compiler()} -{optimize}, run by {emulator()}; features, scores, contributions and decisions "
        f"of {windows} windows equal NumPy's on every core. Instructions: of the window that takes the most; as "
        "recorded: of the first golden one. Flash, RAM, stack and samples in bytes; RAM: state and buffers; samples: "
        "the ring of a window and a hop. Helpers: the compiler's own library (division on a Cortex-M0), which other "
        "code of a firmware may need as well; its instructions are in the counts."
    )
    say(ASSUMPTION)
    for source in dict.fromkeys(f"{m.firmware.mcu.name}: {m.firmware.mcu.cycles.source}" for m in measured):
        say(f"  {source}")


def _range(values: tuple[float, float], factor: float, unit: str) -> str:
    low, high = (f"{value * factor:.3g}" for value in values)
    return f"{low} - {high} {unit}" if low != high else f"{low} {unit}"


def _print_functions(measured: Sequence[Measurement]) -> None:
    counts = [measurement.largest.functions for measurement in measured]
    names = list(dict.fromkeys(name for each in counts for name, _ in each.most_common()))
    names.sort(key=lambda name: -max(each[name] for each in counts))
    rows = [(name, *(each[name] or "-" for each in counts)) for name in names[:_MOST_FUNCTIONS]]
    rest = [sum(each[name] for name in names[_MOST_FUNCTIONS:]) for each in counts]
    rows += [("others", *rest)] if len(names) > _MOST_FUNCTIONS else []
    say("")
    table("Instructions of a window, by function", ("function", *(m.firmware.mcu.name for m in measured)), rows)


def _print_boards(boards: Sequence[Fit], sentences: Sequence[str]) -> None:
    measured = [fit for fit in boards if fit.fits is not None]
    rows = [
        (fit.board.name, fit.board.core, "fits" if fit.fits else "too large", f"{fit.share:.1%}", fit.text)
        for fit in measured
    ]
    say(
        "\nBoards, of which half of the flash and RAM is left to the firmware; busy: share of the time between windows."
    )
    if rows:
        table("", ("board", "core", "in half of it", "busy", ""), rows)
    others = [f"{fit.board.name} ({fit.text.split(': ')[-1]})" for fit in boards if fit.fits is None]
    if others:
        say(f"Not measured: {', '.join(others)}.")
    for sentence in sentences:
        say(sentence, style="yellow")


def _print_times(times: BoardTimes) -> None:
    found = times.as_dict()
    spent = found["microseconds"]
    rows = [(name, *(f"{spent[name][key]:g} us" for key in ("least", "median", "most"))) for name in spent]
    kernels = "viper" if times.viper else "bytecode"
    say(f"\nMicroPython on the board at {times.port} ({times.board or 'unnamed'}), {kernels} kernels:")
    table("", ("", "least", "median", "most"), rows)
    say(
        f"{len(times.features)} runs of {times.windows} windows. A window takes {times.taken} bytes of the heap; "
        f"{times.heap_used} bytes are in use, {times.heap_free} free."
    )
