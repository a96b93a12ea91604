"""What the fit check says: findings with a verdict each, and the one that follows from all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["ChannelFacts", "Finding", "FitReport", "Opinion", "Verdict", "over_channels", "worst"]

Verdict = Literal["good", "care", "no"]

_ORDER: tuple[Verdict, ...] = ("good", "care", "no")
_TOO_MANY = 2 / 3
_NAMED = 3  # channels that a sentence names before it counts the rest


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of some verdicts; good where there is none."""
    return max(verdicts, key=_ORDER.index, default="good")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    name: what; verdict: good, care, or no where it alone rules the job out; sentence: what was found, with its
    numbers; advice: what would help, "" where nothing needs help; channels: verdict of each channel, by name, where
    channels differ.
    """

    name: str
    verdict: Verdict
    sentence: str
    advice: str = ""
    channels: Mapping[str, Verdict] = field(default_factory=dict)


@dataclass(frozen=True)
class Opinion:
    """What was found of one channel: words that go on where its name stops, for instance ``is constant``."""

    channel: str
    verdict: Verdict
    words: str


def over_channels(name: str, opinions: Sequence[Opinion], good: str, advice: str) -> Finding:
    """One finding of several channels.

    A channel that is no good can be left out. More than two thirds of them rule the job out: what is left of a dead
    3-axis accelerometer is its thermometer. good: the sentence where all are good; advice: what would help where
    they are not.
    """
    channels = {opinion.channel: opinion.verdict for opinion in opinions}
    bad = [opinion for opinion in opinions if opinion.verdict != "good"]
    if not bad:
        return Finding(name, "good", good, "", channels)
    useless = sum(opinion.verdict == "no" for opinion in opinions)
    verdict: Verdict = "no" if useless > _TOO_MANY * len(opinions) else "care"
    bad.sort(key=lambda opinion: -_ORDER.index(opinion.verdict))
    named = [f"{opinion.channel} {opinion.words}" for opinion in bad[:_NAMED]]
    if len(bad) > _NAMED:
        more = len(bad) - _NAMED
        named.append("and one more channel" if more == 1 else f"and {more} more channels")
    return Finding(name, verdict, "; ".join(named), advice, channels)


@dataclass(frozen=True)
class ChannelFacts:
    """Numbers of one channel, over the normal rows.

    slow: whether its mean is watched, not its spectrum; lowest, highest: counts; step: counts between neighbouring
    levels; levels: distinct counts; bits: log2 of the levels that its range holds; rms: typical RMS about the mean
    within a window, in counts; noise_floor: RMS in counts of white noise as strong as the quiet parts of the
    spectrum; clipped, still: shares of the samples that stand at an end of the range, of the windows without any
    movement; frequencies: Hz of the main lines, strongest first; at_edge: share of the power in the last tenth below
    half the rate; wander: standard deviation of the means of blocks of time over that within the blocks, of the
    feature where it is largest. None: not to be known from these recordings.
    """

    name: str
    unit: str
    scale: float
    verdict: Verdict
    slow: bool
    lowest: int
    highest: int
    step: int
    levels: int
    bits: float
    rms: float
    noise_floor: float | None
    clipped: float
    still: float | None
    frequencies: tuple[float, ...]
    at_edge: float | None
    wander: float | None


@dataclass(frozen=True)
class FitReport:
    """Whether these recordings are a job for the edge.

    recordings: paths; rate: Hz; window, hop: samples that were assumed; seconds: recorded, without gaps;
    normal_seconds: of them in normal windows; findings: all that was looked at; channels: numbers of each;
    numbers: of the estimates, by name, bytes, seconds and counts as the names say.
    """

    recordings: tuple[str, ...]
    rate: float
    window: int
    hop: int
    seconds: float
    normal_seconds: float
    findings: tuple[Finding, ...]
    channels: tuple[ChannelFacts, ...]
    numbers: Mapping[str, float | None]

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings."""
        return worst([finding.verdict for finding in self.findings])

    @property
    def fits(self) -> bool:
        """Whether nothing rules the job out."""
        return self.verdict != "no"

    def finding(self, name: str) -> Finding:
        """The finding of that name. Raises KeyError."""
        return {finding.name: finding for finding in self.findings}[name]

    @property
    def conclusion(self) -> str:
        """The verdict in plain words: "a job for the edge", "... with care: ..." or "not here, because ..."."""
        against = [finding for finding in self.findings if finding.verdict == "no"]
        if against:
            return "not here, because " + "; and because ".join(_reason(finding) for finding in against)
        mind = [finding.name for finding in self.findings if finding.verdict == "care"]
        return f"a job for the edge, with care: {_listed(mind)}" if mind else "a job for the edge"

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for ``--json``; no value is NaN or infinite."""
        return {
            "verdict": self.verdict,
            "conclusion": self.conclusion,
            "recordings": list(self.recordings),
            "rate": self.rate,
            "window": self.window,
            "hop": self.hop,
            "seconds": self.seconds,
            "normal_seconds": self.normal_seconds,
            "findings": [{**asdict(finding), "channels": dict(finding.channels)} for finding in self.findings],
            "channels": [{**asdict(facts), "frequencies": list(facts.frequencies)} for facts in self.channels],
            "numbers": dict(self.numbers),
        }


def _reason(finding: Finding) -> str:
    return f"{finding.sentence} ({finding.advice})" if finding.advice else finding.sentence


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
