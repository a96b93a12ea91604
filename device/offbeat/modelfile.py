"""The model file, read: one binary file that is trained, exported, pushed and rolled back as a whole.

The format is docs/model-file.md. This reader runs under CPython and MicroPython; the writer is the trainer's.
Whatever is wrong with a file is a ModelError with a reason; a file that parses is safe to score with.
"""

import struct

from . import families
from .checksum import crc32

try:
    from hashlib import sha256
except ImportError:  # samd21, nrf51, nrf52832, micro:bit: CRC-32 alone guards the file there
    sha256 = None  # type: ignore[assignment, misc]

MAGIC = b"BEAT"
VERSION = 2
"""Of the format and of the arithmetic that its numbers mean: files of another one would be scored wrongly.
2: spectrum by radix 4, sine table in Q14."""
HEADER = 32
TRAILER = 36

META, FEATURES, SINE, STANDARDIZE, PARAMETERS, DECISION, GOLDEN, BASELINE = 1, 2, 3, 4, 5, 6, 7, 8
OPTIONAL = 1
"""Flag of a section that a reader may pass over when it does not know the kind."""

_UNIT_CIRCLE = 1 << 28  # 16384^2
_ROUNDING = 23171  # what rounding to half a unit does to it: 16384 * sqrt(2) and a quarter

BAND, CORRELATION, CHANGE = 7, 8, 9
"""Numbers of the feature kinds that take more than the channel; higher ones are unknown to this reader."""


class ModelError(ValueError):
    """A model file that cannot be used; the message says why."""


def _need(condition, why):
    if not condition:
        raise ModelError(why)


class Model:
    """A parsed model file.

    identity: 16 hex digits; family: number; channels, window, hop (samples); rate_millihertz;
    meta: dict of text; features: tuples (kind, channel, first, bins); sine, standardize, parameters, baseline:
    memoryviews of int16 words, little-endian, sine and baseline empty where the model has none;
    decision: (k, n, release, holdoff);
    golden: memoryview of the golden section, empty where the file has none.
    """

    def __init__(self, header, sections, digest):
        (_, _, self.family, self.channels, _, _, self.window, self.hop, self.rate_millihertz) = header
        self.identity = "".join("%02x" % byte for byte in digest[:8])
        _need(1 <= self.channels <= 32, "the model has no channels, or more than 32")
        _need(8 <= self.window <= 1024, "the model's window is not between 8 and 1024 samples")
        _need(1 <= self.hop <= self.window, "the model's hop is not between 1 sample and its window")
        _need(self.rate_millihertz > 0, "the model has no sampling rate")
        for kind in (META, FEATURES, STANDARDIZE, PARAMETERS, DECISION):
            _need(kind in sections, "the model file lacks section %d" % kind)
        self.meta = _meta(sections[META])
        self.features = _features(sections[FEATURES], self.channels, self.window)
        self.sine = _sine(sections.get(SINE), self.features, self.window)
        self.standardize = _standardize(sections[STANDARDIZE], len(self.features))
        self.parameters = sections[PARAMETERS]
        why = families.check(self.family, self.parameters, len(self.features))
        _need(not why, why)
        self.baseline = _baseline(sections.get(BASELINE, memoryview(b"")), len(self.features))
        self.decision = _decision(sections[DECISION])
        self.golden = sections.get(GOLDEN, memoryview(b""))
        self.golden_windows()  # refuses a section that its count does not fit

    @property
    def name(self):
        """Name of the model, free text of its meta section."""
        return self.meta.get("name", "")

    def unseen_channel(self, j):
        """The channel of feature j that never moved in training, by which an alarm's reason names it; -1: none."""
        kind, channel, other, _ = self.features[j]
        unseen = self.meta.get("unseen", "").split(",")
        if str(channel) in unseen:
            return channel
        return other if kind == CORRELATION and str(other) in unseen else -1

    def golden_windows(self):
        """Golden vectors as tuples (features bytes: int32 x F, score, window bytes: int16 x N x C)."""
        return golden_windows(self.golden, len(self.features), self.window * self.channels)


def golden_windows(section, features, samples):
    """Split a golden section; raises ModelError where its length is not what its count says."""
    if not len(section):
        return []
    _need(len(section) >= 4, "the golden vectors are cut short")
    (count,) = struct.unpack_from("<H", section, 0)
    size = 4 * features + 4 + (2 * samples + 3) // 4 * 4
    _need(len(section) == 4 + count * size, "the golden vectors are cut short")
    result = []
    for i in range(count):
        at = 4 + i * size
        (score,) = struct.unpack_from("<i", section, at + 4 * features)
        window = at + 4 * features + 4
        result.append((section[at : at + 4 * features], score, section[window : window + 2 * samples]))
    return result


def _meta(section):
    meta = {}
    try:
        text = bytes(section).decode()
    except (UnicodeError, ValueError):
        raise ModelError("the model's meta section is not text")
    for line in text.split("\n"):
        if line:
            key, mark, value = line.partition("=")
            _need(mark, "a line of the model's meta section has no '='")
            meta[key] = value
    return meta


def _features(section, channels, window):
    _need(len(section) % 8 == 0 and 0 < len(section) <= 8 * 255, "the feature list has a wrong length")
    features = []
    last = 0
    spectrum = -1
    for at in range(0, len(section), 8):
        kind, channel, first, bins, _ = struct.unpack_from("<BBHHH", section, at)
        _need(kind <= CHANGE, "the model asks for feature kind %d, which this version does not know" % kind)
        _need(last <= channel < channels, "a feature's channel is out of range or out of order")
        if kind == BAND:
            _need(window >= 16 and window & (window - 1) == 0, "bands need a power of two as window")
            _need(first >= 1 and bins >= 1 and first + bins <= window // 2, "a band lies outside the spectrum")
            spectrum = channel
        if kind == CORRELATION:
            _need(first < channels and first != channel, "a correlation's other channel is out of range")
            # the spectrum is made in the place of the samples that a correlation needs
            _need(spectrum != channel, "a correlation comes after a band of its channel")
        if kind == CHANGE:
            _need(1 <= first <= window // 2, "a change is longer than half the window, or empty")
        last = channel
        features.append((kind, channel, first, bins))
    return features


def _sine(section, features, window):
    for feature in features:
        if feature[0] == BAND:
            _need(section is not None, "the model has bands but no sine table")
            quarter = window // 4
            _need(len(section) == 2 * (quarter + 1), "the sine table has a wrong length")
            for i in range(quarter + 1):
                (sine,) = struct.unpack_from("<h", section, 2 * i)
                (cosine,) = struct.unpack_from("<h", section, 2 * (quarter - i))
                _need(sine >= 0, "the sine table has a negative entry")
                # Any other table could let the transform grow: sine^2 + cosine^2 is 1, and 2 sine cosine the sine of
                # twice the angle, which leaves no choice from the half of the right angle down.
                off = sine * sine + cosine * cosine - _UNIT_CIRCLE
                _need(-_ROUNDING <= off <= _ROUNDING, "the sine table holds no sine")
                if 2 * i <= quarter:
                    (double,) = struct.unpack_from("<h", section, 4 * i)
                    _need(sine <= cosine and -2 <= (sine * cosine >> 13) - double <= 2, "the sine table holds no sine")
            return section
    return memoryview(b"")


def _standardize(section, count):
    _need(len(section) == 8 * count, "the standardizing section has a wrong length")
    for at in range(0, len(section), 8):
        centre, multiplier, first, second = struct.unpack_from("<iHBB", section, at)
        _need(-(1 << 29) < centre < 1 << 29, "a feature's centre is out of range")
        _need(multiplier <= 16383 and first <= 15 and 1 <= second <= 15, "a feature's scale is out of range")
    return section


def _baseline(section, count):
    _need(len(section) in (0, 2 * count), "the baseline section has a wrong length")
    for j in range(len(section) // 2):
        _need(struct.unpack_from("<H", section, 2 * j)[0] <= 32767, "a feature's slew is out of range")
    return section


def _decision(section):
    _need(len(section) == 8, "the decision section has a wrong length")
    k, n, release, holdoff, _ = struct.unpack_from("<BBHHH", section, 0)
    _need(1 <= k <= n <= 16 and release <= 256, "the decision's numbers are out of range")
    return k, n, release, holdoff


def _header(data):
    _need(len(data) >= HEADER + TRAILER, "the model file is truncated")
    _need(bytes(data[:4]) == MAGIC, "this is not an offbeat model file")
    header = struct.unpack_from("<4sBBBBIHHI", data, 0)
    version = header[1]
    _need(version >= 1, "the model file has format 0, which never was")
    _need(version <= VERSION, "the model file has format %d, this version reads %d" % (version, VERSION))
    _need(version == VERSION, "the model file has format %d, from before the arithmetic changed: train again" % version)
    return header


def walk(data, start, stop):
    """Yield (kind, flags, offset, length) of the sections between two offsets."""
    at = start
    while at < stop:
        _need(at + 8 <= stop, "a section of the model file is cut short")
        kind, flags, _, length = struct.unpack_from("<BBHI", data, at)
        padded = (length + 3) // 4 * 4
        _need(length <= stop - at - 8 and padded <= stop - at - 8, "a section of the model file is too long")
        yield kind, flags, at + 8, length
        at += 8 + padded


def parse(data):
    """Read a whole model file from bytes; the sections stay views of `data`. Raises ModelError."""
    view = memoryview(data)
    header = _header(view)
    length = header[5]
    _need(length == len(view), "the model file is truncated or has bytes too many")
    (stored,) = struct.unpack_from("<I", view, length - 4)
    _need(crc32(view[: length - 4]) & 0xFFFFFFFF == stored, "the model file is damaged: its CRC-32 differs")
    body = length - TRAILER
    digest = bytes(view[body : body + 32])
    if sha256 is not None:
        _need(sha256(view[:body]).digest() == digest, "the model file is damaged: its SHA-256 differs")
    sections = {}
    for kind, flags, at, size in walk(view, HEADER, body):
        if kind > BASELINE or kind < META:
            _need(flags & OPTIONAL, "the model file needs section %d, which this version does not know" % kind)
        else:
            _need(kind not in sections, "section %d stands twice in the model file" % kind)
            sections[kind] = view[at : at + size]
    return Model(header, sections, digest)


def load(path):
    """Read the model file at `path` whole. Raises ModelError, and OSError where it cannot be opened."""
    with open(path, "rb") as file:
        return parse(file.read())
