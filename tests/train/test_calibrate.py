"""The threshold from a budget, and what it says of the data."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import lfilter

from offbeat.train.budget import Budget, duration, parse_budget, rate_in_words
from offbeat.train.calibrate import Calibration, _trace, calibrate, rate_bound, rate_supported
from offbeat.train.decision import alarm_starts, alarms, level
from offbeat.train.errors import InputError
from offbeat.train.modelfile import Decision

SINGLE = Decision(k=1, n=1)


def chi_square(seed: int, windows: int) -> NDArray[np.int64]:
    return (np.random.default_rng(seed).chisquare(10, windows) * 1000).astype(np.int64)


def count(distances: NDArray[np.integer], decision: Decision, found: Calibration) -> int:
    return len(alarm_starts(alarms(distances, decision, found.threshold)))


def test_rule_of_three() -> None:
    assert rate_bound(0, 1.0) == pytest.approx(2.9957, abs=1e-3)
    assert rate_bound(1, 2.0) == pytest.approx(4.7439 / 2, abs=1e-3)


def test_forty_minutes_support_one_alarm_in_thirteen_minutes() -> None:
    found = calibrate(chi_square(0, 4000), 40 / 60, parse_budget("1/day"), Decision())
    assert not found.supported
    assert found.basis == "tail"
    assert "40 minutes of normal data support at best 1 alarm per 13 minutes at 95 % confidence" in found.statement
    assert "1/day takes 3.1 days of normal data" in found.statement
    assert found.alarms == 0
    assert found.threshold >= 1.2 * found.highest


def test_a_supported_budget_is_kept_on_the_data_and_uses_what_it_may() -> None:
    distances = chi_square(1, 200_000)
    decision = Decision(k=2, n=3)
    found = calibrate(distances, 1000.0, parse_budget("1/day"), decision)
    assert found.supported
    assert found.basis == "ranks"
    assert found.promised == found.high <= found.budget.per_hour
    assert count(distances, decision, found) == found.alarms > 10
    assert found.low < found.alarms / found.hours < found.high


def test_a_little_beyond_the_data_the_tail_keeps_the_budget() -> None:
    distances = chi_square(2, 20_000)
    found = calibrate(distances, 100.0, Budget("1/60 hours", 1 / 60), SINGLE)
    assert not found.supported
    assert found.high <= found.budget.per_hour < found.promised
    assert "if the tail of the levels goes on as it began" in found.statement


def test_nothing_is_promised_far_beyond_the_data() -> None:
    distances = chi_square(3, 2000)
    week, year = (calibrate(distances, 1.0, parse_budget(text), SINGLE) for text in ("1/week", "1/year"))
    assert week.threshold == year.threshold
    assert year.high == pytest.approx(year.promised / 7, rel=0.1)
    assert "not 1/year" in year.statement
    assert year.expected(1.0) == (0, 2)  # Jeffreys' posterior after no alarm in an hour, whatever the tail


def test_a_stricter_budget_never_lowers_the_threshold() -> None:
    found = [calibrate(chi_square(4, 5000), 50.0, Budget("", rate), Decision()) for rate in np.geomspace(1e-3, 5, 12)]
    assert all(strict.threshold >= loose.threshold for strict, loose in pairwise(found))


def test_heavier_tails_get_a_wider_margin() -> None:
    def margin(seed: int, heavy: bool) -> float:
        generator = np.random.default_rng(seed)
        normal = generator.standard_t(3, size=3000) if heavy else generator.normal(size=3000)
        found = calibrate((normal**2 * 1000).astype(np.int64), 1.0, parse_budget("1/day"), SINGLE)
        return found.threshold / found.highest

    light, heavy = (np.median([margin(seed, heavy) for seed in range(15)]) for heavy in (False, True))
    assert heavy > light


def test_promised_rate_holds_on_new_data_of_the_same_kind() -> None:
    kept = 0
    for seed in range(20):
        train, later = chi_square(seed, 40_000).reshape(2, -1)
        found = calibrate(train, 100.0, parse_budget("3/day"), SINGLE)
        kept += count(later, SINGLE, found) / 100.0 <= found.promised
    assert kept >= 17


def _process(kind: str, seed: int, windows: int) -> NDArray[np.int64]:
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(windows, 4))
    if kind == "autoregressive":
        noise = lfilter([np.sqrt(1 - 0.81)], [1, -0.9], noise, axis=0)
    elif kind == "heavy":
        noise = generator.standard_t(3, size=(windows, 4))
    elif kind == "drifting":
        noise += 0.5 * lfilter([0.1], [1, -0.995], generator.normal(size=(windows, 4)), axis=0)
    elif kind == "regimes":
        noise *= np.repeat(np.exp(0.15 * generator.normal(size=-(-windows // 200))), 200)[:windows, None]
    return ((noise**2).sum(axis=1) * 1000).astype(np.int64)


@pytest.mark.parametrize("kind", ["independent", "autoregressive", "heavy", "drifting", "regimes"])
@pytest.mark.parametrize("rate", [1 / 24, 5.0])
def test_realised_alarms_lie_in_the_promised_interval(kind: str, rate: float) -> None:
    inside = 0
    for seed in range(20):
        decision = (SINGLE, Decision())[seed % 2]
        both = _process(kind, seed, 12_000)
        found = calibrate(both[:4000], 4000 / 3600, Budget("", rate), decision)
        low, high = found.expected(8000 / 3600)
        inside += low <= count(both[4000:], decision, found) <= high
    assert inside >= 16  # of 20 at 90 %: fewer come in 1 of 25 cases even where the promise is exact


def test_blocks_that_differ_widen_the_promise() -> None:
    steady = chi_square(6, 20_000)
    blocks = [part * (1.5 if number % 5 == 0 else 1.0) for number, part in enumerate(np.split(steady, 20))]
    uneven = [part.astype(np.int64) for part in blocks]
    ratios = [
        (lambda found: found.high / found.low)(calibrate(data, 200.0, parse_budget("6/day"), SINGLE))
        for data in (np.split(steady, 20), uneven)
    ]
    assert ratios[1] > 1.5 * ratios[0]


def test_a_list_of_blocks_is_the_same_as_their_lengths() -> None:
    parts = np.split(chi_square(7, 3000), [700, 1100, 1500, 2100, 2200])
    lengths = [len(part) for part in parts]
    budget = parse_budget("1/hour")
    assert calibrate(parts, 20.0, budget, Decision()) == calibrate(
        np.concatenate(parts), 20.0, budget, Decision(), lengths
    )


def test_expected_counts_grow_with_time() -> None:
    found = calibrate(chi_square(8, 50_000), 500.0, parse_budget("1/day"), Decision())
    ends = [found.expected(hours) for hours in (0.01, 100.0, 1000.0)]
    assert ends[0] == (0, 0)
    assert ends[1][0] <= ends[2][0]
    assert ends[1][1] < ends[2][1]
    assert pickle.loads(pickle.dumps(found)) == found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    windows=st.integers(1, 200),
    k=st.integers(1, 3),
    more=st.integers(0, 4),
    release=st.integers(100, 256),
    holdoff=st.sampled_from([0, 1, 2, 30]),
)
def test_alarms_are_counted_as_the_board_raises_them(
    seed: int, windows: int, k: int, more: int, release: int, holdoff: int
) -> None:
    decision = Decision(k, k + more, release, holdoff)
    generator = np.random.default_rng(seed)
    distances = (generator.chisquare(3, windows) * 100 * generator.choice([1, 3], windows)).astype(np.int64)
    threshold = float(generator.choice(distances) + 1)
    trace = _trace(distances, level(distances, decision), decision, threshold * 0.8)
    on = alarms(distances, decision, threshold)
    assert trace.starts(threshold) == (len(alarm_starts(on)), on.sum())


@pytest.mark.parametrize("distances", [[0] * 50, [1000] * 50, [5], [0, 100, 200], [1] * 99 + [2**29]])
def test_hardly_any_data_give_a_threshold_beyond_them(distances: list[int]) -> None:
    found = calibrate(np.array(distances), 0.1, parse_budget("1/day"), Decision())
    assert 256 <= found.threshold < 2**30
    assert found.alarms == 0
    assert not found.supported


def test_bad_input() -> None:
    budget = parse_budget("1/day")
    with pytest.raises(InputError, match="no held-out normal windows"):
        calibrate([], 1.0, budget, SINGLE)
    with pytest.raises(InputError, match="name each window once"):
        calibrate(np.arange(10), 1.0, budget, SINGLE, blocks=[5, 4])


@pytest.mark.parametrize("text", ["", "1", "0/day", "1/fortnight", "-1/day", "day/1", "1//day", "nan/day"])
def test_bad_budgets(text: str) -> None:
    with pytest.raises(InputError, match="false-alarm budget"):
        parse_budget(text)


def test_budgets_and_words() -> None:
    assert parse_budget("1/day").per_hour == pytest.approx(1 / 24)
    assert parse_budget("2 per weeks").per_hour == pytest.approx(2 / 168)
    assert rate_in_words(60 / 13) == "1 alarm per 13 minutes"
    assert duration(72) == "3 days"
    assert duration(1 / 3600) == "1 second"


@pytest.mark.parametrize("decision", [SINGLE, Decision()])
def test_a_budget_that_a_threshold_supports_is_answered_by_one_as_low(decision: Decision) -> None:
    distances = chi_square(5, 4000)
    wanted = int(np.quantile(level(distances, decision), 0.99))
    rate = rate_supported(distances, 1.0, decision, wanted)
    assert rate is not None
    found = calibrate(distances, 1.0, Budget("", 1.01 * rate), decision)
    assert found.supported and found.threshold <= wanted
    assert rate_supported(distances, 1.0, decision, int(np.quantile(distances, 0.5))) is None
