"""Which window and which features a channel gets, by its rate and unit: one source for the trainer and the board.

Rates are in millihertz; the trainer's may have decimals.
"""

from . import fit

FEATURE_SETS = {
    "motion": ("mean", "rms", "mean_abs_difference", "correlation"),
    "vibration": ("rms", "kurtosis", "mean_abs_difference", "band"),
    "level": ("mean",),
    "trend": ("mean", "change"),
    "slow": ("mean", "rms"),
    "time": ("rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference", "crossings"),
    "all": (
        "mean", "rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference", "crossings", "correlation", "band",
    ),
}  # fmt: skip
"""Feature kinds by the name of a set."""

VIBRATION_UNITS = ("g", "mg", "m/s2", "m/s^2", "m/s²", "mm/s", "um", "pa", "count", "counts")
TEMPERATURE_UNITS = ("degc", "°c", "c", "celsius", "k")

LEAST_DEVIATION = {"mean": 16, "crossings": 1, "correlation": 20, "change": 16}
LEAST_LOG_DEVIATION = 10
"""Smallest standard deviation to assume of a feature, in its own unit: that of one count of a mean, of one crossing, of
0.7 % of a logarithm (1/1024 octave), below what a repeated measurement shows."""
LEAST_DEGREES = 1  # a room swings by degrees over a day, which no recording of minutes shows

WANDERING = ("mean", "change", "rms")
"""Features of processes: where a model has no others, its means wander further than a recording shows."""
PROCESS_SLEW = 98
"""By how much the baseline of a process value follows, 2**-15 standard deviations a window: 0.003 of one."""
LEAST_WINDOWS = 20
"""Normal windows that a model is learned from, at least."""

_BANDS = 5
_CHANGE = 4  # a change compares two such parts of the window: the last six hours with those before, in one of a day
_MOST_PAIRED = 4  # channels of which every pair is correlated; of more, each with the next
_DAY = 86400  # s
_LONGEST_DAY = 288  # samples
_PROCESS_WINDOW = 40  # samples


def is_process(rate_millihertz):
    """Whether channels sampled so slowly (2 Hz at most) are process values such as a temperature, not vibration."""
    return rate_millihertz <= 2000


def takes_long(rate_millihertz):
    """Whether a sample takes so long (30 s at least) that a window is a day: what changes within it says something."""
    return rate_millihertz * 30 < 1000


def usual_window(rate_millihertz):
    """Samples: a power of two, a third of a second, of vibration; 40 of a process; a day where a sample takes long."""
    if takes_long(rate_millihertz):
        return min(max(int(_DAY * rate_millihertz + 500) // 1000, 24), _LONGEST_DAY)
    if rate_millihertz < 25000:
        return _PROCESS_WINDOW
    window = 32
    # the power of two next to 0.4 s by its logarithm: from one times the square root of two of it, the next
    while window < 1024 and (4 * rate_millihertz) ** 2 > 2 * (10000 * window) ** 2:
        window *= 2
    return window


def usual_hop(rate_millihertz, window):
    """Samples: one of a process, half a window of vibration."""
    return 1 if is_process(rate_millihertz) else max(window // 2, 1)


def band_edges(window, bands):
    """Split bins 1 .. window/2 - 1 into equal bands; returns (first, bins) of each, low to high."""
    usable = window // 2 - 1
    edges = [1 + usable * band // bands for band in range(bands + 1)]
    return [(edges[i], edges[i + 1] - edges[i]) for i in range(bands) if edges[i + 1] > edges[i]]


def is_slow_unit(unit):
    """Whether a unit is one of process values: known, and not one of vibration."""
    return bool(unit) and unit.lower() not in VIBRATION_UNITS


def features_of(name, window, slow):
    """The features of a set as a model file orders them, tuples (kind, channel, first, bins), kind by its number.

    slow: for each channel whether it moves slowly; such a channel gets "slow" among channels that vibrate.
    """
    mixed = not all(slow)
    vibrating = [channel for channel in range(len(slow)) if not (mixed and slow[channel])]
    features = []
    for channel in range(len(slow)):
        kinds = FEATURE_SETS["slow" if mixed and slow[channel] else name]
        if "correlation" in kinds:
            features += [(_number("correlation"), channel, b, 0) for a, b in _pairs(vibrating) if a == channel]
        for kind in kinds:
            if kind == "change":
                features.append((_number(kind), channel, max(window // _CHANGE, 1), 0))
            elif kind == "band" and window >= 16 and window & (window - 1) == 0:
                features += [(_number(kind), channel, first, bins) for first, bins in band_edges(window, _BANDS)]
            elif kind not in ("band", "correlation"):
                features.append((_number(kind), channel, 0, 0))
    return features


def _number(kind):
    return fit.KINDS.index(kind)


def _pairs(channels):
    if len(channels) <= _MOST_PAIRED:
        return [(a, b) for a in channels for b in channels if b > a]
    return [(channels[i], channels[i + 1]) for i in range(len(channels) - 1)]
