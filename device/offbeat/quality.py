"""Which windows are fit for a verdict: one rule, for the board that scores them and for the trainer that learns from
them. See docs/board.md, "No verdict".

A window is unfit, by the first of REASONS that holds, where
    lost      samples are missing in it
    bus       a transfer from the sensor failed meanwhile
    jitter    a sample came more than a quarter of its period late: late()
    clipped   a channel stands at an end of the sensor's range in more than one sample of twenty: clipped()
    stuck     a channel that must move does not, from the first sample to the last: must_move()
    silent    no sample comes
"""

REASONS = ("lost", "bus", "jitter", "clipped", "stuck", "silent")
LOST, BUS, JITTER, CLIPPED, STUCK, SILENT = range(6)
FIT = -1

LIMITS = (-32768, 32767)
"""Ends of the range of a sensor that says nothing of its own."""

VIBRATION = (2, 3, 4, 5, 6, 7)
"""Kinds of features that watch how a channel moves: peak to peak, crest, kurtosis, differences, crossings, bands."""


def late(late_by, period):
    """Whether a sample came so late that its window is unfit; both in the same unit, numbers or arrays of them.

    A quarter of a period is an error of 0.8 of the amplitude at half the sampling rate, 2 sin(pi / 8), of 0.4 at a
    quarter of it.
    """
    return 4 * late_by > period


def clipped(at_ends, window):
    """Whether so many samples at the ends of the range, of a window's, make it unfit; numbers or arrays of them."""
    return 20 * at_ends > window


def must_move(kinds, resting, channels):
    """For each of so many channels whether a window in which it stands still is unfit, as a list.

    kinds: (kind, channel) of each feature: one that is watched for its vibration must move; resting: numbers of
    channels that need not, since they stood still in training more than now and then.
    """
    moving = [False] * channels
    for kind, channel in kinds:
        if kind in VIBRATION:
            moving[channel] = channel not in resting
    return moving


def must_move_in(model):
    """must_move() of a parsed model: its meta names the channels that rested, and those that never moved."""
    resting = []
    for key in ("rests", "unseen"):
        resting += [int(channel) for channel in model.meta.get(key, "").split(",") if channel.isdigit()]
    return must_move([feature[:2] for feature in model.features], resting, model.channels)
