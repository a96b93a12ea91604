"""MLPerf Tiny's anomaly detector, 640-128x4-8-128x4-640 units, through the autoencoder's int8 layers.

A model file has fewer features and layers than that, so the layers are called one by one, as offbeat_autoencoder.c calls
them. Weights are random: the number of instructions does not depend on them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import OffbeatError
from offbeat.train.families.autoencoder import Layer
from offbeat.train.profile import MCUS, Emulator, build_program, compiler
from offbeat.train.resources import folder

from .rows import OURS, Row

__all__ = ["WORK", "row"]

WORK = "MLPerf Tiny autoencoder"
_SIZES = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
_LIMIT = 800
_STEP = 8  # standard scores, Q7, that one step of int8 stands for
_ENTRIES = ("driver_run",)
_DRIVER = """#include <stdint.h>
int32_t peer_run(const int16_t *input);
__attribute__((section(".bss.buffers"), aligned(4))) int16_t driver_input[644];
int32_t driver_run(int32_t unused) { (void)unused; return peer_run(driver_input); }
"""
_CODE = """#include "offbeat_autoencoder.inc"
__attribute__((aligned(4))) static const uint8_t weights[] = { %(weights)s };
static const int16_t sizes[] = { %(sizes)s };
__attribute__((aligned(4))) static offbeat_input first[640], second[640];
int32_t peer_run(const int16_t *input);
int32_t peer_run(const int16_t *input)
{
    const int16_t *layer = (const int16_t *)(const void *)weights;
    offbeat_input *in = first, *out = second, *swap;
    int32_t start = quantize(input, 640, in);
    int i;
    for (i = 0; i < 9; i++) {
        layer = offbeat_layer(layer, in, sizes[i], out, sizes[i + 1], start);
        start = activate(out, sizes[i + 1]);
        swap = in;
        in = out;
        out = swap;
    }
    (void)offbeat_layer(layer, in, sizes[9], out, 640, start);
    return square_errors(out, input, 640, %(limit)d);
}
"""


def _activated(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.clip(values, 0, 127).astype(np.int32)


def _layers() -> list[Layer]:
    """Random weights, each layer scaled so that its sums fit and its outputs use int8's range."""
    rng = np.random.default_rng(3)
    values = rng.integers(-127, 128, (2, _SIZES[0])).astype(np.int32)
    layers = []
    for inputs, outputs in pairwise(_SIZES):
        weights = np.clip(np.round(rng.normal(0, 40, (outputs, inputs))), -127, 127).astype(np.int32)
        largest = np.abs(weights).sum(axis=1).max() * 127 / 32000
        first = np.full(outputs, int(np.ceil(np.log2(largest))), np.int32)
        ratio = 100 / max(int(np.abs((values @ weights.T) >> first).max()), 1)
        second = np.full(outputs, int(np.floor(np.log2(16383 / ratio))), np.int32)
        multiplier = np.full(outputs, int(ratio * 2.0 ** int(second[0])), np.int32)
        bias = rng.integers(-50, 50, outputs).astype(np.int32)
        layers.append(Layer(weights, bias, multiplier, first, second))
        values = _activated(layers[-1](values))
    return layers


def _distance(layers: list[Layer], values: NDArray[np.int32]) -> int:
    """What the core is to find for quantized inputs int32 [640]."""
    given = values[None]
    for layer in layers[:-1]:
        given = _activated(layer(given))
    error = np.clip(values * _STEP - layers[-1](given)[0], -_LIMIT, _LIMIT)
    return int((error * error).sum())


def _sources(layers: list[Layer]) -> dict[str, str]:
    runtime = {path.name: path.read_text(encoding="utf-8") for path in folder("runtime").glob("*.[ch]")}
    files = {name: text for name, text in runtime.items() if name.endswith(".h")}
    files["offbeat_autoencoder.inc"] = runtime["offbeat_autoencoder.c"]
    files["offbeat_dense.c"] = runtime["offbeat_dense.c"]
    weights = ",".join(map(str, b"".join(layer.section() for layer in layers)))
    files["peer.c"] = _CODE % {"weights": weights, "sizes": ",".join(map(str, _SIZES)), "limit": _LIMIT}
    files["driver.c"] = _DRIVER
    return files


def row(core: str) -> Row:
    """offbeat's layers on a core. Flash is what is needed beyond the weights."""
    if not (folder("runtime") / "offbeat_dense.c").exists():
        return Row(WORK, OURS, core, failure="this version of the runtime has no layer that can be called by itself")
    try:
        layers = _layers()
        firmware = build_program(_sources(layers), MCUS[core], _ENTRIES, options=["-w"])
        emulator = Emulator(firmware)
        values = np.random.default_rng(1).integers(-127, 128, _SIZES[0]).astype(np.int32)
        emulator.write("driver_input", (values * _STEP).astype(np.int16))
        found, expected = emulator.call("driver_run"), _distance(layers, values)
        if found != expected:
            return Row(WORK, OURS, core, failure=f"the distance is {found} on the core and {expected} in NumPy")
        count = emulator.take_count()
    except (AttributeError, KeyError, OffbeatError) as error:
        return Row(WORK, OURS, core, failure=f"the layers cannot be called: {error}")
    size = firmware.sections
    weights = sum(len(layer.section()) for layer in layers)
    flash = size[".text"] + size[".rodata"] + size[".helpers"] - weights
    return Row(WORK, OURS, core, count.instructions, flash, size[".bss"] + size[".buffers"] + count.stack, compiler())
