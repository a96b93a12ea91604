"""Runs under MicroPython: reads requests on stdin, answers on stdout, until stdin ends. Its host is board.py.

A request is two little-endian words, the lengths of name and payload, then both; an answer is a byte, 1 for
a traceback instead of one, its length and its bytes. The name is that of a function in REQUESTS.
"""

import gc
import io
import json
import struct
import sys
from array import array

from offbeat import app as app_module
from offbeat import commands, features, kernels, learn_session, lines, link, modelfile, outputs, tables
from offbeat.adaptation import Adaptation, adapted, restored
from offbeat.commissioning import STAGES, Plan, replay
from offbeat.detector import Detector, Ring
from offbeat.examination import Examination
from offbeat.journal import open_journal
from offbeat.sensors import Source


def items(data):
    """Split a list that board.packed() made."""
    found = []
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def packed(found):
    return b"".join(struct.pack("<I", len(item)) + item for item in found)


def which_kernels(_):
    """Flag, modules, and a behaviour that only machine code has: it keeps a word of a longer integer."""
    own = sys.modules.get("offbeat.kernels_viper" if kernels.VIPER else "offbeat.kernels_bytecode")
    return json.dumps({
        "flag": kernels.VIPER,
        "viper_module": "offbeat.kernels_viper" in sys.modules,
        "bytecode_module": "offbeat.kernels_bytecode" in sys.modules,
        "in_use": features.log2_q10 is own.log2_q10 and features.standardize is own.standardize,
        "keeps_a_word": kernels.log2_q10(1 << 70, tables.LOG2) == 0,
    })  # fmt: skip


detector = None


def load(data):
    global detector
    try:
        detector = Detector(modelfile.parse(data))
    except modelfile.ModelError as error:
        return str(error)
    return b""


def measure(data):
    first, capacity = struct.unpack_from("<HH", data, 0)
    detector.reset()
    score = detector.measure(array("h", data[4:]), first, capacity)
    count = detector.features.count
    vector = detector.features.vector
    found = bytes(detector.features.values) + bytes(array("h", [vector[j] for j in range(count)]))
    scorer = detector.scorer
    scorer.explain(vector)
    parts = array("i", [scorer.contribution(vector, j) for j in range(count)])
    return found + struct.pack("<i", score) + bytes(parts)


def examine(data):
    """Of a ring of frames what is found in the windows that begin at some places: [model, limits and capacity, ring,
    places]; a byte each."""
    model, about, ring, places = items(data)
    low, high, capacity = struct.unpack("<hhH", about)
    model = modelfile.parse(model)
    looking = Examination(model, ((low, high),) * model.channels)
    ring = array("h", ring)
    return bytes(looking.of(ring, first, capacity) & 255 for first in array("H", places))


def run(data):
    counts = array("h", data)
    model = detector.model
    fresh = Detector(model)
    ring = Ring(model.channels, model.window, model.hop)
    frame = array("h", [0] * model.channels)
    indices, values = array("h", [0] * 3), array("i", [0] * 3)
    verdicts = []
    for at in range(0, len(counts), model.channels):
        for i in range(model.channels):
            frame[i] = counts[at + i]
        if ring.push(frame):
            started = fresh.window(ring) and fresh.decision.alarm
            found = fresh.reasons(3, indices, values) if started else 0
            why = [(indices[i], values[i]) for i in range(found)]
            verdicts.append((fresh.score, int(fresh.decision.alarm), why))
    return json.dumps(verdicts)


def parse_models(data):
    """For each file "ok", or the kind of exception and its text."""
    answers = []
    for file in items(data):
        try:
            modelfile.parse(file)
            answers.append(b"ok")
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}".encode())
    return packed(answers)


def parse_lines(data):
    """For each line a JSON: null, the reason of a LineError, or [kind, sequence, fields]."""
    answers = []
    for line in items(data):
        try:
            answers.append(json.dumps(link.parse(line)).encode())
        except link.LineError as error:
            answers.append(json.dumps(error.reason).encode())
    return packed(answers)


def quote(data):
    return packed([link.quote(text.decode()).encode() for text in items(data)])


def unquote(data):
    """For each text its meaning after "=", or the reason of a LineError."""
    answers = []
    for text in items(data):
        try:
            answers.append(b"=" + link.unquote(text.decode()).encode())
        except link.LineError as error:
            answers.append(error.reason.encode())
    return packed(answers)


def encode(data):
    found = []
    for text in items(data):
        kind, sequence, fields = json.loads(text)
        found.append(link.encode(kind, sequence, fields))
    return packed(found)


class Collected:
    """Where a board's lines go; `data` is taken by the next answer."""

    def __init__(self):
        self.data = b""

    def write(self, buffer, length):
        self.data += bytes(buffer[:length])

    def take(self):
        taken, self.data = self.data, b""
        return taken


def write_lines(data):
    """Lines as LineWriter makes them of JSON [sequence, kind, [[method, key, value], ...]] each."""
    found = []
    for text in items(data):
        sequence, kind, fields = json.loads(text)
        output = Collected()
        writer = lines.LineWriter(output.write)
        writer.sequence = sequence
        writer.begin(f"~{kind} ".encode())
        for method, key, value in fields:
            if method == "text":
                value = value.encode()
            getattr(writer, method)(key.encode(), value)
        writer.end()
        found.append(output.data)
    return packed(found)


class Clock:
    """Takes the place of the module `time` in app and commands; stands still until it is moved."""

    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now & 0x3FFFFFFF

    def ticks_us(self):
        return 1000 * self.now & 0x3FFFFFFF

    def ticks_add(self, ticks, difference):
        return (ticks + difference) & 0x3FFFFFFF

    def ticks_diff(self, ticks, before):
        return ((ticks - before + 0x20000000) & 0x3FFFFFFF) - 0x20000000


class MadeUp(Source):
    """A source of noise, now and then louder; `available` frames are there to be taken. Of `shown` frames that a test
    wants to be seen the next ones are taken first: (counts, flags, frames lost before it) each."""

    def __init__(self, channels, rate_millihertz, loud_every=0, spoilt_every=0):
        Source.__init__(self, rate_millihertz)
        self.channels = tuple(f"c{i}" for i in range(channels))
        self.units = ("g",) * channels
        self.scales = ("0.001",) * channels
        self.limits = ((-2048, 2047),) * channels
        self.sensor = "made up"
        self.shown = []
        self.available = 0
        self.taken = 0
        self._loud_every = loud_every
        self._spoilt_every = spoilt_every
        self._state = 1

    def read_into(self, frame):
        if not self.available:
            return False
        self.available -= 1
        self.taken += 1
        if self.shown:
            counts, flags, lost = self.shown.pop(0)
            self.flags |= flags
            self.lost += lost
            for i in range(len(frame)):
                frame[i] = counts[i]
            return True
        if self._spoilt_every and self._spoil(frame):
            return True
        loud = self._loud_every and (self.taken // self._loud_every) & 1
        for i in range(len(frame)):
            self._state = (self._state * 8121 + 28411) % 134456  # Press et al., Numerical Recipes: a small generator
            frame[i] = (self._state & 0x7FF) - 1024 if loud else (self._state & 0x3F) - 32
        return True

    def _spoil(self, frame):
        """Lose samples, fail or come late now and then; True where the channels stand still, at an end or elsewhere."""
        turn, at = self.taken // self._spoilt_every, self.taken % self._spoilt_every
        if at == 0:
            self.flags |= 1 << turn % 4
            self.lost += 1
        if turn & 1 or at > 50:
            return False
        for i in range(len(frame)):
            frame[i] = 2047 if turn & 2 else 5
        return True


class Pin:
    """As machine.Pin; `levels` are those it has had."""

    def __init__(self):
        self.levels = []

    def value(self, level):
        self.levels.append(level)


class Board:
    """The App under test, its source, clock and output."""

    def __init__(
        self, model, channels=1, rate_millihertz=1000000, journal=None, watchdog=None, alarm_level=None, **more
    ):
        self.clock = app_module.time = commands.time = outputs.time = learn_session.time = Clock()
        self.source = MadeUp(channels, rate_millihertz)
        self.output = Collected()
        parsed = modelfile.parse(model) if model else None
        kept = open_journal(journal, "0001", "made up") if journal else None
        self.pin = Pin()
        pin = None if alarm_level is None else outputs.AlarmPin(self.pin, alarm_level)
        self.app = app_module.App(
            self.source, parsed, self.output.write, "test board", "0001", journal=kept, alarm_pin=pin, **more
        )
        self.fed = 0
        if watchdog is not None:  # ms, 0: as long as the model needs
            self.app.guard(outputs.Watchdog(self, watchdog))
        self.app.start()

    def feed(self):
        """As machine.WDT."""
        self.fed += 1


board = None


def make_app(data):
    """A board with [model, JSON arguments of Board]."""
    global board
    model, about = items(data)
    board = Board(model, **json.loads(about))
    return packed([board.output.take()])


def feed(data):
    for byte in data:
        board.app.listener.feed(byte)
    return board.output.take()


def show(data):
    """Frames to be seen next, JSON [[counts], flags, lost] each."""
    board.source.shown += json.loads(data)
    return b""


def set_flags(data):
    """Flags of the source, without a frame."""
    (board.source.flags,) = struct.unpack("<I", data)
    return b""


def step(data):
    (board.source.available,) = struct.unpack("<I", data)
    while board.source.available:
        board.app.step()
    board.app.step()
    return board.output.take()


def advance(data):
    (milliseconds,) = struct.unpack("<I", data)
    board.clock.now += milliseconds
    return b""


def state(_):
    app = board.app
    return json.dumps({
        "bad": app.listener.bad,
        "windows": app.windows,
        "mode": app.mode_name().decode(),
        "taken": app.sampler.taken,
    })  # fmt: skip


def wiring(_):
    """What the alarm pin and the watchdog have seen."""
    return json.dumps({"levels": board.pin.levels, "fed": board.fed})


class Counted:
    """Counts what the board writes, and keeps nothing of it."""

    def __init__(self):
        self.lines = 0
        self.alarms = 0
        self.health = 0
        self.fed = 0

    def feed(self):
        self.fed += 1

    def write(self, buffer, length):
        self.lines += 1
        if buffer[1] == 65:  # ALARM
            self.alarms += 1
        elif buffer[1] == 72:  # HEALTH
            self.health += 1


class CountedPin:
    def value(self, level):
        pass


def soak(data):
    """Windows through App.step without garbage collection: [model, JSON of windows, channels, loud_every, spoilt_every,
    journal], with evidence, alarm pin and watchdog, and a line of health each tenth.

    Answers with the heap in use after each tenth of the windows, on the real clock. What a journal notes is thrown
    away instead of written, for that may allocate.
    """
    import time

    app_module.time = commands.time = outputs.time = time
    model, about = items(data)
    about = json.loads(about)
    source = MadeUp(about["channels"], about["rate_millihertz"], about["loud_every"], about["spoilt_every"])
    output = Counted()
    journal = open_journal(about["journal"], "0001") if about["journal"] else None
    pin = outputs.AlarmPin(CountedPin())
    app = app_module.App(
        source, modelfile.parse(model), output.write, "test board", "0001", journal=journal, evidence=2, alarm_pin=pin
    )  # fmt: skip
    app.guard(outputs.Watchdog(output, 30000))
    app.start()
    noted = 0

    def forget(uptime):
        nonlocal noted
        noted += journal.events.waiting
        journal.events._length = journal.events.waiting = 0

    if journal:
        journal.step = forget
    in_use = array("i", [0] * 11)
    source.available = 1 << 29
    gc.collect()
    gc.disable()
    tenth = about["windows"] // 10
    for i in range(11):
        while app.windows < i * tenth:
            app.step()
        app.health(-1)
        in_use[i] = gc.mem_alloc()
    gc.enable()
    return json.dumps({
        "in_use": list(in_use), "windows": app.windows, "lines": output.lines, "alarms": output.alarms,
        "lost": app.ring.lost, "noted": noted, "reasons": list(app.reasons), "kept": len(app.evidence.kept()),
        "raised": app.evidence.raised, "fed": output.fed, "health": output.health,
        "summed": journal.minute.count if journal else 0,
    })  # fmt: skip


class Described:
    """What Plan wants of a source."""

    def __init__(self, about):
        for key in ("channels", "units", "scales"):
            setattr(self, key, tuple(about[key]))
        self.sensor = about["sensor"]
        self.rate_millihertz = about["rate_millihertz"]


def learn(data):
    """A model from recorded frames: [JSON of source, plan and between, frames]; [stage, why, model file]."""
    about, frames = items(data)
    about = json.loads(about)
    run = replay(Plan(Described(about["source"]), **about["plan"]), array("h", frames), about["between"])
    return packed([STAGES[run.stage].encode(), run.why.encode(), run.model])


def follow(data):
    """Windows scored with adaptation: [model, JSON of period and follows, frames].

    Answers with JSON of [changed, alarm, score, drift] of each look, the adapted file, and what outlives a restart.
    """
    file, about, frames = items(data)
    model = modelfile.parse(file)
    adaptation = Adaptation(model, **json.loads(about))
    ring = Ring(model.channels, model.window, model.hop)
    frames = array("h", frames)
    frame = array("h", [0] * model.channels)
    commits = []
    for at in range(0, len(frames), model.channels):
        for i in range(model.channels):
            frame[i] = frames[at + i]
        if ring.push(frame):
            adaptation.detector.window(ring)
            adaptation.window()
            if adaptation.due:
                changed = adaptation.commit()
                commits.append([changed, adaptation.alarm, adaptation.score, list(adaptation.drift)])
    saved = adaptation.saved()
    again = restored(model, saved)
    assert again is not None and list(again.drift) == list(adaptation.drift) and again.alarm == adaptation.alarm
    return packed([json.dumps(commits).encode(), adapted(file, adaptation.drift), saved])


def drift(data):
    """Let the board have followed so far: JSON, 1/128 standard deviations a feature; it looks at its next turn."""
    adaptation = board.app.adaptation
    for j, moved in enumerate(json.loads(data)):
        adaptation._following[j] = 256 * moved
    adaptation.due = True
    return b""


def soak_following(data):
    """Bytes of heap that windows with adaptation take: [model, JSON of windows]."""
    file, about = items(data)
    model = modelfile.parse(file)
    adaptation = Adaptation(model, period=1 << 20)
    source = MadeUp(model.channels, 1000000)
    source.available = 1 << 29
    ring = Ring(model.channels, model.window, model.hop)
    frame = array("h", [0] * model.channels)
    left = json.loads(about)["windows"]
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    while left:
        source.read_into(frame)
        if ring.push(frame):
            adaptation.detector.window(ring)
            adaptation.window()
            left -= 1
    grown = gc.mem_alloc() - before
    gc.enable()
    return json.dumps(grown)


def soak_learning(data):
    """Frames through App.step while it learns: JSON of channels, seconds, features.

    Answers with windows and bytes of heap that each period took.
    """
    import time

    app_module.time = commands.time = learn_session.time = time
    about = json.loads(data)
    source = MadeUp(about["channels"], 1000000)
    app = app_module.App(source, None, Counted().write, "test board", "0001")
    app.start()
    assert app.learn("", seconds=about["seconds"], features=about["features"]) == ""
    found = []
    source.available = 1 << 29
    run = app.learning.run
    for stage in (0, 2):
        while run.stage != stage:
            app.step()
        for _ in range(4):
            app.step()
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        at = run.windows
        while run.stage == stage and run.windows < run.plan.windows - 200:
            app.step()
        found.append((run.windows - at, gc.mem_alloc() - before))
        gc.enable()
        gc.collect()
    return json.dumps(found)


REQUESTS = {
    "kernels": which_kernels,
    "load": load,
    "measure": measure,
    "run": run,
    "examine": examine,
    "parse_models": parse_models,
    "parse_lines": parse_lines,
    "quote": quote,
    "unquote": unquote,
    "encode": encode,
    "write_lines": write_lines,
    "app": make_app,
    "feed": feed,
    "step": step,
    "show": show,
    "set_flags": set_flags,
    "advance": advance,
    "state": state,
    "wiring": wiring,
    "soak": soak,
    "drift": drift,
    "follow": follow,
    "learn": learn,
    "soak_following": soak_following,
    "soak_learning": soak_learning,
}


def main():
    given, taken = sys.stdin.buffer, sys.stdout.buffer
    while True:
        head = given.read(8)
        if len(head) < 8:
            return
        name, payload = struct.unpack("<II", head)
        name = given.read(name).decode()
        failed = 0
        try:
            answer = REQUESTS[name](given.read(payload))
        except Exception as error:
            text = io.StringIO()
            sys.print_exception(error, text)
            answer, failed = text.getvalue(), 1
        if isinstance(answer, str):
            answer = answer.encode()
        taken.write(struct.pack("<BI", failed, len(answer)))
        taken.write(answer)


main()
