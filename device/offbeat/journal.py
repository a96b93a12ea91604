"""What a board keeps on its flash: alarms, summaries of scores, resets. See docs/journal.md.

Noting something costs no heap; step() writes, between windows. No failure of the file system leaves this module.
"""

import os
import struct

from .checksum import crc32
from .records import (
    ALARM,
    ALARM_END,
    BOOT,
    CLOCK,
    HEAD,
    HEAD_SIZE,
    HOUR,
    LONGEST,
    MARK,
    MINUTE,
    OVERHEAD,
    SUMMARY,
    UNJUDGED,
    VERDICT,
    seal,
)
from .segments import SIZE, SegmentLog

PAUSE = 10
"""Seconds between two writes of alarms at least: a bound on wear, however often alarms come and go."""

_MOST_EVENTS, _MOST_MINUTES = 16, 64  # files
_BOOTS_AT_ONCE = 8
_CLOCK_PERIOD = 86400  # s
_SPARE = 128  # bytes that alarms, however many, leave to what comes seldom
_HIGHEST = 0x3FFFFFFF


class Summary:
    """Minimum, mean and maximum of scores 0 … 32767, in small integers alone: the sum is high * 2**15 + low."""

    def __init__(self):
        self.clear()

    def clear(self):
        """Begin anew."""
        self.count = 0
        self.least = 0x7FFF
        self.most = 0
        self.low = 0
        self.high = 0
        self.alarms = 0
        self.unjudged = 0

    def skip(self):
        """Take a window without verdict; allocates nothing."""
        self.unjudged = min(self.unjudged + 1, 0xFFFF)

    def add(self, score):
        """Take the score of a window; allocates nothing."""
        if score < self.least:
            self.least = score
        if score > self.most:
            self.most = score
        low = self.low + score
        self.high += low >> 15
        self.low = low & 0x7FFF
        self.count += 1

    def merge(self, other):
        """Take all that another summary has taken."""
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        low = self.low + other.low
        self.high += other.high + (low >> 15)
        self.low = low & 0x7FFF
        self.count = min(self.count + other.count, _HIGHEST)
        self.alarms = min(self.alarms + other.alarms, 0xFFFF)
        self.unjudged = min(self.unjudged + other.unjudged, 0xFFFF)

    @property
    def empty(self):
        """Whether there was no window at all."""
        return not (self.count or self.unjudged)

    def mean(self):
        """The mean, rounded half up; 0 without windows."""
        if not self.count:
            return 0
        return ((self.high << 15) + self.low + self.count // 2) // self.count


class Ring:
    """A log on flash and the records that wait for it, in a buffer of `room` bytes.

    failed: writes that the file system refused; dropped: records for which the buffer had no room.
    """

    def __init__(self, log, room):
        self.log = log
        self.failed = 0
        self.dropped = 0
        self.taken = 0  # number that a host said it has everything before
        self.waiting = 0
        self.pending = bytearray(room)
        self._length = 0
        self._attempt = -1  # number of the first record of a write that failed: it may have succeeded all the same

    def begin(self, kind, boot, uptime, size):
        """Room for a record with `size` bytes of payload: where that goes in `pending`, or -1 without room."""
        at = self._length
        length = OVERHEAD + size
        spare = _SPARE if kind == ALARM or kind == ALARM_END else 0
        if at + length + spare > len(self.pending):
            self.dropped = min(self.dropped + 1, _HIGHEST)
            return -1
        struct.pack_into(HEAD, self.pending, at, MARK, length, kind, boot, 0, uptime)
        self._length = at + length
        self.waiting += 1
        return at + HEAD_SIZE

    def recover(self):
        """As the log's; False where the file system fails."""
        try:
            self.log.recover()
        except (OSError, MemoryError):
            self.failed = min(self.failed + 1, _HIGHEST)
        return self.log.ready

    def flush(self):
        """Write what waits. Where that fails it is counted, and what waits goes on waiting."""
        if not self.waiting:
            return
        try:
            if not self.log.ready:
                self.log.recover()
            self._leave_out_what_was_written()
            first = self.log.next
            at = 0
            for i in range(self.waiting):
                at += seal(self.pending, at, first + i)
            if at:
                self._attempt = first
                self.log.append(memoryview(self.pending)[:at], first, self.waiting)
            self._attempt = -1
            self._length = self.waiting = 0
        except (OSError, MemoryError):
            self.failed = min(self.failed + 1, _HIGHEST)

    def _leave_out_what_was_written(self):
        """After a failure: its first records may be on flash nevertheless, and are not to come twice."""
        written = self.log.next - self._attempt if self._attempt >= 0 else 0
        self._attempt = -1
        if 0 < written <= self.waiting:
            at = 0
            for _ in range(written):
                at += self.pending[at + 1]
            self.pending[: self._length - at] = self.pending[at : self._length]
            self._length -= at
            self.waiting -= written


class Journal:
    """Two rings: events (resets, alarms, hours, clocks) and minutes, which would soon push the others out.

    directory: for their files; unique: id of the board; model: identity and version, text for the BOOT record;
    cause: of the reset, an index of CAUSES; limits: most files of events and of minutes. boot: number of this one.
    """

    def __init__(self, directory, unique, limits, cause=0, model=""):
        buffer = bytearray(4 * LONGEST)
        owner = struct.pack("<I", crc32(unique.encode()) & 0xFFFFFFFF)
        self.events = Ring(SegmentLog(directory, "e", owner, limits[0], buffer), 640)
        self.minutes = Ring(SegmentLog(directory, "m", owner, limits[1], buffer), 320)
        self.minute = Summary()
        self._hour = Summary()
        self._minutes_up = 0
        self._urgent = False
        self._written = -PAUSE  # s of uptime, of the last alarm
        self._clock = -1  # s of uptime, of the last CLOCK record
        self.events.recover()
        self.minutes.recover()
        self.boot = (max(self.events.log.boot, self.minutes.log.boot) + 1) & _HIGHEST
        text = model.encode()[: LONGEST - OVERHEAD - 1]
        into, at = self.events.pending, self.events.begin(BOOT, self.boot, 0, 1 + len(text))
        into[at] = cause
        into[at + 1 : at + 1 + len(text)] = text
        # A board that starts again and again would wear its flash with nothing else.
        if self.events.log.boots < _BOOTS_AT_ONCE:
            self.events.flush()

    @property
    def failed(self):
        """Writes that the file system refused."""
        return self.events.failed + self.minutes.failed

    @property
    def dropped(self):
        """Records that were given up."""
        return self.events.dropped + self.minutes.dropped

    def alarm(self, uptime, window, score, found, indices, values, names):
        """Note that an alarm has started, with the first `found` reasons; allocates nothing."""
        self.minute.alarms = min(self.minute.alarms + 1, 0xFFFF)
        size = 6
        for i in range(found):
            length = len(names[indices[i]]) + 2 + _digits(values[i])
            if OVERHEAD + size + length > LONGEST:
                found = i
                break
            size += length
        at = self.events.begin(ALARM, self.boot, uptime, size - (found > 0))
        into = self.events.pending
        if at >= 0:
            struct.pack_into(VERDICT, into, at, window, score)
            at += 6
            for i in range(found):
                if i:
                    into[at] = 44  # ,
                    at += 1
                at = _text(into, at, names[indices[i]], values[i])
        self._urgent = True

    def alarm_end(self, uptime, window, score):
        """Note that the alarm has ended; allocates nothing."""
        at = self.events.begin(ALARM_END, self.boot, uptime, 6)
        if at >= 0:
            struct.pack_into(VERDICT, self.events.pending, at, window, score)
        self._urgent = True

    def note(self, kind, uptime, payload):
        """Note an event of another kind. payload: bytes, as records.py says."""
        at = self.events.begin(kind, self.boot, uptime, len(payload))
        if at >= 0:
            self.events.pending[at : at + len(payload)] = payload
        self._urgent = True

    def clock(self, uptime, now):
        """Note the time that a host says, seconds since 1970: once a boot, and again after a day."""
        if self._clock >= 0 and uptime - self._clock < _CLOCK_PERIOD:
            return
        at = self.events.begin(CLOCK, self.boot, uptime, 4)
        if at >= 0:
            struct.pack_into("<I", self.events.pending, at, now)
            self._clock = uptime
            self._urgent = True

    def step(self, uptime):
        """Write what is due; call it between windows, about once a second. uptime: seconds since the start."""
        if uptime // 60 != self._minutes_up:
            self._end_minute(uptime)
            self.events.flush()
            self.minutes.flush()
            self._urgent = False
        elif self._urgent and uptime - self._written >= PAUSE:
            self._written = uptime
            self._urgent = False
            self.events.flush()

    def _end_minute(self, uptime):
        before, self._minutes_up = self._minutes_up, uptime // 60
        if not self.minute.empty:
            self._summary(self.minutes, MINUTE, self.minute, uptime)
            self._hour.merge(self.minute)
            self.minute.clear()
        if before // 60 != self._minutes_up // 60 and not self._hour.empty:
            self._summary(self.events, HOUR, self._hour, uptime)
            self._hour.clear()

    def _summary(self, ring, kind, summary, uptime):
        at = ring.begin(kind, self.boot, uptime, 14 if summary.unjudged else 12)
        if at >= 0:
            least = summary.least if summary.count else 0
            struct.pack_into(
                SUMMARY, ring.pending, at, summary.count, least, summary.mean(), summary.most, summary.alarms
            )
            if summary.unjudged:
                struct.pack_into(UNJUDGED, ring.pending, at + 12, summary.unjudged)


def _digits(value):
    count = 1
    while value >= 10:
        value //= 10
        count += 1
    return count


def _text(into, at, name, value):
    """Put name:value at a place of a buffer; returns the place after it."""
    for i in range(len(name)):
        into[at] = name[i]
        at += 1
    into[at] = 58  # :
    end = at + 1 + _digits(value)
    for i in range(end - 1, at, -1):
        into[i] = 48 + value % 10
        value //= 10
    return end


def reset_cause():
    """Why the board started, as an index of CAUSES."""
    try:
        import machine
    except ImportError:
        return 0
    ask = getattr(machine, "reset_cause", None)
    cause = ask() if ask else None
    # in the order of CAUSES; ports that cannot tell some of them lack the names
    names = ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET")
    for i in range(len(names)):
        if cause is not None and getattr(machine, names[i], None) == cause:
            return i + 1
    return 0


def limits_for(size):
    """Most files of events and of minutes on a file system of `size` bytes: a quarter of it at most."""
    blocks = size // (4 * SIZE)
    events = max(min(_MOST_EVENTS, blocks // 4), 2)
    return events, max(min(_MOST_MINUTES, blocks - events), 2)


def open_journal(directory, unique, model=""):
    """The journal in a directory, or None on a board without a file system."""
    try:
        status = os.statvfs(os.getcwd())
    except (AttributeError, OSError):
        return None
    size = status[1] * min(status[2], 0x10000)
    if size < 12 * SIZE:
        return None
    return Journal(directory, unique, limits_for(size), reset_cause(), model)
