"""Tries what `offbeat deploy` has copied, before the board is told to start it: memory, sensor, golden windows."""

import gc

from .app import App, load
from .commands import self_test
from .detector import Detector
from .fit import misfit
from .kernels import VIPER
from .start import open_source, settings_of, unique_of


def trial(place):
    """Everything but the main loop of what stands in the directory `place`; returns what was found.

    model: why there is none, empty where it loads; sensor: why it cannot be opened; misfit: see fit.misfit; passed,
    of: golden windows that the board scores as they should be; memory: what did not fit the heap; free: bytes of
    the heap that are left; viper: kernels are machine code.
    """
    found = {"model": "", "sensor": "", "misfit": "", "passed": 0, "of": 0, "memory": "", "free": 0, "viper": VIPER}
    gc.collect()
    step = "the model"
    try:
        model, found["model"] = load(place + "/model.beat")
        step = "the sensor's driver"
        settings = settings_of(place)
        try:
            source = open_source(settings)
        except (OSError, ValueError) as error:
            found["sensor"] = str(error) or repr(error)
            return found
        step = "the detector"
        evidence = settings["run"].get("evidence")
        app = App(source, model, _nowhere, settings["board"], unique_of(settings), found["model"], evidence=evidence)
        if app.detector is None:
            found["misfit"] = misfit(model, source) if model else ""
            return found
        step = "the self-test"
        found["passed"], found["of"] = self_test(Detector(model) if app.detector.stateful else app.detector)
        gc.collect()
        found["free"] = gc.mem_free()
    except MemoryError:
        found["memory"] = step
    return found


def _nowhere(line):
    return len(line)
