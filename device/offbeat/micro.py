"""The main loop of a board with 9 KB of heap: sample, score, say so; listen in between.

It does what app.py and commands.py do, as far as there is room: no recording, no journal, no model file. The board
does not run this file: `offbeat export --to microbit` makes a module of it and of what it calls, in which everything
that a model settles is settled. So this file is written for that: one object of each class, and no new attribute
after construction.
"""

import gc
from array import array

from .detector import Detector, Ring
from .kernels import crc32_of_line
from .lines import LineWriter, hex_digit
from .sensors import clock
from .tables import CRC

LINE = 61
"""Longest line that the board takes: with its end it fits the 63 bytes that the firmware's serial input holds, so none
is lost while a window is scored."""

ROOM = 160  # characters of the longest line that it sends, its hello
_HEALTH_PERIOD = 10000  # ms
_PATIENCE = 5000  # ms after the host's last window until the board scores its own again
_REASONS = 3
_FEATURES_A_LINE = 12
_TEXTS = (
    b"~CHANNEL # i=# scale=0.001 unit=g name=\n~SCORE # n=# s=# a=# us=#\n~ALARM # n=# s=# on=#\n why=#:#\n,#:#\n"
    b"~HEALTH # up=# heap=# alloc=# windows=# lost=# bad=#\n re=#\n~ACK # o=#\n"
    b"~ACK # passed=0 of=0\n~FEATURES # n=# o=# d=\n~RESULT # n=# features=# s=# us=#\n"
    b"~NAK # why=crc\n~NAK # why=field\n~NAK # why=unknown\n~NAK # why=window\n"
)
"""What lines are made of; a # is a number. One constant takes less heap than one a line, or one a field."""
_CHANNEL, _SCORE, _ALARM, _WHY, _WHY_ELSE, _STATE, _RE, _TAKEN, _TESTED, _VALUES, _RESULT = (
    _TEXTS.index(text)
    for text in (
        b"~CHANNEL", b"~SCORE", b"~ALARM", b" why=#", b",#", b"~HEALTH", b" re=", b"~ACK # o", b"~ACK # p",
        b"~FEATURES", b"~RESULT",
    )
)  # fmt: skip
_NO_CRC, _NO_FIELD, _NO_KIND, _NO_WINDOW = (
    _TEXTS.index(b"~NAK # why=" + text) for text in (b"crc", b"field", b"unknown", b"window")
)
_KINDS = b" HELLO HEALTH WINDOW RUN SELFTEST "
_HELLO, _HEALTH, _WINDOW, _RUN, _SELFTEST = 0, 6, 13, 20, 24  # where they stand there
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class _Lines(LineWriter):
    """Lines from templates: one constant a line takes less heap than one a field."""

    def __init__(self, write):
        LineWriter.__init__(self, write, ROOM)
        self.numbers = array("i", [0] * 6)

    def begin(self, text):
        """Start a line. text: where it begins in _TEXTS; its first # is the line's number, each other one the next of
        `numbers`."""
        self._length = 0
        self._fill(_TEXTS, text, -1)

    def answered(self, sequence):
        """End a line. sequence: of the command that it answers, or -1."""
        if sequence >= 0:
            self.numbers[0] = sequence
            self.more(_RE)
        self.end()

    def more(self, text):
        """Go on with the line; each # is the next of `numbers`, from the first again."""
        self._fill(_TEXTS, text, 0)

    def hello(self, who):
        """Start the hello. who: the whole line but for the answered one's number."""
        self._length = 0
        self._fill(who, 0, -1)

    def put(self, character):
        """Add a character, where there is room."""
        if self._length < self._room:
            self._line[self._length] = character
            self._length += 1

    def _fill(self, text, at, number):
        while text[at] != 10:
            if text[at] != 35:
                self.put(text[at])
            elif number < 0:
                self._decimal(self.sequence)
                self.sequence = (self.sequence + 1) & 0xFFFF
                number = 0
            else:
                self._decimal(self.numbers[number])
                number += 1
            at += 1


class Micro:
    """A detector on a small board. model: parsed; sensor: see sensors; port: has any(), readline() and write(), as
    the micro:bit's uart; who: what a hello says, as bytes; channels: a letter for each;
    reasons: say of an alarm which features caused it."""

    def __init__(self, model, sensor, port, who, channels=b"xyz", reasons=True):
        self.reasons = reasons
        self.sensor = sensor
        self.port = port
        self.detector = Detector(model)
        self.ring = Ring(model.channels, model.window, model.hop)
        self.lines = _Lines(port.write)
        self.windows = 0
        self.bad = 0
        self._who = b"~HELLO # " + who + b"\n"
        self._channels = channels
        self._frame = array("h", [0] * model.channels)
        self._input = b""
        self._indices = array("h", [0] * _REASONS)
        self._values = array("i", [0] * _REASONS)
        self._missed = 0
        self._gap = False
        self._held = False
        self._heard = 0
        self._last_health = 0
        self._ticks = 0
        self._seconds = 0

    def run(self):
        """Run for ever; Ctrl-C stops it."""
        self._hello(-1)
        self.sensor.start()
        gc.collect()
        self._health(-1)
        while True:
            self.turn()

    def turn(self):
        """Take a frame and score the window that it completes; hear what has come."""
        self.sample()
        if self._gap:
            self._begin_again()
        elif self.ring.filled >= self.ring.window:
            self._window()
        now = clock.ticks_ms()
        if self._held and clock.ticks_diff(now, self._heard) > _PATIENCE:
            self._held = False
            self._gap = True
        if clock.ticks_diff(now, self._last_health) >= _HEALTH_PERIOD:
            self._health(-1)
        if self.port.any():
            self._listen()

    def sample(self):
        """Take a frame, if one is due. It is called while a window is scored, too, and leaves that one alone."""
        if self.sensor.read_into(self._frame):
            ring = self.ring
            if self._missed != self.sensor.lost or ring.filled == ring.capacity:
                self._missed = self.sensor.lost
                self._gap = True
            if not self._gap and not self._held:
                ring.push(self._frame)

    def _begin_again(self):
        """Frames are missing: the next window begins after them."""
        self.ring.filled = 0
        self._gap = False
        self.detector.reset()

    def _window(self):
        numbers = self.lines.numbers
        start = clock.ticks_us()
        changed = self.detector.window(self.ring)
        numbers[0] = self.windows
        numbers[1] = self.detector.score
        numbers[2] = self.detector.decision.alarm
        numbers[3] = clock.ticks_diff(clock.ticks_us(), start)
        self.lines.begin(_SCORE)
        self.lines.end()
        if changed:
            self._alarm()
        self.windows = (self.windows + 1) & 0x3FFFFFFF

    def _alarm(self):
        lines = self.lines
        lines.begin(_ALARM)
        if self.reasons and self.detector.decision.alarm:
            for i in range(self.detector.reasons(_REASONS, self._indices, self._values)):
                lines.numbers[0] = self._indices[i]
                lines.numbers[1] = self._values[i]
                lines.more(_WHY_ELSE if i else _WHY)
        lines.end()

    def _hello(self, sequence):
        lines = self.lines
        for i in range(len(self._channels)):
            lines.numbers[0] = i
            lines.begin(_CHANNEL)
            lines.put(self._channels[i])
            lines.end()
        lines.hello(self._who)
        lines.answered(sequence)

    def _health(self, sequence):
        now = clock.ticks_ms()
        self._ticks += clock.ticks_diff(now, self._last_health)
        self._seconds += self._ticks // 1000
        self._ticks %= 1000
        self._last_health = now  # type: ignore[assignment]
        numbers = self.lines.numbers
        numbers[0] = self._seconds
        numbers[1] = gc.mem_free()
        numbers[2] = gc.mem_alloc()
        numbers[3] = self.windows
        numbers[4] = self.sensor.lost
        numbers[5] = self.bad
        self.lines.begin(_STATE)
        self.lines.answered(sequence)

    def _listen(self):
        """Take what has come, up to the end of a line."""
        self._input += self.port.readline(LINE + 2)
        if self._input[-1] == 10 or len(self._input) > LINE + 2:
            line = self._input
            self._input = b""
            if line[0] == 126:
                self._carry_out(line, len(line.rstrip()) - 10)

    def _carry_out(self, line, length):
        """Do what a line asks for. length: characters before its CRC."""
        crc = self.lines.crc
        sequence = 0
        try:
            crc32_of_line(line, length, CRC, crc)
            differs = 0
            for i in range(8):
                differs |= line[length + 2 + i] ^ hex_digit(crc, i)
            if differs:
                self.bad = (self.bad + 1) & 0x3FFFFFFF
                self.lines.begin(_NO_CRC)
                self.lines.answered(0)
            else:
                words = line[1:length].split()
                sequence = int(words[1]) & 0xFFFF
                self._command(_KINDS.find(b" " + words[0] + b" "), sequence, words)
        except Exception:  # a field is missing or out of range, whichever; or there is no memory left
            self.lines.begin(_NO_FIELD)
            self.lines.answered(sequence)

    def _command(self, kind, sequence, words):
        if kind == _HELLO:
            self._hello(sequence)
        elif kind == _HEALTH:
            self._health(sequence)
        elif kind == _WINDOW:
            self._take(sequence, words)
        elif kind == _RUN:
            self._run(sequence, words)
        else:
            # Golden windows have no room here: the host sends them.
            self.lines.begin(_TESTED if kind == _SELFTEST else _NO_KIND)
            self.lines.answered(sequence)

    def _take(self, sequence, words):
        """Put a part of the host's window where the board's own windows are, which stop until the host has done."""
        ring = self.ring
        offset = int(_field(words, 111))
        if offset < 0 or offset & 1:
            raise ValueError
        self._held = True
        self._heard = clock.ticks_ms()  # type: ignore[assignment]
        _decode(_field(words, 100), ring.frames, offset >> 1, ring.window * ring.channels)
        self.lines.numbers[0] = offset
        self.lines.begin(_TAKEN)
        self.lines.answered(sequence)

    def _run(self, sequence, words):
        detector, lines = self.detector, self.lines
        if not self._held:
            lines.begin(_NO_WINDOW)
            lines.answered(sequence)
            return
        self._heard = clock.ticks_ms()  # type: ignore[assignment]
        numbers = lines.numbers
        if detector.stateful and b"reset=1" in words:
            detector.reset()
        number = int(_field(words, 110))
        start = clock.ticks_us()
        numbers[2] = detector.measure(self.ring.frames, 0, self.ring.window)
        numbers[3] = clock.ticks_diff(clock.ticks_us(), start)
        numbers[0] = number
        for first in range(0, detector.features.count, _FEATURES_A_LINE):
            numbers[1] = first
            lines.begin(_VALUES)
            self._encode(detector.features.values, first, min(first + _FEATURES_A_LINE, detector.features.count))
            lines.end()
        numbers[1] = detector.features.count
        lines.begin(_RESULT)
        lines.answered(sequence)

    def _encode(self, values, first, stop):
        """Add features to the line: little-endian int32 in base64."""
        held = 0
        bits = 0
        for i in range(4 * first, 4 * stop):
            held = ((held & 15) << 8) | ((values[i >> 2] >> 8 * (i & 3)) & 255)
            bits += 8
            while bits >= 6:
                bits -= 6
                self.lines.put(_DIGITS[(held >> bits) & 63])
        if bits:
            self.lines.put(_DIGITS[(held << (6 - bits)) & 63])
        for _ in range(-(stop - first) % 3):
            self.lines.put(61)


def _field(words, key):
    """Value of a field. key: the letter before its equals sign. Raises ValueError without it."""
    for word in words:
        if word[0] == key and word[1] == 61:
            return word[2:]
    raise ValueError


def _decode(text, words, at, end):
    """Put base64 of little-endian int16 into words[at:end]. Raises ValueError where it is more than that."""
    held = 0
    bits = 0
    for i in range(len(text)):
        digit = _DIGITS.find(text[i : i + 1])
        if digit < 0:
            break  # what fills the last four
        held = ((held << 6) | digit) & 0x3FFFFF
        bits += 6
        if bits >= 16:
            bits -= 16
            if at >= end:
                raise ValueError
            word = held >> bits
            words[at] = ((((word & 255) << 8) | ((word >> 8) & 255)) ^ 0x8000) - 0x8000
            at += 1
