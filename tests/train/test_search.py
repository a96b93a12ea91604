"""The search under a budget: what fits, what is chosen, what is said where nothing fits; boards and the cost model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from offbeat.train.boards import BOARDS, Limits, board_named, limits_of
from offbeat.train.cost import cost_of
from offbeat.train.errors import InputError
from offbeat.train.families import FAMILIES
from offbeat.train.recording import open_recording
from offbeat.train.search import Preference, _best, pareto_front
from offbeat.train.simulate import SimulatedStream, write_csv
from offbeat.train.training import Options, Training, train
from offbeat.train.training import _families as all_families
from tests.train.quick import try_only

QUICK = ("gaussian", "kmeans", "pca", "forest")


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "normal.csv"
    write_csv(SimulatedStream(seed=1), path, seconds=20)
    return path


@pytest.fixture(scope="module", autouse=True)
def few_families() -> Iterator[None]:
    """The fastest, which are enough to search among."""
    with pytest.MonkeyPatch.context() as patch:
        try_only(patch, *QUICK)
        yield


@pytest.fixture(scope="module")
def free(normal: Path) -> Training:
    return train([open_recording(normal)], Options(features="motion", workers=1))


def test_other_sizes_are_tried_and_none_twice(free: Training) -> None:
    seen = [(c.plan.name, c.family.parameters()) for c in free.candidates]
    assert len(set(seen)) == len(seen)
    assert any(c.settings for c in free.candidates) and not free.chosen.settings
    assert {c.family.name for c in free.candidates} == set(QUICK)


def test_every_family_without_a_memory_takes_part() -> None:
    every = set(all_families(Options(), slow=False))
    assert every == {name for name, family in FAMILIES.items() if not family.stateful}
    assert every >= {"gaussian", "kmeans", "mixture", "pca", "prototypes", "autoencoder"}
    assert every - set(all_families(Options(), slow=True)) == {"autoencoder", "ensemble"}
    assert set(all_families(Options(choose_by="labels"), slow=True)) == every


def test_of_equals_one_that_finds_nothing_at_its_own_threshold_is_not_taken(free: Training) -> None:
    by_name = {c.family.name: replace(c, quality=0.9, detected={"gain": 0.5}) for c in free.candidates}
    first, second = by_name["gaussian"], by_name["pca"]
    assert _best([second, first], Preference()) is first
    blind = replace(first, quality=0.904, detected={"gain": 0.3})
    assert _best([second, blind], Preference()) is second
    assert _best([second, blind], Preference(fewer=1.0)) is blind
    better = replace(blind, quality=0.92)
    assert _best([second, better], Preference()) is better


def test_usual_sizes_are_kept_where_a_set_of_features_allows_it(free: Training) -> None:
    first = next(c for c in free.candidates if c.family.name == "gaussian")
    small = replace(first, quality=0.8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(first), "size", property(lambda c: 1025 if c.plan.name == "wide" else 500))
        wide = replace(first, quality=0.9, plan=replace(first.plan, name="wide"))
        assert _best([wide, small], Preference()) is small
        assert _best([wide], Preference()) is wide


def test_the_front_is_what_nothing_beats(free: Training) -> None:
    front = pareto_front(free.candidates)
    assert max(c.quality for c in free.candidates) == front[0].quality
    assert min(c.cost.flash for c in free.candidates) == min(c.cost.flash for c in front)
    for one in front:
        assert not any(
            o.quality > one.quality and o.cost.flash < one.cost.flash and o.cost.ram < one.cost.ram
            and o.cost.instructions < one.cost.instructions for o in free.candidates
        )  # fmt: skip


def test_several_processes_find_the_same(normal: Path, free: Training) -> None:
    again = train([open_recording(normal)], Options(features="motion", workers=2))
    assert again.model == free.model
    assert [c.quality for c in again.candidates] == [c.quality for c in free.candidates]


def test_a_budget_is_kept_and_named(normal: Path, free: Training) -> None:
    smallest = min(c.cost.flash for c in free.candidates)
    limits = limits_of(None, flash=smallest)
    small = train([open_recording(normal)], Options(features="motion", workers=1, limits=limits, measure=False))
    assert small.chosen.cost.flash == smallest
    assert re.search(r"that fit \d\.\d KB of flash", small.reason)


@pytest.mark.parametrize(
    "limits",
    [limits_of(None, flash=2048), limits_of(None, ram=500), limits_of(board_named("microbit-v1"), latency=1e-5)],
)
def test_nothing_fits(normal: Path, limits: Limits) -> None:
    with pytest.raises(InputError, match=r"no model fits .*: the smallest of \d+, \w+ on motion features, needs "):
        train([open_recording(normal)], Options(family="kmeans", features="motion", limits=limits, measure=False))


def test_costs_are_those_of_the_model_file(free: Training) -> None:
    chosen, model = free.chosen, free.pipeline.model
    cost = cost_of(chosen.plan.features, chosen.family, model.window, model.hop, model.channels)
    assert cost == chosen.cost
    assert cost.ram > (model.window + model.hop) * model.channels * 2
    twice = cost_of(chosen.plan.features, chosen.family, 2 * model.window, 2 * model.hop, model.channels)
    assert 1.5 * cost.instructions < twice.instructions < 2.2 * cost.instructions
    other = cost_of(chosen.plan.features, chosen.family, model.window, model.hop, model.channels, core="cortex-m0")
    assert other.core == "cortex-m0" and other.instructions > 1.3 * cost.instructions


def test_a_board_leaves_half_to_the_firmware() -> None:
    limits = limits_of(BOARDS["pico"])
    assert limits.core == "cortex-m0" and limits_of(BOARDS["esp32"]).core == limits_of(None).core == "cortex-m3"
    assert (limits.flash, limits.ram, limits.clock) == (1 << 20, 132 * 1024, 133e6)
    assert limits_of(BOARDS["pico"], ram=1000).ram == 1000
    with pytest.raises(InputError, match=r"there is no board 'pikko' that offbeat knows; choose ch32v003, .*pico2"):
        board_named("pikko")
    for name, board in BOARDS.items():
        assert name == board.name and board.source and board.ram < board.flash
