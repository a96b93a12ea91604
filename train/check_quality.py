"""Windows on which the board would give no verdict."""

from __future__ import annotations

from collections.abc import Mapping

from offbeat.device.quality import CLIPPED, JITTER, REASONS

from .check_report import Finding, Verdict

__all__ = ["unfit_windows"]

_SOME = 0.01
_TOO_MANY = 0.5
_WORDS = {REASONS[JITTER]: "a sample that came late", REASONS[CLIPPED]: "samples at an end of the range"}


def unfit_windows(windows: int, unfit: Mapping[str, int]) -> Finding:
    """Share of the normal windows that the board's own rule finds unfit; what stands still is another finding.

    windows: normal from end to end; unfit: of them, by the name of the reason.
    """
    found = {reason: count for reason, count in unfit.items() if count}
    if not found or not windows:
        return Finding("unfit windows", "good", "the board can judge every normal window")
    share = max(found.values()) / windows
    verdict: Verdict = "good" if share < _SOME else "care" if share <= _TOO_MANY else "no"
    each = " and ".join(f"{count / windows:.2%} of the normal windows have {_WORDS[r]}" for r, count in found.items())
    sentence = f"{each}: on such the board gives no verdict, and training leaves them out"
    if verdict == "good":
        return Finding("unfit windows", "good", sentence)
    return Finding(
        "unfit windows", verdict, sentence,
        "raise the sensor's range where it is clipped; let a timer or the sensor's own FIFO take the samples where "
        "they come late",
    )  # fmt: skip
