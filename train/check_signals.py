"""What the samples themselves tell: the findings on each channel, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from offbeat.device.quality import VIBRATION

from .check_data import looks_like_labels
from .check_drift import Drift, drift_of, stationarity
from .check_levels import clipping, life, resolution
from .check_quality import unfit_windows
from .check_report import ChannelFacts, Finding, worst
from .check_spectrum import EDGE, Spectrum, aliasing, window_length
from .check_survey import Survey
from .check_time import gaps, jitter
from .choose import FEATURE_SETS, least_deviations
from .features import KINDS, Feature
from .recording import RecordingReader

__all__ = ["Signals"]

_OF_VIBRATION = {KINDS[kind] for kind in VIBRATION}
_LEAST_SHIFT = 0.1  # of the RMS: a mean that moves less is no drift of a vibration


class Signals:
    """The channels of a survey, each judged by what is watched of it.

    reader: of any of the recordings; kinds: features that training would choose: they tell which channels are slow.
    """

    def __init__(self, reader: RecordingReader, survey: Survey, kinds: Sequence[Feature]) -> None:
        self._names, self._units, self._scales = reader.channels, reader.units, reader.scales
        self._survey = survey
        vibrating = {feature.channel for feature in kinds if feature.kind in _OF_VIBRATION}
        self._slow = [i not in vibrating for i in range(len(reader.channels))]
        self._known = [i for i, levels in enumerate(survey.levels) if levels.samples]
        self.suspects = [] if reader.has_labels else [self._names[i] for i in self._known if self._suspicious(i)]
        self._measured = [i for i in self._known if self._names[i] not in self.suspects]
        self._live = [i for i in self._measured if len(survey.levels[i].seen) > 1]
        self._spectra: dict[int, Spectrum | None] = {i: survey.spectra.of(i) for i in self._live}
        self._drifts = self._find_drifts(reader)

    def _suspicious(self, channel: int) -> bool:
        """Whether a channel looks like labels."""
        return looks_like_labels(self._names[channel], self._survey.levels[channel], self._still(channel))

    def _find_drifts(self, reader: RecordingReader) -> list[Drift]:
        least = least_deviations(reader, self._survey.kinds)
        for j, kind in enumerate(self._survey.kinds):
            if kind.kind == "mean" and kind.channel in self._live and not self._slow[kind.channel]:
                least[j] = max(least[j], _LEAST_SHIFT * 16 * self._rms(kind.channel))
        found = drift_of(self._survey.cells, self._survey.kinds, least)
        slow_kinds = FEATURE_SETS["slow"]
        return [
            drift
            for drift in found
            if drift.feature.channel in self._live
            and (drift.feature.kind in slow_kinds or not self._slow[drift.feature.channel])
        ]

    def _shaking(self) -> tuple[list[str], list[Spectrum | None]]:
        """Names and spectra of the channels that are watched for their vibration."""
        chosen = [i for i in self._live if not self._slow[i]]
        return [self._names[i] for i in chosen], [self._spectra[i] for i in chosen]

    def _still(self, channel: int) -> float | None:
        """Share of the windows in which a channel does not move."""
        windows = self._survey.looked_at
        return float(self._survey.silent[channel]) / windows if windows else None

    def _rms(self, channel: int) -> float:
        """Typical RMS within a window, in counts: the mean of its logarithm; of all samples where there is none."""
        means = self._survey.cells.means
        if not len(means):
            return self._survey.levels[channel].deviation
        return float(2 ** (means[:, 3 * channel + 1].mean() / 1024))

    def findings(self) -> list[Finding]:
        """Time, dead channels, clipping, resolution, stationarity, aliasing, window; those that can be judged."""
        survey, live = self._survey, self._live
        spectra = [self._spectra[i] for i in live]
        heard = [s.rms_frequency for i, s in self._spectra.items() if s and not s.silent and not self._slow[i]]
        found = [
            jitter(survey.timing, max(heard, default=0.0), survey.rate),
            gaps(survey.timing, survey.seconds, survey.window, survey.rate),
            unfit_windows(survey.windows, survey.unfit),
        ]
        if self._measured:
            names = [self._names[i] for i in self._measured]
            still = [None if self._slow[i] else self._still(i) for i in self._measured]
            found.append(life(names, [survey.levels[i] for i in self._measured], still))
        if not live:
            return found
        names, levels = [self._names[i] for i in live], [survey.levels[i] for i in live]
        slow = [self._slow[i] for i in live]
        floors = [np.nan if spectrum is None else spectrum.floor for spectrum in spectra]
        return [
            *found,
            clipping(names, levels),
            resolution(names, levels, [self._rms(i) for i in live], slow, floors),
            stationarity(self._names, self._drifts, self._units, self._scales, survey.window / survey.rate),
            aliasing(*self._shaking()),
            window_length(*self._shaking(), survey.window, survey.rate),
        ]

    def facts(self, findings: Sequence[Finding]) -> tuple[ChannelFacts, ...]:
        """Numbers of each channel that has normal samples; findings: that give it its verdict."""
        return tuple(self._fact(i, findings) for i in self._known)

    def _fact(self, i: int, findings: Sequence[Finding]) -> ChannelFacts:
        levels, spectrum, name = self._survey.levels[i], self._spectra.get(i), self._names[i]
        heard = spectrum if spectrum and not spectrum.silent else None
        seen = levels.seen
        return ChannelFacts(
            name=name,
            unit=self._units[i],
            scale=float(self._scales[i]),
            verdict=worst([finding.channels[name] for finding in findings if name in finding.channels]),
            slow=self._slow[i],
            lowest=int(seen[0]),
            highest=int(seen[-1]),
            step=levels.step,
            levels=len(seen),
            bits=levels.bits,
            rms=self._rms(i),
            noise_floor=heard.floor if heard else None,
            clipped=levels.clipped,
            still=self._still(i),
            frequencies=tuple(line.frequency for line in heard.lines) if heard else (),
            at_edge=heard.share(EDGE, 1) if heard else None,
            wander=max((drift.wander for drift in self._drifts if drift.feature.channel == i), default=None),
        )
