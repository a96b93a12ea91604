"""Slow adaptation: the centres of the features follow normal running, within bounds. docs/learning.md.

The rule is the baseline's, docs/pipeline.md, at another pace and with another memory: it stops in an alarm, it outlives
a restart, and what it has followed is measured against the model as it was commissioned. A score comes from an ordinary
model all the while, whose centres move now and then, when that is noted: adapted() makes the same model of the note.
"""

import struct
from array import array

from . import families, modelfile
from .checksum import crc32
from .detector import Detector
from .fit import reason_names
from .kernels import without_baseline
from .modelwriter import assemble, section

FOLLOWS = 3277  # 2**-15 standard deviations an hour: a tenth of one
LIMIT = 128
"""Score of the drift, by the commissioned model, from which on it is an alarm and is followed no further: half of what
a window may have."""
CALM = 112  # below it, the alarm ends
STEP = 6  # 1/128 standard deviations: what moved less is not worth a note

_HEAD = "<16sHH"  # identity of the commissioned model, features, 1 in a drift alarm
_HIGHEST = 8191


def can_adapt(model, detector):
    """Whether a model's centres can follow: not where scores remember, and not inside the C runtime."""
    return not hasattr(detector.scorer, "reset") and hasattr(detector.features, "scales")


class Adaptation:
    """What normal running has moved by. window() after each score allocates nothing; commit() when `due`.

    model: parsed, as commissioned; drift: array('h') [F], 1/128 standard deviations, as noted last; alarm: the drift
    is too large; score: of the drift. period: windows from one look to the next, an hour; follows: by how much a centre
    moves in an hour at most, 2**-15 standard deviations; detector: scores with the centres as they are now.
    """

    def __init__(self, model, drift=None, alarm=False, period=0, follows=FOLLOWS):
        count = len(model.features)
        self.model = model
        self.drift = array("h", drift or [0] * count)
        self.alarm = alarm
        self.score = 0
        self.due = False
        hour = max(1, 3600 * model.rate_millihertz // (1000 * model.hop))
        self.period = period or hour
        self._every = -(-hour // follows)
        step = follows * self._every // hour
        # what the model's own baseline follows is followed already
        followed = [_word(model.baseline, j) > 0 for j in range(count)] if len(model.baseline) else [False] * count
        self._slew = array("h", [0 if followed[j] else min(step, 32767) for j in range(count)])
        self._following = array("i", [256 * drifted for drifted in self.drift])
        self._windows = 0
        self._scorer = families.module(model.family).Scorer(model.parameters, count)
        self._vector = array("h", [0] * max(self._scorer.room(), count))
        self.detector = Detector(model)
        self.detector.stateful = True  # what the host sends is scored as commissioned
        self._move()

    def _move(self):
        scales = array("h", moved(self.model.standardize, self.drift))
        self.detector.features.scales = scales  # type: ignore[attr-defined]

    def window(self):
        """After the detector's next window."""
        self._windows += 1
        if self._windows % self._every == 0 and not self.detector.decision.alarm:
            vector, live, drift = self._vector, self.detector.features.vector, self.drift
            for j in range(len(drift)):
                x = live[j] + drift[j]
                vector[j] = _HIGHEST if x > _HIGHEST else -_HIGHEST if x < -_HIGHEST else x
            without_baseline(vector, self._slew, self._following, len(drift))
        if self._windows >= self.period:
            self.due = True

    def commit(self):
        """Look where normal running is; True where that is worth a note: drift, alarm and score have changed."""
        self.due = False
        self._windows = 0
        own = self.detector.features.baseline  # type: ignore[attr-defined]
        found = array("h", [(followed + 128) >> 8 for followed in self._following])
        for j in range(len(found)):
            total = found[j] + (((own[j] + 128) >> 8) if len(own) else 0)
            self._vector[j] = max(min(total, _HIGHEST), -_HIGHEST)
        self.score = self._scorer.score(self._vector)
        was = self.alarm
        self.alarm = self.score >= (CALM if was else LIMIT)
        if self.score >= LIMIT:
            for j in range(len(found)):
                self._following[j] = 256 * self.drift[j]
            return self.alarm != was
        apart = [abs(found[j] - self.drift[j]) for j in range(len(found))]
        if max(apart) < STEP and self.alarm == was:
            return False
        self.drift = found
        self._move()
        return True

    def reasons(self, most):
        """Names of what has drifted most, by its part of the last score: tuples (contribution, number, name)."""
        self._scorer.explain(self._vector)
        parts = [(self._scorer.contribution(self._vector, j), j) for j in range(len(self.drift))]
        parts.sort(reverse=True)
        names = reason_names(self.model)
        return [(part, j, names[j]) for part, j in parts[:most] if part > 0]

    def saved(self):
        """What outlives a restart, as bytes."""
        head = struct.pack(_HEAD, self.model.identity.encode(), len(self.drift), 1 if self.alarm else 0)
        data = head + bytes(self.drift)
        return data + struct.pack("<I", crc32(data) & 0xFFFFFFFF)


def restored(model, data):
    """The Adaptation of a model that saved() wrote; None where the bytes are not of this model, or damaged."""
    count = len(model.features)
    size = struct.calcsize(_HEAD)
    if len(data) != size + 2 * count + 4 or crc32(data[:-4]) & 0xFFFFFFFF != struct.unpack("<I", data[-4:])[0]:
        return None
    identity, own, alarm = struct.unpack_from(_HEAD, data, 0)
    if bytes(identity).decode() != model.identity or own != count:
        return None
    return Adaptation(model, array("h", data[size:-4]), alarm == 1)


def moved(standardize, drift):
    """The standardizing section, bytes, with each centre moved by its drift, 1/128 standard deviations."""
    found = b""
    for j in range(len(drift)):
        centre, multiplier, first, second = struct.unpack_from("<iHBB", standardize, 8 * j)
        if multiplier:
            centre += ((drift[j] << (first + second + 1)) + multiplier) // (2 * multiplier)
        centre = max(min(centre, (1 << 29) - 1), 1 - (1 << 29))
        found += struct.pack("<iHBB", centre, multiplier, first, second)
    return found


def adapted(data, drift):
    """The model file whose centres have moved, of the commissioned one; golden scores are those of the moved centres.

    data: bytes of a model file; drift: 1/128 standard deviations, one a feature. Raises ModelError for another count.
    """
    model = modelfile.parse(data)
    if len(drift) != len(model.features):
        raise modelfile.ModelError("the drift is of another number of features than the model has")
    change = {modelfile.STANDARDIZE: moved(model.standardize, drift)}
    meta = bytes(model_section(data, modelfile.META)).decode()
    meta = "adapted_from=%s\ndrift=%s\n" % (model.identity, ",".join([str(d) for d in drift])) + meta
    change[modelfile.META] = meta.encode()
    if len(model.golden):
        change[modelfile.GOLDEN] = _golden(modelfile.parse(_changed(data, model, change)))
    return _changed(data, model, change)


def model_section(data, kind):
    """The payload of a section of a model file."""
    view = memoryview(data)
    for own, _, at, length in modelfile.walk(view, modelfile.HEADER, len(data) - modelfile.TRAILER):
        if own == kind:
            return view[at : at + length]
    return view[:0]


def _changed(data, model, change):
    body = b""
    for kind, flags, at, length in modelfile.walk(data, modelfile.HEADER, len(data) - modelfile.TRAILER):
        body += section(kind, change.get(kind) or bytes(data[at : at + length]), flags)
    return assemble(model.family, model.channels, model.window, model.hop, model.rate_millihertz, body)


def _golden(model):
    vectors = model.golden_windows()
    detector = Detector(model)
    found = struct.pack("<HH", len(vectors), 0)
    for features, _, window in vectors:
        detector.reset()
        score = detector.measure(array("h", bytes(window)), 0, model.window)
        found += bytes(features) + struct.pack("<i", score) + bytes(window) + bytes(-len(window) % 4)
    return found


def _word(section, j):
    return struct.unpack_from("<H", section, 2 * j)[0]
