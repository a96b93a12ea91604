"""What the host may ask of a board: hello, health, recording, validation, self-test, a window's time, the journal,
raw frames around alarms.

Commands come between windows and may use the heap; garbage costs a counter and, at most once a second, a NAK.
"""

import gc
import time
from array import array
from binascii import a2b_base64, b2a_base64

from .announcements import rate_text
from .detector import Detector
from .link import LineError, parse
from .sampling import BYTES_PER_LINE, Recorder

LINE = 250
"""Longest line that the board takes, without the line end."""

_FEATURES_PER_LINE = 24


class Listener:
    """Collects bytes to lines and carries the commands out. `bad` counts lines that were damaged."""

    def __init__(self, app):
        self._app = app
        self._line = bytearray(LINE)
        self._length = 0
        self._overlong = False
        self._last_complaint = time.ticks_add(time.ticks_ms(), -1000)
        self._window = None
        self._bench = None
        self._last_run = -1
        self._spent = 0
        self._model_file = None
        self.bad = 0

    def forget(self):
        """Forget the window that the host sent: it belongs to another model."""
        self._window = self._bench = None
        self._last_run = -1

    def feed(self, byte):
        """Take one byte of input."""
        if byte == 10 or byte == 13:
            if self._overlong:
                self._complain("long")
            elif self._length:
                self._carry_out()
            self._length = 0
            self._overlong = False
        elif self._length < LINE:
            self._line[self._length] = byte
            self._length += 1
        else:
            self._overlong = True

    def _complain(self, why):
        self.bad += 1
        now = time.ticks_ms()
        if time.ticks_diff(now, self._last_complaint) >= 1000:
            self._last_complaint = now
            self._refuse(0, why)

    def _carry_out(self):
        if self._line[0] != 126:
            return
        try:
            kind, sequence, fields = parse(memoryview(self._line)[: self._length])
        except LineError as error:
            self._complain(error.reason)
            return
        command = _COMMANDS.get(kind)
        if command is None:
            self._refuse(sequence, "unknown")
            return
        try:
            command(self, sequence, fields)
        except (KeyError, ValueError):
            self._refuse(sequence, "field")
        except MemoryError:
            gc.collect()
            self._refuse(sequence, "memory")
        except Exception:  # whatever it is: no line ends the main loop, and with it the detection
            self._refuse(sequence, "error")

    def _answer(self, kind, sequence):
        lines = self._app.lines
        lines.begin(kind)
        lines.number(b" re=", sequence)
        return lines

    def _refuse(self, sequence, why):
        lines = self._answer(b"~NAK ", sequence)
        lines.text(b" why=", why.encode())
        lines.end()

    def _hello(self, sequence, fields):
        self._app.hello(sequence)

    def _health(self, sequence, fields):
        self._app.health(sequence)

    def _record(self, sequence, fields):
        app = self._app
        if app.learning is not None:
            self._refuse(sequence, "learn")
            return
        seconds = int(fields["seconds"])
        if not 1 <= seconds <= 86400:
            raise ValueError
        source = app.source
        app.flush_recording()
        lines = self._answer(b"~ACK ", sequence)
        lines.text(b" rate=", rate_text(source).encode())
        lines.number(b" channels=", len(source.channels))
        lines.end()
        frames = (seconds * source.rate_millihertz + 999) // 1000
        app.record(Recorder(app.lines, len(source.channels), frames), seconds)

    def _stop(self, sequence, fields):
        self._app.stop_recording("stopped")
        self._answer(b"~ACK ", sequence).end()

    def _take_window(self, sequence, fields):
        app = self._app
        if app.detector is None:
            self._refuse(sequence, "model")
            return
        data = a2b_base64(fields["d"])
        offset = int(fields["o"])
        size = 2 * app.detector.model.window * app.detector.model.channels
        if offset < 0 or offset & 1 or len(data) & 1 or offset + len(data) > size:
            raise ValueError
        if self._window is None:
            self._window = array("h", [0] * (size // 2))
            # what a stateful model remembers of the live windows is not to be mixed with what the host sends
            self._bench = Detector(app.detector.model) if app.detector.stateful else app.detector
        self._last_run = -1
        words = array("h", data)
        for i in range(len(words)):
            self._window[offset // 2 + i] = words[i]
        lines = self._answer(b"~ACK ", sequence)
        lines.number(b" o=", offset)
        lines.end()

    def _run(self, sequence, fields):
        app = self._app
        number = int(fields["n"])
        if not 0 <= number < 1 << 30:
            raise ValueError
        detector = self._bench
        if detector is None:
            self._refuse(sequence, "model" if app.detector is None else "window")
            return
        # The same number again asks for lines that were lost, not for another score; a detector that it shares with the
        # live windows may have scored one of those meanwhile, and without a memory scores this one as before.
        if number != self._last_run or detector is app.detector:
            if fields.get("reset") == "1":
                detector.reset()
            start = time.ticks_us()
            detector.measure(self._window, 0, detector.model.window)
            self._spent = time.ticks_diff(time.ticks_us(), start)
            self._last_run = number
        score = detector.score
        values = bytes(detector.features.values)
        for first in range(0, detector.features.count, _FEATURES_PER_LINE):
            app.lines.begin(b"~FEATURES ")
            app.lines.number(b" n=", number)
            app.lines.number(b" o=", first)
            part = values[4 * first : 4 * (first + _FEATURES_PER_LINE)]
            app.lines.text(b" d=", b2a_base64(part).strip())
            app.lines.end()
        lines = self._answer(b"~RESULT ", sequence)
        lines.number(b" n=", number)
        lines.number(b" s=", score)
        lines.number(b" us=", self._spent)
        lines.number(b" features=", detector.features.count)
        lines.end()

    def _time_window(self, sequence, fields):
        """Score the window that was sent once more, by the clock; sampling waits no longer than for a window."""
        detector = self._bench
        if detector is None:
            self._refuse(sequence, "model" if self._app.detector is None else "window")
            return
        self._last_run = -1  # the features and score that RUN would say again are no longer there
        before = gc.mem_alloc()
        start = time.ticks_us()
        detector.features.compute(self._window, 0, detector.model.window)
        computed = time.ticks_us()
        detector.judge()
        judged = time.ticks_us()
        taken = gc.mem_alloc() - before
        lines = self._answer(b"~ACK ", sequence)
        lines.number(b" features=", time.ticks_diff(computed, start))
        lines.number(b" model=", time.ticks_diff(judged, computed))
        lines.number(b" taken=", max(taken, 0))
        lines.end()

    def _journal(self, sequence, fields):
        if self._app.journal is None:
            self._refuse(sequence, "journal")
            return
        from .journal_commands import carry_out  # only a board that keeps a journal needs its code

        try:
            carry_out(self._app, lambda: self._answer(b"~ACK ", sequence), fields)
        except OSError:
            self._refuse(sequence, "flash")

    def _learn(self, sequence, fields):
        from .learn_commands import learn  # only a board that learns needs its code

        why = learn(self._app, lambda: self._answer(b"~ACK ", sequence), fields)
        if why:
            self._refuse(sequence, why)

    def _model(self, sequence, fields):
        if self._model_file is None:
            from .learn_commands import ModelFile

            self._model_file = ModelFile()
        try:
            self._model_file.answer(self._app, lambda: self._answer(b"~ACK ", sequence), fields)
        except OSError:
            self._refuse(sequence, "model")

    def _adapt(self, sequence, fields):
        from .adapt_commands import adapt  # only a board that adapts needs its code

        try:
            why = adapt(self._app, lambda: self._answer(b"~ACK ", sequence), fields)
        except OSError:
            why = "flash"
        if why:
            self._refuse(sequence, why)

    def _evidence(self, sequence, fields):
        """Raw frames around alarms: which are kept, what one is, and its frames, as many as a line holds."""
        evidence = self._app.evidence
        if evidence is None:
            self._refuse(sequence, "evidence")
            return
        if "i" not in fields:
            lines = self._answer(b"~ACK ", sequence)
            lines.number(b" raised=", evidence.raised)
            lines.number(b" up=", self._app.uptime())
            lines.text(b" kept=", ",".join(str(number) for number in evidence.kept()).encode())
            lines.end()
            return
        number = int(fields["i"])
        about = evidence.about(number)
        if about is None:  # another alarm has taken its place meanwhile
            self._refuse(sequence, "gone")
            return
        if "o" not in fields:
            lines = self._answer(b"~ACK ", sequence)
            for key, value in zip((b" n=", b" at=", b" s=", b" frames=", b" after="), about):
                lines.number(key, value)
            lines.end()
            return
        first = int(fields["o"])
        if not 0 <= first < about[3]:
            raise ValueError
        data = evidence.read(number, first, max(1, BYTES_PER_LINE // (2 * evidence.channels)))
        lines = self._answer(b"~ACK ", sequence)
        lines.number(b" o=", first)
        lines.text(b" d=", b2a_base64(data).strip())
        lines.end()

    def _update(self, sequence, fields):
        try:
            from .update_commands import carry_out  # only a board that takes models needs its code
        except ImportError:
            self._refuse(sequence, "updates")
            return
        try:
            why = carry_out(self._app, lambda: self._answer(b"~ACK ", sequence), fields)
        except OSError:
            why = "flash"
        if why:
            self._refuse(sequence, why)

    def _self_test(self, sequence, fields):
        app = self._app
        if app.detector is None:
            self._refuse(sequence, "model")
            return
        detector = app.detector
        passed, total = self_test(Detector(detector.model) if detector.stateful else detector)
        lines = self._answer(b"~ACK ", sequence)
        lines.number(b" passed=", passed)
        lines.number(b" of=", total)
        lines.end()


_COMMANDS = {
    "HELLO": Listener._hello,
    "HEALTH": Listener._health,
    "RECORD": Listener._record,
    "STOP": Listener._stop,
    "WINDOW": Listener._take_window,
    "RUN": Listener._run,
    "SELFTEST": Listener._self_test,
    "BENCH": Listener._time_window,
    "JOURNAL": Listener._journal,
    "LEARN": Listener._learn,
    "MODEL": Listener._model,
    "ADAPT": Listener._adapt,
    "EVIDENCE": Listener._evidence,
    "UPDATE": Listener._update,
}


def self_test(detector):
    """Score the model's golden windows; returns (how many agree in every feature and the score, how many)."""
    passed = 0
    vectors = detector.model.golden_windows()
    for features, score, window in vectors:
        detector.reset()
        found = detector.measure(array("h", bytes(window)), 0, detector.model.window)
        if found == score and bytes(detector.features.values) == bytes(features):
            passed += 1
    return passed, len(vectors)
