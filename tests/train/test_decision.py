"""Alarms in NumPy and in the board's Decision are the same; hysteresis and hold-off do what their words say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offbeat.device.detector import Decision as BoardDecision
from offbeat.train.decision import alarm_starts, alarms, level
from offbeat.train.modelfile import Decision

SCORES = st.lists(st.one_of(st.integers(0, 600), st.sampled_from([0, 223, 224, 255, 256, 257, 32766])), max_size=120)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    n = draw(st.integers(1, 16))
    holdoff = draw(st.one_of(st.integers(0, 12), st.just(65535)))
    return Decision(draw(st.integers(1, n)), n, draw(st.integers(0, 256)), holdoff)


@settings(deadline=None, max_examples=300)
@given(scores=SCORES, decision=decisions())
def test_the_board_decides_as_numpy_does(scores: list[int], decision: Decision) -> None:
    expected = alarms(np.array(scores, dtype=np.int32), decision)
    board = BoardDecision(decision.k, decision.n, decision.release, decision.holdoff)
    before = False
    for score, alarm in zip(scores, expected.tolist(), strict=True):
        changed = board.update(score)
        assert board.alarm == alarm
        assert changed == (alarm != before)
        before = alarm


@settings(deadline=None, max_examples=200)
@given(scores=SCORES, decision=decisions())
def test_no_alarm_starts_without_k_of_n_or_ends_without_n_quiet(scores: list[int], decision: Decision) -> None:
    alarm = alarms(np.array(scores, dtype=np.int32), decision)
    ended = None
    for i, on in enumerate(alarm.tolist()):
        before = bool(alarm[i - 1]) if i else False
        last = scores[max(0, i - decision.n + 1) : i + 1]
        if on and not before:
            assert sum(score >= 256 for score in last) >= decision.k
            if ended is not None:
                assert i - ended >= max(decision.holdoff, 1), "hold-off keeps the next one away"
                recent = scores[max(ended + 1, i - decision.n + 1) : i + 1]
                assert sum(score >= 256 for score in recent) >= decision.k, "windows of the alarm before do not count"
        if before and not on:
            assert len(last) == decision.n and all(score < decision.release for score in last)
            ended = i


@settings(deadline=None)
@given(scores=SCORES, decision=decisions(), factor=st.integers(2, 9))
def test_another_threshold_is_another_scale(scores: list[int], decision: Decision, factor: int) -> None:
    wide = np.array(scores, dtype=np.int64)
    assert np.array_equal(alarms(wide, decision), alarms(factor * wide, decision, threshold=256 * factor))


@settings(deadline=None)
@given(scores=SCORES, decision=decisions(), threshold=st.integers(1, 400))
def test_level_is_the_highest_threshold_that_would_fire(scores: list[int], decision: Decision, threshold: int) -> None:
    found = level(np.array(scores, dtype=np.int64), decision)
    for i in range(len(scores)):
        last = scores[max(0, i - decision.n + 1) : i + 1]
        assert (found[i] >= threshold) == (sum(score >= threshold for score in last) >= decision.k)


@pytest.mark.parametrize(
    ("decision", "scores", "expected"),
    [
        (Decision(1, 1, 256, 0), [255, 256, 300, 255, 256], "01101"),
        (Decision(2, 3, 256, 0), [300, 0, 0, 300, 0, 300, 0, 0, 0], "000001110"),
        (Decision(1, 2, 200, 0), [300, 230, 230, 190, 190, 0], "111100"),
        (Decision(1, 1, 256, 3), [300, 0, 300, 300, 300, 300], "100011"),
        (Decision(3, 5, 224, 0), [256] * 3 + [0] * 5, "00111110"),
    ],
)
def test_known_courses(decision: Decision, scores: list[int], expected: str) -> None:
    assert "".join(str(int(on)) for on in alarms(np.array(scores), decision)) == expected


def test_starts_are_where_an_alarm_was_not_on_before() -> None:
    assert alarm_starts(np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool)).tolist() == [0, 3, 6]
    assert alarm_starts(np.zeros(0, dtype=bool)).tolist() == []
