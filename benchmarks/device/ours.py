"""offbeat's own C, as `offbeat profile` measures it: every number of it compared with NumPy's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib.util import find_spec

from offbeat.device.modelfile import parse
from offbeat.train.families import Family
from offbeat.train.families.forest import Forest
from offbeat.train.profile import MCUS, Emulator, Firmware, Mcu, build_firmware, build_program, compiler, measure
from offbeat.train.profile.firmware import inputs_of
from offbeat.train.profile.instructions import Kinds

from . import forest_code
from .build import PLAIN_M4, compile_with, compilers
from .rows import OURS, OURS_PAIR, OURS_PLAIN, Row
from .svm_code import VECTORS
from .workloads import data, fitted, model_file, spectrum_model

__all__ = ["families", "rows", "works"]

_ENTRIES = ("driver_init", "driver_features", "driver_score", "driver_decide", "driver_contribution")
_AROUND = {"offbeat_score"}  # standardizes and takes the baseline off, before the family's own work
_SINE_WORDS = 33  # of a window of 128


@cache
def _family(work: str) -> Family:
    return families()[work]()


def families() -> dict[str, Callable[[], Family]]:
    """The families to be measured, by their work's name."""
    return {
        "gaussian": lambda: fitted("gaussian"),
        "autoencoder": lambda: fitted("autoencoder", hidden=(16, 8, 16)),
        "mixture of 4, diag": lambda: fitted("mixture", components=4, covariance="diag"),
        "mixture of 4, full": lambda: fitted("mixture", components=4, covariance="full"),
        "forest of 20": forest_code.ours,
        "k-means 8 x 24": lambda: fitted("kmeans", clusters=8),
        f"one-class SVM, {VECTORS}": lambda: fitted("prototypes", mode="kernel", prototypes=VECTORS),
    }


def _mcus(name: str) -> list[tuple[str, Mcu]]:
    """The core, and the M4 once more without its dual products."""
    plain = [(OURS_PLAIN, PLAIN_M4)] if name == "cortex-m4" else []
    return [(OURS, MCUS[name]), *plain]


def _bytes_of(firmware: Firmware, called: Collection[str]) -> int:
    return sum(function.size for function in firmware.functions if function.name in called)


def _all(functions: Mapping[str, Kinds]) -> Kinds:
    whole = Kinds()
    for kinds in functions.values():
        whole.add(kinds)
    return whole


def _alone(model: bytes, firmware: Firmware) -> dict[str, Kinds]:
    """Instructions by function of the family's score, of the test window that takes the most."""
    emulator, known = Emulator(firmware), data()
    emulator.call("driver_init")
    found: list[dict[str, Kinds]] = []
    for window in known.test:
        emulator.write("driver_frames", window)
        emulator.call("driver_features")
        emulator.take_count()
        emulator.call("driver_score")
        functions = emulator.take_count().functions
        found.append({name: kinds for name, kinds in functions.items() if name not in _AROUND})
    return max(found, key=lambda functions: _all(functions).instructions)


def _of_model(work: str, who: str, core: str, model: bytes, firmware: Firmware) -> list[Row]:
    """The family alone and, of the two that the levels name, the window with it."""
    parsed, found = parse(model), []
    alone = _alone(model, firmware)
    size, kinds = _bytes_of(firmware, alone) + len(parsed.parameters), _all(alone)
    found.append(Row(work, who, core, kinds.instructions, size, None, compiler(), kinds=kinds))
    if work in ("gaussian", "autoencoder", "k-means 8 x 24"):
        found.append(_window(work, who, core, model, firmware))
    return found


def _window(work: str, who: str, core: str, model: bytes, firmware: Firmware) -> Row:
    whole = measure(model, firmware, data().test)
    flash, ram, largest = whole.flash + whole.helpers, whole.ram + whole.stack, whole.largest
    return Row(f"window, {work}", who, core, largest.total, flash, ram, compiler(), kinds=largest.kinds)


def _pair(work: str, core: str, model: bytes) -> Row:
    """The same window as one pair of files, with only the code that the model needs."""
    files = inputs_of(model, single_file=True)
    files.pop("layout.ld")
    return _window(work, OURS_PAIR, core, model, build_program(files, MCUS[core], _ENTRIES))


def _inline(model: bytes, family: Forest, core: str) -> Row:
    """The forest's trees as code, where the exporter knows how to write them."""
    name, work = f"{OURS}, if-else", "forest of 20"
    if find_spec("offbeat.train.export.forest_inline") is None:
        return Row(work, name, core, failure="this version of offbeat exports a forest as a table only")
    from offbeat.train.export.forest_inline import inlined

    files = inputs_of(model)
    files["offbeat_forest.c"] = inlined(files["offbeat_forest.c"], family)
    files.pop("layout.ld")
    rows = []
    for tool in compilers():
        firmware = compile_with(tool, files, core, _ENTRIES)
        measure(model, firmware, data().test)
        alone = _alone(model, firmware)
        kinds = _all(alone)
        rows.append(Row(work, name, core, kinds.instructions, _bytes_of(firmware, alone), None, tool, kinds=kinds))
    return min(rows, key=lambda row: row.instructions)


def _spectrum(who: str, core: str, mcu: Mcu) -> Row:
    model = spectrum_model()
    firmware = build_firmware(model, mcu)
    whole = measure(model, firmware, data().test[:, :, :1])
    spectrum = {
        n: t for n, t in whole.largest.functions.items() if n == "offbeat_spectrum" or n.startswith("spectrum: ")
    }
    counted = Counter(spectrum)
    tables = 2 * _SINE_WORDS
    return Row(
        "real FFT of 128, power", who, core, counted.total(), _bytes_of(firmware, counted) + tables, None, compiler()
    )


def rows(core: str, report: Callable[[str], None]) -> list[Row]:
    """offbeat at every piece of work on a core."""
    found: list[Row] = []
    for work in families():
        report(f"{OURS}: {work}, {core}")
        family = _family(work)
        model = model_file(family)
        for who, mcu in _mcus(core):
            name = f"{who}, table" if isinstance(family, Forest) else who
            found += _of_model(work, name, core, model, build_firmware(model, mcu))
        if isinstance(family, Forest):
            found.append(_inline(model, family, core))
        if work in ("gaussian", "autoencoder"):
            found.append(_pair(work, core, model))
    return found + [_spectrum(who, core, mcu) for who, mcu in _mcus(core)]


def works() -> list[str]:
    """Every piece of work in the order of the results."""
    alone = list(families())
    whole = ["window, gaussian", "window, autoencoder", "window, k-means 8 x 24"]
    return [*whole, *alone, "real FFT of 128, power"]
