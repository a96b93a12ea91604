"""Learning a model on the board: frames in, a model file out. docs/learning.md.

Two periods of normal running, half of the windows each: means and covariances from the first, the threshold from the
second, which the model has not seen. CPython runs the same lines on the recorded frames and finds the same file.
"""

import struct
from array import array

from . import VERSION, feature_sets, modelfile
from .examination import DoubtfulRing, Examination
from .families.gaussian import Scorer
from .features import Features
from .fit import KINDS
from .kernels import mahalanobis, typed
from .learning import GaussianFit, sine_section
from .modelwriter import assemble, section
from .moments import Moments
from .quality import FIT, LIMITS, LOST, REASONS, must_move
from .threshold import Threshold

DECISION = (3, 5, 224, 0)
"""k of n, release, hold-off: the trainer's."""
USUAL_SET = "motion"

LEARN, COMPUTE, JUDGE, DONE, FAILED = 0, 1, 2, 3, 4
STAGES = ("learn", "compute", "threshold", "done", "failed")

_GAUSSIAN = 1
_LARGEST_LEAST = 1 << 20


class Plan:
    """What is to be learned, all of it known before the first frame.

    source: has channels, units, scales, sensor, rate_millihertz and perhaps limits, as sensors do; seconds: of running,
    both periods; every, budget: seconds between two false alarms at least, and the same as people write it; features:
    name of a set, window, hop: samples; "" and 0 for the usual. windows: of each period. Raises ValueError with one
    word: short, length, features.
    """

    def __init__(self, source, seconds, every=86400, budget="1/day", name="learned", features="", window=0, hop=0):
        rate = source.rate_millihertz
        self.source = source
        self.limits = getattr(source, "limits", None) or (LIMITS,) * len(source.channels)
        self.every = every
        self.budget = budget
        self.name = name
        self.process = feature_sets.is_process(rate)
        self.window = window or feature_sets.usual_window(rate)
        self.hop = hop or feature_sets.usual_hop(rate, self.window)
        if not (8 <= self.window <= 1024 and 1 <= self.hop <= self.window):
            raise ValueError("length")
        self.features = self._features(features)
        if not 0 < len(self.features) <= 255:
            raise ValueError("features")
        self.windows = max((seconds * rate // 2000 - self.window) // self.hop + 1, 0)
        if self.windows < self.least_windows():
            raise ValueError("short")

    def _features(self, name):
        source = self.source
        slow = [self.process or feature_sets.is_slow_unit(unit) for unit in source.units]
        if name:
            if name not in feature_sets.FEATURE_SETS:
                raise ValueError("features")
            slow = [False] * len(slow)
        elif feature_sets.takes_long(source.rate_millihertz):
            name = "trend"
        elif self.process:
            name = "level"
        else:
            name = "slow" if all(slow) else USUAL_SET
        return feature_sets.features_of(name, self.window, slow)

    def least_windows(self):
        """How many good windows each period takes: as training does, and two for each feature."""
        return max(feature_sets.LEAST_WINDOWS, 2 * len(self.features))

    def seconds_of(self, windows):
        """Whole seconds that so many windows cover."""
        return windows * self.hop * 1000 // self.source.rate_millihertz

    def least_deviations(self):
        """The smallest deviation to assume of each feature, in its own unit."""
        least = []
        for kind, channel, _, _ in self.features:
            value = feature_sets.LEAST_DEVIATION.get(KINDS[kind], feature_sets.LEAST_LOG_DEVIATION)
            if KINDS[kind] == "mean" and self.source.units[channel].lower() in feature_sets.TEMPERATURE_UNITS:
                value = max(value, 16 * feature_sets.LEAST_DEGREES * counts_a_unit(self.source.scales[channel]))
            least.append(min(value, _LARGEST_LEAST))
        return least

    def wandering(self):
        """Numbers of the means, where all features are of processes: those wander further than a period shows."""
        if not all([KINDS[feature[0]] in feature_sets.WANDERING for feature in self.features]):
            return []
        return [j for j in range(len(self.features)) if KINDS[self.features[j][0]] == "mean"]


def counts_a_unit(scale):
    """One over a scale, text such as 0.004 or 1e-05, rounded half up; 1 where it is no positive decimal."""
    digits, _, exponent = scale.strip().lower().partition("e")
    whole, _, decimals = digits.partition(".")
    try:
        power = int(exponent or "0") - len(decimals)
        value = int(whole + decimals)
    except ValueError:
        return 1
    if value <= 0 or not -30 <= power <= 30:
        return 1
    above, below = (10**-power, value) if power < 0 else (1, value * 10**power)
    return (2 * above + below) // (2 * below)


class _Shape:
    """What Features wants of a model."""

    def __init__(self, plan):
        self.window = plan.window
        self.channels = len(plan.source.channels)
        self.features = plan.features
        has_bands = any([KINDS[feature[0]] == "band" for feature in plan.features])
        self.sine = memoryview(sine_section(plan.window) if has_bands else b"")
        self.standardize = memoryview(bytes(8 * len(plan.features)))
        slew = struct.pack("<H", feature_sets.PROCESS_SLEW) * len(plan.features) if plan.process else b""
        self.baseline = memoryview(slew)
        self.meta = {"unseen": ",".join([str(i) for i in range(self.channels)])}  # none must move as yet


class Commissioning:
    """The run. take() every frame, work() between them, until stage is DONE or FAILED.

    stage: an index of STAGES; why: of a failure, one word (still: no channel moved; few: too few windows were fit;
    began: a channel moved for the first time in the second period); windows: that the present period has had; skipped:
    of both periods, those not fit to learn from, by the rule of quality, and reasons: how many for each; between:
    frames left out between the two; model: the file.
    """

    def __init__(self, plan):
        self.plan = plan
        channels = len(plan.source.channels)
        count = len(plan.features)
        self.stage = LEARN
        self.why = ""
        self.windows = 0
        self.skipped = 0
        self.model = b""
        self._good = 0
        self._learned = 0
        self.between = 0
        self._shape = _Shape(plan)
        self._ring = DoubtfulRing(channels, plan.window, plan.hop)
        self._features = Features(self._shape, 3 * count)
        self._low = array("h", [32767] * channels)
        self._high = array("h", [-32768] * channels)
        self.reasons = array("i", [0] * len(REASONS))
        self._wasted = 0  # frames of windows that were given up, less than a hop
        self._examination = Examination(self._shape, plan.limits)
        # Channels that are watched for their vibration and have not moved: from the first time that one does, a window
        # in which it stands still is unfit.
        self._asleep = bytearray(must_move([feature[:2] for feature in plan.features], (), channels))
        self._moments = Moments(count)
        self._threshold = Threshold(DECISION)
        self._fit = GaussianFit(self._moments, plan.least_deviations(), plan.wandering(), plan.hop, plan.window)
        self._steps = self._fit.steps()
        self._weights = self._shifts = typed(memoryview(b""))

    def take(self, frame, doubt=FIT):
        """Take a frame, array('h') [C]; doubt: why no window with it is fit, a place of quality.REASONS.

        Allocates nothing while there are more windows to come. Frames between the periods, while work() computes, are
        left out, and counted in the model's meta section: a replay leaves out as many.
        """
        if self.windows >= self.plan.windows or self.stage == COMPUTE or self.stage == FAILED:
            self.between += self.stage != JUDGE
            return
        for i in range(len(frame)):
            if frame[i] < self._low[i]:
                self._low[i] = frame[i]
            if frame[i] > self._high[i]:
                self._high[i] = frame[i]
            if self._asleep[i] and self._low[i] < self._high[i]:
                self._wake(i)
        complete = self._ring.push(frame)
        if doubt != FIT:
            self._ring.doubt(doubt)
        if complete:
            self._judge(self._ring)

    def _wake(self, channel):
        """A channel moves for the first time: what was learned before was of a machine that stood still."""
        self._asleep[channel] = 0
        self._examination.watch(channel)
        if self.stage == JUDGE:
            self.why = "began"
            self.stage = FAILED
        else:
            self.skipped += self._good
            self._good = 0
            self._moments.clear()

    def _judge(self, ring):
        """Learn from the window that is complete, if it is fit."""
        reason = ring.reason()
        if reason == FIT:
            reason = self._examination.of(ring.frames, ring.first, ring.capacity)
        if reason == FIT:
            self._window(ring)
        else:
            self._skip(reason)
        self.windows += 1
        ring.advance()

    def _skip(self, reason):
        self.skipped += 1
        self.reasons[reason] += 1
        self._threshold.gap()

    def interrupt(self):
        """Frames are missing before the next one: windows begin anew with that. What is given up counts as time."""
        self._wasted += self._ring.filled
        self._ring.restart()
        self._threshold.gap()
        while self._wasted >= self.plan.hop:
            self._wasted -= self.plan.hop
            self._skip(LOST)
            self.windows += 1

    def worst(self):
        """The reason for which most windows were not fit."""
        most = 0
        for reason in range(len(REASONS)):
            if self.reasons[reason] > self.reasons[most]:
                most = reason
        return REASONS[most]

    def _window(self, ring):
        features = self._features
        features.compute(ring.frames, ring.first, ring.capacity)
        if self.stage == LEARN:
            self._moments.add(features.values)
        else:
            features.standardize()
            self._threshold.add(mahalanobis(self._weights, features.count, self._shifts, features.vector))
        self._good += 1

    def work(self):
        """Go on with what comes between and after the periods, for some milliseconds. Uses the heap."""
        if self.stage == FAILED:
            return
        if self.stage == COMPUTE:
            for _ in self._steps:
                return
            self._begin_judging()
        elif self.windows >= self.plan.windows:
            if self.stage == LEARN:
                self._begin_fit()
            elif self.stage == JUDGE:
                self._finish()

    def _enough(self):
        """Whether the period had windows to learn from; the stage is FAILED where not."""
        if len(self.still()) == len(self._low):
            self.why = "still"
        elif self._good < self.plan.least_windows():
            self.why = "few"
        if self.why:
            self.stage = FAILED
        return not self.why

    def still(self):
        """Numbers of the channels that have not moved."""
        return [i for i in range(len(self._low)) if self._low[i] >= self._high[i]]

    def _begin_fit(self):
        if not self._enough():
            return
        self._learned = self._good
        self.stage = COMPUTE

    def _begin_judging(self):
        del self._moments, self._steps
        self._features.scales = typed(memoryview(self._fit.standardize))
        self._weights = typed(memoryview(self._fit.weights))
        self._shifts = self._fit.shifts
        self._ring.restart()
        self._good = self.windows = 0
        self.stage = JUDGE

    def _finish(self):
        if not self._enough():
            return
        plan, threshold = self.plan, self._threshold
        found, alarms, counted = threshold.find(plan.seconds_of(self._good), plan.every)
        parameters = self._fit.parameters(found)
        about = {
            "learned_windows": self._learned,
            "between_frames": self.between,
            "threshold_windows": self._good,
            "threshold_alarms": alarms,
            "threshold_basis": "ranks" if counted else "tail",
        }
        golden = self._golden(parameters)
        self.model = model_file(plan, self._shape, self._fit.standardize, parameters, about, self.still(), golden)
        del self._examination, self._shape, self._ring, self._features
        del self._threshold, self._fit, self._weights, self._shifts
        self.stage = DONE

    def _golden(self, parameters):
        """A golden vector: noise between the extremes that were seen, for what was seen stays on the board."""
        plan = self.plan
        channels = len(self._low)
        window = array("h", [0] * (plan.window * channels))
        state = 1
        for at in range(len(window)):
            state = (state * 8121 + 28411) % 134456  # Press et al., Numerical Recipes: a small generator
            low, high = self._low[at % channels], self._high[at % channels]
            window[at] = low + (state & 0xFFFF) * (high - low + 1) // 65536
        features = self._features
        features.reset()
        features.compute(window, 0, plan.window)
        features.standardize()
        score = Scorer(memoryview(parameters), len(plan.features)).score(features.vector)
        raw = bytes(window)
        return struct.pack("<HH", 1, 0) + bytes(features.values) + struct.pack("<i", score) + raw + bytes(-len(raw) % 4)


def replay(plan, frames, between):
    """The Commissioning of recorded frames, flat array('h') of whole frames, at its end. between: frames to leave out
    between the periods, as the model's meta section says. Raises ValueError where there are too few frames."""
    run = Commissioning(plan)
    channels = len(plan.source.channels)
    frame = array("h", [0] * channels)
    for at in range(0, len(frames), channels):
        for i in range(channels):
            frame[i] = frames[at + i]
        run.take(frame)
        if run.stage == FAILED:
            return run
        while run.windows >= plan.windows and (run.stage == JUDGE or run.between >= between):
            run.work()
            if run.stage >= DONE:
                return run
    raise ValueError("frames")


def model_file(plan, shape, standardize, parameters, about, still, golden):
    """The bytes of the model file. about: what else its meta section says; still: channels that never moved."""
    source = plan.source
    meta = [("unseen", ",".join([str(i) for i in still]))] if still else []
    meta += [("name", plan.name), ("sensor", source.sensor), ("units", ",".join(source.units))]
    meta += [("scales", ",".join(source.scales)), ("false_alarms", plan.budget), ("created_by", "offbeat " + VERSION)]
    meta += sorted(about.items())
    meta.append(("channels", ",".join(source.channels)))
    text = "\n".join(["%s=%s" % (key, " ".join(str(value).split())) for key, value in meta])
    body = section(modelfile.META, text.encode())
    features = [struct.pack("<BBHHH", kind, channel, first, bins, 0) for kind, channel, first, bins in plan.features]
    body += section(modelfile.FEATURES, b"".join(features))
    if len(shape.sine):
        body += section(modelfile.SINE, bytes(shape.sine))
    body += section(modelfile.STANDARDIZE, standardize)
    body += section(modelfile.PARAMETERS, parameters)
    if len(shape.baseline):
        body += section(modelfile.BASELINE, bytes(shape.baseline))
    body += section(modelfile.DECISION, struct.pack("<BBHHH", *(DECISION + (0,))))
    body += section(modelfile.GOLDEN, golden, modelfile.OPTIONAL)
    return assemble(_GAUSSIAN, shape.channels, plan.window, plan.hop, source.rate_millihertz, body)
