"""Run by MicroPython: argv is what to do, where the package or module is, and the model file.

speed: a window is scored as often as the last argument says; full, small: bytes of heap in use before the import, after
it, and what fifty windows take.
"""

import gc
import sys
from array import array


def frames_of(model):
    count = (model.window + model.hop) * model.channels
    return array("h", (((i * 7919) ^ (i * i * 31)) % 2000 - 1000 for i in range(count)))


def speed(turns):
    """Score a window so often; the host takes the time of the processor."""
    from offbeat import modelfile
    from offbeat.detector import Detector
    from offbeat.kernels import VIPER

    model = modelfile.load(sys.argv[3])
    detector = Detector(model)
    frames = frames_of(model)
    for _ in range(turns):
        detector.measure(frames, 0, model.window)
    print(int(VIPER), detector.score)


def score(detector, ring, frame, windows):
    done = 0
    count = 0
    while done < windows:
        for i in range(ring.channels):
            frame[i] = (count * 7919 + i * 31) % 2000 - 1000
        count = (count + 1) & 0xFFFF
        if ring.push(frame):
            detector.window(ring)
            done += 1


def heap():
    gc.collect()
    before = gc.mem_alloc()
    if sys.argv[1] == "full":
        from offbeat import modelfile
        from offbeat.app import App
        from offbeat.sensors.simulator import Simulator

        source = Simulator(50)
        source.sensor = ""  # any
        app = App(source, modelfile.load(sys.argv[3]), lambda data, length: length)
        if app.detector is None:
            raise ValueError("the model does not fit the simulator")
        detector, ring = app.detector, app.ring
    else:
        from offbeat_model import Detector, Ring, model

        detector, ring = Detector(model), Ring(model.channels, model.window, model.hop)
    frame = array("h", [0] * ring.channels)
    score(detector, ring, frame, 5)
    gc.collect()
    after = gc.mem_alloc()
    gc.disable()
    score(detector, ring, frame, 50)
    print(before, after, gc.mem_alloc() - after)


sys.path.insert(0, sys.argv[2])
if sys.argv[1] == "speed":
    speed(int(sys.argv[4]))
else:
    heap()
