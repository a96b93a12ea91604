"""Models with several lines of features, boards whose software misbehaves, and a source that counts its frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from offbeat.device import modelfile as reader
from offbeat.host.virtual import VirtualBoard
from offbeat.train.arithmetic import sine_table
from offbeat.train.families import FAMILIES
from offbeat.train.features import KINDS, Feature, extract
from offbeat.train.modelfile import Decision, Golden, ModelParts, Standardize, build
from offbeat.train.pipeline import Pipeline, cut_windows, standardized
from offbeat.train.spectrum import band_edges
from tests.host.small import CHANNELS, RATE, SCALES, hum

WINDOW = 64
HOP = 32
PERIOD = 30000


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for a condition; False where it has not come by then."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def counting(frames: int) -> NDArray[np.int16]:
    """Frames int16 [n, 2] that tell their own number, modulo PERIOD."""
    number = np.arange(frames) % PERIOD
    return np.stack([number, -number], axis=1).astype(np.int16)


def whole_model(
    family: str, kinds: Sequence[str] = KINDS, channels: tuple[str, str] = CHANNELS, golden: int = 3
) -> bytes:
    """A model file fitted to the hum; by default with every kind of feature, more than a FEATURES line holds."""
    bands = [("band", first, bins) for first, bins in band_edges(WINDOW, 6)]
    ordered = sorted(kinds, key=lambda kind: kind == "band")
    wanted = [part for kind in ordered for part in (bands if kind == "band" else [(kind, 0, 0)])]
    features = tuple(
        Feature(kind, c, {"correlation": 1 - c, "change": 5}.get(kind, first), bins)
        for c in range(2)
        for kind, first, bins in wanted
    )
    windows = cut_windows(hum(60.0), WINDOW, HOP)
    found = extract(windows, features, sine_table(WINDOW))
    scales = tuple(_scale(column) for column in found.T)
    vectors = standardized(found, scales)
    fitted = FAMILIES[family].fit(vectors / 128.0, seed=0)
    fitted = fitted.scaled_to(2 * int(fitted.distances(vectors).max()))
    parts = ModelParts(
        family=fitted.number, channels=channels, window=WINDOW, hop=HOP, rate=RATE, features=features,
        standardize=scales, parameters=fitted.parameters(), decision=Decision(1, 2, 256, 0),
        meta={"name": f"whole {family}", "scales": ",".join(map(repr, SCALES)), "sensor": "noise"},
        golden=[Golden(w, f, int(s)) for w, f, s in zip(windows, found, fitted.score(vectors), strict=True)][:golden],
    )  # fmt: skip
    return build(parts)


def _scale(column: NDArray[np.int32]) -> Standardize:
    deviation = float(column.std()) + 1.0
    shift = min(15, int(np.floor(np.log2(16383 * deviation / 128))))
    return Standardize(round(column.mean()), min(16383, round(128 / deviation * 2**shift)), 0, shift)


def names_of(model: bytes) -> tuple[str, ...]:
    """Names of a model's features."""
    return Pipeline(reader.parse(model)).names


def run_first(virtual: VirtualBoard, code: str) -> None:
    """Start the board anew with this MicroPython code before its own main.py."""
    main = virtual.flash / "main.py"
    main.write_text(code + main.read_text())
    virtual.reset()


def lose_lines(**kinds: str) -> str:
    """Code for run_first(): lines of these kinds never arrive where the condition on their number n holds."""
    rules = ", ".join(f'b"{kind}": [0, lambda n: {condition}]' for kind, condition in kinds.items())
    return f"""
from offbeat.lines import LineWriter
_rules = {{{rules}}}
_end = LineWriter.end
def _noisy(self):
    rule = _rules.get(bytes(self._line[1:self._length]).split(b" ")[0])
    if rule:
        rule[0] += 1
        if rule[1](rule[0] - 1):
            return
    _end(self)
LineWriter.end = _noisy
"""
