"""The threshold from a budget, and what it says of the data."""

import numpy as np
import pytest

from offbeat.train.budget import duration, parse_budget, rate_in_words
from offbeat.train.calibrate import calibrate, rate_bound
from offbeat.train.decision import alarm_starts, alarms
from offbeat.train.errors import InputError
from offbeat.train.modelfile import Decision


def test_rule_of_three() -> None:
    assert rate_bound(0, 1.0) == pytest.approx(2.9957, abs=1e-3)
    assert rate_bound(1, 2.0) == pytest.approx(4.7439 / 2, abs=1e-3)


def test_forty_minutes_support_one_alarm_in_thirteen_minutes() -> None:
    distances = np.random.default_rng(0).chisquare(10, 4000).astype(np.int64) * 1000
    found = calibrate(distances, 40 / 60, parse_budget("1/day"), Decision())
    assert not found.supported
    assert "40 minutes of normal data support at best 1 alarm per 13 minutes at 95 % confidence" in found.statement
    assert found.alarms == 0


def test_a_supported_budget_is_kept_on_the_data_and_uses_what_it_may() -> None:
    generator = np.random.default_rng(1)
    distances = (generator.chisquare(10, 200_000) * 1000).astype(np.int64)
    decision = Decision(k=2, n=3)
    found = calibrate(distances, 1000.0, parse_budget("1/day"), decision)
    assert found.supported
    assert found.promised <= found.budget.per_hour
    starts = len(alarm_starts(alarms(distances, decision, found.threshold)))
    assert starts == found.alarms > 10


def test_promised_rate_holds_on_new_data_of_the_same_kind() -> None:
    generator = np.random.default_rng(2)
    kept = 0
    for _ in range(20):
        train, later = (generator.chisquare(10, (2, 20_000)) * 1000).astype(np.int64)
        found = calibrate(train, 100.0, parse_budget("3/day"), Decision(k=1, n=1))
        kept += len(alarm_starts(alarms(later, Decision(k=1, n=1), found.threshold))) / 100.0 <= found.promised
    assert kept >= 17


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
