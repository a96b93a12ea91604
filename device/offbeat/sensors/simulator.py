"""A machine for a board without a sensor: the hum of a motor in integers, with a fault that can be switched on.

It is for trying a board out, no model of a real machine; train/simulate has those.
"""

from array import array

from . import Source, clock, millihertz

_TURN = 4096  # phase of one turn
_OUTSTANDING = 256  # frames that a busy board may be behind before some are given up
_LOOK_EVERY = 64  # frames between two looks at the switch: rp2.bootsel_button() takes its time
_AMPLITUDES = ((120, 30, 12), (90, 40, 8), (40, 20, 20))  # of 1, 2 and 5 times the shaft's speed, each axis
_GRAVITY = (0, 0, 1000)
_NOISE = 16
_KNOCK = 300  # a bearing's knock, of which each axis gets its part
_PARTS = (4, 3, 2)  # quarters


class Simulator(Source):
    """A source of frames x, y, z; 0.001 g a count, like a LIS3DH.

    rate: Hz; speed: of the shaft, Hz; seed: of the noise, so that a run can be repeated.
    fault: set it to True and a bearing knocks, 3.57 times a turn, and the first harmonic grows by half.
    switch: a function that is asked now and then whether the fault is on, for instance rp2.bootsel_button, or
    lambda: not button.value(); None: only `fault` counts.
    """

    scales = ("0.001",) * 3
    limits = ((-32768, 32767),) * 3
    sensor = "simulator"

    def __init__(self, rate=400, speed=25, seed=1, switch=None):
        Source.__init__(self, millihertz(rate))
        self.fault = False
        self._switch = switch
        self._frames = 0
        self._phase = 0
        self._step = speed * _TURN * 16 // rate  # sixteenths, so that the speed is met
        self._knock_phase = 0
        self._knock_step = speed * _TURN * 16 * 357 // (100 * rate)
        self._knock = 0
        self._random = seed & 0xFFFF
        self._sine = array("h", (0 for _ in range(_TURN // 16)))
        self._fill_sine()
        self._pace = clock.Pace(self.rate_millihertz, _OUTSTANDING)

    def read_into(self, frame):
        """The next frame, when one is due."""
        if not self._due(self._pace):
            return False
        if self._switch is not None and self._frames % _LOOK_EVERY == 0:
            self.fault = bool(self._switch())
        self._frames = (self._frames + 1) & 0xFFFF
        self._turn()
        phase = self._phase >> 4
        for axis in range(3):
            first, second, fifth = _AMPLITUDES[axis]
            if self.fault:
                first += first >> 1
            value = first * self._at(phase) + second * self._at(2 * phase + 700) + fifth * self._at(5 * phase)
            frame[axis] = _GRAVITY[axis] + (value >> 14) + (self._knock * _PARTS[axis] >> 2) + self._noise()
        return True

    def _turn(self):
        self._phase = (self._phase + self._step) & (16 * _TURN - 1)
        # Rings down by a quarter a sample, changing sign: a resonance near half the sampling rate.
        self._knock = -(self._knock - (self._knock >> 2))
        self._knock_phase += self._knock_step
        if self._knock_phase >= 16 * _TURN:
            self._knock_phase &= 16 * _TURN - 1
            if self.fault:
                self._knock += _KNOCK

    def _at(self, phase):
        return self._sine[(phase & (_TURN - 1)) >> 4]

    def _noise(self):
        self._random = (self._random * 5077 + 13849) & 0xFFFF
        return (self._random >> 8) * (2 * _NOISE + 1) // 256 - _NOISE

    def _fill_sine(self):
        # Bhaskara I's approximation, within 0.2 %: no floating point, which some boards do not have.
        half = len(self._sine) // 2
        for i in range(half):
            hump = i * (half - i)
            self._sine[i] = 16384 * 4 * hump // (5 * half * half // 4 - hump)
            self._sine[half + i] = -self._sine[i]
