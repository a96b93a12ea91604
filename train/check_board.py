"""Whether a board can hold the smallest useful model, and has the time to run it: estimates, before there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from .check_report import Finding
from .choose import FEATURE_SETS
from .cost import Cost, cost_of
from .families.gaussian import Gaussian
from .families.kmeans import KMeans
from .features import MIN_WINDOW, Feature
from .limits import size_in_words, time_in_words

__all__ = ["memory", "need_of", "smallest_features", "time_to_run"]

_BUSY: Final = 0.5


def smallest_features(kinds: Sequence[Feature]) -> list[Feature]:
    """The fewest features that are worth a model: the mean of a slow channel, of another one RMS and mean absolute
    difference. kinds: what training would choose."""
    vibrating = {feature.channel for feature in kinds if feature.kind == "mean_abs_difference"}
    smallest = []
    for channel in sorted({feature.channel for feature in kinds}):
        chosen = ("rms", "mean_abs_difference") if channel in vibrating else FEATURE_SETS["level"]
        smallest += [Feature(kind, channel) for kind in chosen]
    return smallest


def need_of(kinds: Sequence[Feature], family: str, window: int, hop: int, channels: int) -> Cost:
    """What a model of these features takes, before there is one. family: gaussian, or kmeans with one centroid."""
    blank = np.zeros((len(kinds), len(kinds)), dtype=np.int32)
    one = np.zeros(1, dtype=np.int32)
    model = Gaussian(blank, blank[0] + 6) if family == "gaussian" else KMeans(blank[:1], one.astype(float), one, one)
    return cost_of(kinds, model, window, hop, channels)


def memory(usual: Cost, smallest: Cost, flash: int | None, ram: int | None, largest_window: int) -> Finding:
    """Whether a board of so many bytes holds the model; None: nobody said.

    usual: what training makes by default; smallest: the least that is worth having; largest_window: the longest
    power of two with which the smallest fits ram, 0 where there is none.
    """
    sentence = f"a model takes about {_pair(usual)} with the C runtime, the smallest useful one {_pair(smallest)}"
    wanted = [(flash, "flash", usual.flash, smallest.flash), (ram, "RAM", usual.ram, smallest.ram)]
    limits = [(limit, name, most, least) for limit, name, most, least in wanted if limit is not None]
    if not limits:
        return Finding("memory", "good", sentence)
    stated = " and ".join(f"{size_in_words(limit)} of {name}" for limit, name, _, _ in limits)
    short = [name for limit, name, _, least in limits if least > limit]
    if short:
        advice = "take a bigger board, or fewer channels with --channels"
        if "RAM" in short and largest_window >= MIN_WINDOW:
            advice += f"; with --window {largest_window} the samples fit"
        least = f"even the smallest useful model takes about {_pair(smallest)} with the C runtime"
        return Finding("memory", "no", f"{least}, and the board has {stated}", advice)
    tight = [name for limit, name, most, _ in limits if most > limit]
    if tight:
        advice = "take features that are cheaper (--features time or slow), --family kmeans, or a shorter --window"
        return Finding("memory", "care", f"{sentence}: of {stated} only the smaller one fits", advice)
    return Finding("memory", "good", f"{sentence}, and {stated} are there")


def _pair(need: Cost) -> str:
    return f"{size_in_words(need.flash)} of flash and {size_in_words(need.ram)} of RAM"


def time_to_run(usual: Cost, smallest: Cost, clock: float, hop_seconds: float, latency: float | None) -> Finding:
    """Whether a window is done before the next one is due, and within a latency in seconds where one was asked for.

    clock: Hz of a core like a Cortex-M0+ or M3.
    """
    slow, fast = (need.seconds(clock) for need in (usual, smallest))
    sentence = (
        f"a window takes some {time_in_words(slow)} at {clock / 1e6:g} MHz, the smallest useful model "
        f"{time_in_words(fast)}; the next is due after {time_in_words(hop_seconds)}"
    )
    allowed = hop_seconds if latency is None else min(hop_seconds, latency)
    if latency is not None:
        sentence += f", and {time_in_words(latency)} were allowed"
    if fast > allowed:
        advice = (
            "take a faster board, fewer channels, a lower rate or a shorter --window"
            if latency is not None and latency < hop_seconds
            else "take a faster board, fewer channels, a lower rate or a longer --hop"
        )
        least = f"even the smallest useful model takes some {time_in_words(fast)} a window at {clock / 1e6:g} MHz"
        return Finding("time", "no", f"{least}, and {time_in_words(allowed)} are allowed", advice)
    if slow > min(allowed, _BUSY * hop_seconds):
        advice = "a longer --hop or cheaper features (--features time) leave the core more time for the rest"
        return Finding("time", "care", sentence, advice)
    return Finding("time", "good", sentence)
