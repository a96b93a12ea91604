"""The cost model against measurements, and the choice of a model by its measured cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offbeat.device.modelfile import parse
from offbeat.train.boards import BOARDS, Limits, limits_of
from offbeat.train.candidate import Candidate
from offbeat.train.cost import FEATURE_TERMS, Cost, cost_of, cost_table, feature_terms
from offbeat.train.errors import InputError
from offbeat.train.families import FAMILIES
from offbeat.train.pipeline import Pipeline
from offbeat.train.profile import MCUS, build_firmware, calibration, candidates, measure
from offbeat.train.profile.fit import advice, fits
from offbeat.train.profile.plot import save_plot
from offbeat.train.recording import open_recording
from offbeat.train.search import pareto_front
from offbeat.train.simulate import SimulatedStream, write_csv
from offbeat.train.training import Options, Training, train
from tests.parity.models import make_case
from tests.train.profile.models import needs_toolchain, shipped
from tests.train.quick import try_only


def estimated(model: bytes, core: str) -> Cost:
    pipeline = Pipeline(parse(model))
    baseline = bool(pipeline.slew.any())
    return cost_of(
        pipeline.features, pipeline.family, pipeline.window, pipeline.hop, len(pipeline.channels), baseline, core
    )


def test_the_table_has_every_core_and_family() -> None:
    cores = cost_table()["cores"]
    assert cores.keys() == MCUS.keys()
    for table in cores.values():
        assert table["code"]["families"].keys() == table["stack"].keys() == FAMILIES.keys()
        assert table["instructions"]["model"].keys() == FAMILIES.keys()


@needs_toolchain
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "rv32imc"])
@pytest.mark.parametrize("machine", ["fan", "pump"])
def test_estimates_are_near_measurements_of_models_that_ship(machine: str, core: str) -> None:
    """Where this fails after a change of device/c, run `make costs`."""
    model = shipped(machine)
    found, cost = measure(model, build_firmware(model, MCUS[core])), estimated(model, core)
    assert not cost.measured and cost.core == core
    assert cost.flash == pytest.approx(found.flash + found.helpers, rel=0.1)
    assert cost.ram == pytest.approx(found.ram_in_all, rel=0.06)  # one stack for all families
    assert cost.instructions == pytest.approx(found.largest.total, rel=0.2)
    assert cost.cycles == pytest.approx(found.seconds(1.0)[1], rel=0.3)


@needs_toolchain
@pytest.mark.parametrize("family", FAMILIES)
def test_estimates_are_near_measurements_of_any_family(family: str) -> None:
    case = make_case(family, 128, 3, seed=4, most=20)
    found, cost = measure(case.data, build_firmware(case.data, MCUS["cortex-m3"])), estimated(case.data, "cortex-m3")
    assert cost.flash == pytest.approx(found.flash, rel=0.15)
    assert cost.ram == pytest.approx(found.ram_in_all, rel=0.06)  # one stack for all families
    assert cost.instructions == pytest.approx(found.largest.total, rel=0.35)


def test_the_numbers_are_those_that_explain_the_counts() -> None:
    rng = np.random.default_rng(0)
    terms, numbers = rng.uniform(0, 1000, (20, 3)), [12.5, 0.0, 3.25]
    assert calibration._relative(terms, list(terms @ numbers)) == numbers


def test_the_samples_tell_the_terms_apart() -> None:
    rows = np.stack([feature_terms(features, window) for window, features in calibration._shapes()])
    assert rows.shape[1] == len(FEATURE_TERMS) and (rows.max(axis=0) > 0).all()
    assert np.linalg.matrix_rank(rows / rows.max(axis=0)) == len(FEATURE_TERMS)


# -- the choice --


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "normal.csv"
    write_csv(SimulatedStream(seed=1), path, seconds=20)
    return path


@pytest.fixture(autouse=True)
def few_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fastest, which are enough to choose among."""
    try_only(monkeypatch, "gaussian", "pca", "kmeans")


def trained(path: Path, limits: Limits, **options: Any) -> Training:
    return train([open_recording(path)], Options(features="motion", workers=1, limits=limits, **options))


@needs_toolchain
def test_a_board_has_the_chosen_model_and_the_front_measured(normal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = limits_of(BOARDS["microbit-v1"])
    training = trained(normal, limits)
    cost = training.chosen.cost
    assert cost.measured and cost.core == "cortex-m0"
    found = measure(training.model, build_firmware(training.model, MCUS["cortex-m0"]))
    assert (cost.flash, cost.ram) == (found.flash + found.helpers, found.ram_in_all)
    measured = [c for c in training.candidates if c.cost.measured]
    assert len(measured) > 1 and any(not c.cost.measured for c in training.candidates)
    assert set(map(id, pareto_front(measured))) <= set(map(id, measured))

    def never(*_: object) -> None:
        raise AssertionError("measured already")

    monkeypatch.setattr(candidates, "build_firmware", never)
    again = trained(normal, limits)
    assert [c.cost for c in again.candidates] == [c.cost for c in training.candidates], "kept from the run before"


def fake(change: Callable[[Candidate], int]) -> Callable[..., list[Candidate]]:
    """Instead of measured_candidates(): costs as estimated, but for the flash."""

    def measured(some: Sequence[Candidate], model_of: object, core: str, progress: object) -> list[Candidate]:
        return [replace(c, cost=replace(c.cost, flash=change(c), measured=True)) for c in some]

    return measured


@needs_toolchain
def test_the_choice_moves_on_where_the_measured_model_does_not_fit(
    normal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = limits_of(None, flash=12000)
    first = trained(normal, limits, measure=False).chosen
    assert not first.cost.measured
    size = {first.family.name: 12001}
    monkeypatch.setattr(candidates, "measured_candidates", fake(lambda c: size.get(c.family.name, c.cost.flash)))
    second = trained(normal, limits).chosen
    assert second.cost.measured and second.family.name != first.family.name
    monkeypatch.setattr(candidates, "measured_candidates", fake(lambda c: 12001))
    with pytest.raises(InputError, match=r"no model fits 12 KB of flash: the smallest of \d+, .* needs 12 KB of flash"):
        trained(normal, limits)


@needs_toolchain
def test_without_limits_or_without_the_extra_costs_are_estimates(normal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not trained(normal, Limits(), family="kmeans").chosen.cost.measured
    monkeypatch.setattr(candidates, "toolchain_missing", lambda: ["unicorn"])
    assert not trained(normal, limits_of(BOARDS["pico"]), family="kmeans").chosen.cost.measured


def test_a_kept_cost_that_is_none_is_not_taken() -> None:
    good = {
        "flash": 1,
        "ram": 1,
        "instructions": 1,
        "cycles": 1.0,
        "features": 1,
        "core": "cortex-m0",
        "measured": True,
    }
    assert candidates._kept(good) == Cost(**good)
    for bad in (
        None,
        [],
        {},
        {**good, "flash": "1"},
        {**good, "ram": -1},
        {**good, "measured": False},
        {**good, "x": 1},
    ):
        assert candidates._kept(bad) is None


# -- boards and the plot --


@needs_toolchain
def test_boards_that_are_too_small_say_by_how_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = parse(shipped())
    measured = [measure(shipped(), build_firmware(shipped(), MCUS["cortex-m0"]))]
    found = {fit.board.name: fit for fit in fits(model, measured)}
    assert found.keys() == BOARDS.keys()
    assert found["pico"].fits is True and found["pico"].share is not None and 0 < found["pico"].share < 0.1
    assert found["bluepill"].fits is None and found["bluepill"].text == "not measured: say --mcu cortex-m3"
    assert found["esp32"].text == "not measured: no emulator of its core"
    assert advice(list(found.values())) == []
    tiny = replace(BOARDS["pico"], flash=2 * (measured[0].flash - 10), ram=2 * measured[0].ram, clock=1e4)
    monkeypatch.setitem(BOARDS, "pico", tiny)
    small = {fit.board.name: fit for fit in fits(model, measured)}["pico"]
    assert small.fits is False and small.excess.keys() == {"flash", "RAM", "time"}
    assert small.excess["flash"] == measured[0].helpers + 10
    assert "bytes of flash more than half of the board's" in small.text and "between two windows" in small.text
    assert [sentence.split(":")[0] for sentence in advice([small])] == ["Less flash", "Less RAM", "Less time"]
    save_plot(measured, tmp_path / "plot.svg", "fan $x$")
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")
    assert [path.name for path in tmp_path.iterdir()] == ["plot.svg"]
    with pytest.raises(InputError, match=r"--plot .* no picture"):
        save_plot(measured, tmp_path / "plot.doc", "")
    with pytest.raises(InputError, match="there is no folder"):
        save_plot(measured, tmp_path / "none" / "plot.png", "")
