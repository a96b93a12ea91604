"""Costs of a search's candidates as measured: each compiled and run for the board's core, once for each content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from os import cpu_count
from typing import Any

from offbeat.train.candidate import Candidate
from offbeat.train.cost import Cost

from .cache import digest, load_json, save_json
from .cycles import cycles_of
from .emulate import emulator
from .firmware import build_firmware, compiler, inputs_of, toolchain_missing
from .mcus import MCUS, Mcu
from .measure import measure, windows_of

__all__ = ["can_measure", "measured_candidates"]

_OPTIMIZE = "O2"
_FORMAT = "1"  # of what is kept


def can_measure(core: str) -> bool:
    """Whether a model can be measured on a core here: it is one of MCUS, and the extra ``profile`` is installed."""
    return core in MCUS and not toolchain_missing()


def measured_candidates(
    candidates: Sequence[Candidate],
    model_of: Callable[[Candidate], bytes],
    core: str,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Candidate]:
    """The candidates with their costs measured, in the same order; those that are measured already stay as they are.

    model_of: the model file of a candidate; core: of MCUS. What was measured is kept in the user's cache under a hash
    of all that goes into it: model, runtime, compiler and emulator. Raises as build_firmware() and measure() do.
    """
    mcu = MCUS[core]

    def one(candidate: Candidate) -> Candidate:
        if candidate.cost.measured:
            return candidate
        return replace(candidate, cost=_measured(model_of(candidate), mcu, candidate.cost.features))

    found = []
    with ThreadPoolExecutor(max_workers=cpu_count() or 1) as pool:
        for candidate in pool.map(one, candidates):
            found.append(candidate)
            progress(len(found) / len(candidates))
    return found


def _measured(model: bytes, mcu: Mcu, features: int) -> Cost:
    from offbeat.device.modelfile import parse

    parts = [part for pair in sorted(inputs_of(model).items()) for part in pair]
    seen = windows_of(parse(model)).tobytes()
    key = digest([_FORMAT, compiler(), emulator(), mcu.name, *mcu.flags, _OPTIMIZE, seen, *parts])
    known = _kept(load_json(f"costs/{key}.json"))
    if known is not None:
        return known
    found = measure(model, build_firmware(model, mcu, _OPTIMIZE))
    cost = Cost(
        flash=found.flash + found.helpers,
        ram=found.ram_in_all,
        instructions=found.largest.total,
        cycles=cycles_of(found.largest.kinds, mcu.cycles)[1],
        features=features,
        core=mcu.name,
        measured=True,
    )
    save_json(f"costs/{key}.json", asdict(cost))
    return cost


def _kept(value: Any) -> Cost | None:
    """A cost that was kept; None where there is none, or something else."""
    if not isinstance(value, dict) or value.keys() != Cost.__dataclass_fields__.keys():
        return None
    numbers = (value["flash"], value["ram"], value["instructions"], value["features"], value["cycles"])
    if not all(isinstance(number, int | float) and number >= 0 for number in numbers) or value["measured"] is not True:
        return None
    return Cost(**value)
