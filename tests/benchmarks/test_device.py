"""The benchmark's figures: repeatable, right, refused where a contender's results are wrong, levels computed."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.device import workloads
from benchmarks.device.levels import results
from benchmarks.device.programs import Program, measured
from benchmarks.device.rows import OURS, Row
from benchmarks.device.tables import document
from offbeat.train.profile import MCUS, build_firmware, measure
from tests.train.profile.models import needs_toolchain

SUM = """void peer_start(void) {}
void peer_run(const float *input, float *output) { *output = 0; for (int i = 0; i < 4; i++) *output += input[i]; }
"""
INPUTS = np.arange(8, dtype="<f4").reshape(2, 4)
ADDED = Program("sum", "adder", SUM, INPUTS, INPUTS.sum(axis=1, keepdims=True).astype(float))


@needs_toolchain
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4"])
def test_a_program_is_run_counted_and_checked(core: str) -> None:
    row = measured(ADDED, core)
    assert not row.failure, row.failure
    assert row == measured(ADDED, core), "instructions are exact"
    assert row.instructions > 8 and row.flash and row.ram is not None and row.ram >= 20
    floats = {"cortex-m0": row.flash > 200, "cortex-m4": row.flash < 200}
    assert floats[core], "the M4 adds floats in one instruction, the M0 in the compiler's library"


@needs_toolchain
def test_what_computes_something_else_gets_no_number() -> None:
    row = measured(replace(ADDED, expected=ADDED.expected + 1), "cortex-m3")
    assert "off those of its Python original" in row.failure and not row.instructions


@needs_toolchain
def test_what_does_not_compile_gets_a_reason() -> None:
    row = measured(replace(ADDED, code="int x = y;"), "cortex-m3")
    assert "cannot compile" in row.failure


@needs_toolchain
def test_one_gaussian_beside_emlearns() -> None:
    model = workloads.model_file(workloads.fitted("gaussian"))
    firmware = build_firmware(model, MCUS["cortex-m3"])
    ours = measure(model, firmware, workloads.data().test[:1]).largest
    assert 1_000 < ours.model < 10_000
    if find_spec("emlearn") is None:
        return
    with np.errstate():  # it sets NumPy to raise, for the whole process
        import emlearn
    from emlearn.distance import generate_code

    inputs = np.random.default_rng(1).normal(size=(2, 24)).astype("<f4")
    code = generate_code(np.zeros(24), np.eye(24), -30.0, name="em") + "void peer_start(void) {}\n"
    code += "void peer_run(const float *x, float *out) { eml_elliptic_envelope_predict(&em_classifier, x, 24, out); }\n"
    expected = (inputs.astype(float) ** 2).sum(axis=1, keepdims=True)
    row = measured(Program("gaussian", "emlearn", code, inputs, expected, include=(emlearn.includedir,)), "cortex-m3")
    assert not row.failure, row.failure
    assert row.instructions > 10 * ours.model, "its products of floats are calls of the compiler's library"


def test_levels_are_computed() -> None:
    rows = [
        Row("gaussian", OURS, "cortex-m0", 3_300, 1_025),
        Row("mixture of 4, full", OURS, "cortex-m3", 9_000, 2_000),
        Row("mixture of 4, full", "emlearn", "cortex-m3", 400_000, 16_000),
    ]
    found = {(r.work, r.quantity, r.core): r for r in results(rows)}
    assert found["gaussian", "instructions", "cortex-m0"].reached
    assert not found["gaussian", "flash, bytes", "cortex-m0"].reached
    mixture = found["mixture of 4, full", "instructions, 1/40 of emlearn", "cortex-m3"]
    assert mixture.most == 339_228 / 40 and not mixture.reached, "against the faster of what was measured and published"
    assert found["mixture of 4, full", "flash, 1/4 of emlearn", "cortex-m3"].reached
    assert found["window, gaussian", "instructions", "cortex-m0"].found is None


@needs_toolchain
def test_the_page_says_what_there_is_no_number_for() -> None:
    rows = [
        Row("gaussian", OURS, "cortex-m0", 3_000, 900),
        Row("gaussian", "emlearn", "cortex-m0", failure="not installed"),
    ]
    page = document(rows, ["emlearn not installed"], ["emlearn: no rows"], 4, 32)
    assert "| cortex-m0 | offbeat | 3,000 |" in page and "No number: emlearn (cortex-m0): not installed." in page
    assert "emlearn: no rows" in page
