"""Analogue inputs: a microphone, a current clamp, a bare piezo disc. machine.ADC, polled or driven by a timer."""

from array import array

from ..quality import late
from . import LATE, Source, clock, millihertz

_MIDDLE = 32768
_FASTEST = 20000  # Hz; no board that runs bytecode follows that


class AnalogueInput(Source):
    """A source of one channel an input; counts are read_u16() less 32768, so that half the supply is 0.

    adcs: machine.ADC objects (or whatever has read_u16); rate: Hz; names: of the channels.
    unit, scale: of a count, as text; volts at a full scale of `volts` where scale is None.
    timer: a machine.Timer that fills a ring of `frames` frames, so that a pause of the board loses none of that many.
    Without, a sample is taken when read_into is called after its time, and how late that was stands in jitter_us;
    samples whose time has passed altogether are counted as lost.
    Raises ValueError for no input, unequal numbers of names and inputs, and a rate out of range.
    """

    sensor = "ADC"

    def __init__(self, adcs, rate, names=None, unit="V", scale=None, volts=3.3, timer=None, frames=128):
        self._adcs = tuple(adcs)
        count = len(self._adcs)
        self.channels = tuple(names) if names else tuple("a%d" % i for i in range(count))
        if not count or len(self.channels) != count:
            raise ValueError("%d inputs, but %d names" % (count, len(self.channels)))
        if not 0.004 <= rate <= _FASTEST:
            raise ValueError("an analogue input is sampled at 0.004 to %d Hz, not at %s" % (_FASTEST, rate))
        self.units = (unit,) * count
        self.scales = (scale or "%.9f" % (volts / 65536),) * count
        self.limits = ((-32768, 32767),) * count
        Source.__init__(self, millihertz(rate))
        self._pace = clock.Pace(self.rate_millihertz)
        self._period = self._pace.period_us
        self._timer = timer
        if timer is not None:
            self._start(timer, rate, max(2, frames + 1))

    def read_into(self, frame):
        """The next frame, when one is due or in the ring."""
        if self._timer is not None:
            return self._from_ring(frame)
        if not self._due(self._pace):
            return False
        self._note_jitter(self._pace.late_us)
        for i in range(len(self._adcs)):
            frame[i] = self._adcs[i].read_u16() - _MIDDLE
        return True

    def close(self):
        """Stop the timer."""
        if self._timer is not None:
            self._timer.deinit()

    def _note_jitter(self, late_us):
        if late_us > self.jitter_us:
            self.jitter_us = late_us
        if late(late_us, self._period):
            self.flags |= LATE

    def _start(self, timer, rate, slots):
        count = len(self._adcs)
        self._ring = array("h", bytes(2 * count * slots))
        self._gaps = bytearray(slots)  # frames that are missing ahead of each slot
        self._lates = bytearray(slots)  # how late each slot was, in 1/16 of the period
        self._slots = slots
        self._head = 0  # only the timer moves it
        self._tail = 0  # only read_into moves it
        self._missing = 0
        self._ticked = clock.ticks_us()
        self._tick = self._sample  # a bound method is an object: made once
        try:
            timer.init(freq=rate, mode=timer.PERIODIC, callback=self._tick, hard=True)
        except TypeError:  # this port's timers have no `hard`
            timer.init(freq=rate, mode=timer.PERIODIC, callback=self._tick)

    def _sample(self, _):
        """In the timer's interrupt: one frame into the ring."""
        now = clock.ticks_us()
        interval = clock.ticks_diff(now, self._ticked)
        self._ticked = now
        period = self._period
        late = interval - period if interval >= 0 else 0
        if 2 * late > period:  # ticks that the interrupt did not get
            self._missing += late // period if 2 * (late % period) <= period else late // period + 1
            late = 0
        head = self._head
        following = head + 1
        if following == self._slots:
            following = 0
        if following == self._tail:
            self._missing += 1
            return
        count = len(self._adcs)
        for i in range(count):
            self._ring[head * count + i] = self._adcs[i].read_u16() - _MIDDLE
        self._gaps[head] = self._missing if self._missing < 255 else 255
        self._lates[head] = 16 * abs(late) // period  # 16 at most
        self._missing = 0
        self._head = following

    def _from_ring(self, frame):
        tail = self._tail
        if tail == self._head:
            return False
        count = len(self._adcs)
        for i in range(count):
            frame[i] = self._ring[tail * count + i]
        if self._gaps[tail]:
            self._lose(self._gaps[tail])
        if self._lates[tail]:
            self._note_jitter(self._lates[tail] * self._period // 16)
        self._tail = tail + 1 if tail + 1 < self._slots else 0
        return True
