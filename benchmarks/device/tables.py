"""docs/results-device.md from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from offbeat.train.profile import compiler, emulator

from .build import CORES, gcc_version
from .levels import Result, results
from .rows import OURS, Row

__all__ = ["document"]

_HEAD = """# On the microcontroller

`make bench-device` writes this page and its plot. It compiles offbeat's C and that of other generators for three cores,
runs both over the same windows in an emulator and counts the instructions. Nothing here is typed in by hand but the levels.

**What is measured.** Instructions executed, which are exact and the same on any machine; they are not cycles. Flash: code
and constants, with the compiler's own library as far as it is called. RAM: variables, buffers and the deepest stack,
without the ring of samples, which any firmware has. Of {tested} test windows the one that takes the most counts.

**On what.** {emulator}; offbeat compiled by {compiler} `-O2`, the others and offbeat's forest as code by that and by {gcc}, and the better
of both counts
(m2cgen's one-class SVM, slow to run: by the last one only).
The Cortex-M4 has its floating-point unit, used by whoever computes in floats; on the M0 and M3 floats are the
compiler's library.

**Of what.** Windows of 128 samples of 3 axes of a simulated fan, 24 features (RMS, kurtosis, mean absolute difference and 5
bands of each axis); every model is trained on the same standard scores. The float features around emlearn's FFT are plain C
written for this page, as emlearn has none. A contender's results are compared to those of its Python original (offbeat's bit
by bit with NumPy, floats within 1e-3 of the largest value, within 1 % from the samples on, within 10 % for a FFT in q15); who
differs gets no number but a reason. "Alone" means without features and standard scores: of offbeat it is what
`offbeat_score()` calls, with code and parameters as flash.

**What is not.** CMSIS-NN and TensorFlow Lite for Microcontrollers: no package of PyPI, npm or Debian has their C or C++ source,
so nothing here is compared with them; levels that name them are fixed numbers. Cycles, energy and flash wait states.
MicroPython's bytecode: of the viper rows the machine code of the viper functions is counted, not the bytecode that
calls them, nor MicroPython's helpers. For k-means no other generator writes C. One-class SVM is not the same model on both sides:
offbeat's `prototypes` carry {vectors} int8 vectors, the others scikit-learn's support vectors.

Versions: {versions}.
"""


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _ratio(row: Row, ours: Row | None) -> str:
    if ours is None or not ours.instructions or row.contender.startswith(OURS):
        return ""
    return f"{row.instructions / ours.instructions:.1f}"


def _best(rows: Sequence[Row], core: str) -> Row | None:
    own = [r for r in rows if r.core == core and r.contender.startswith(OURS) and not r.failure and not r.note]
    return min(own, key=lambda row: row.instructions, default=None)


def _work(name: str, rows: Sequence[Row]) -> list[str]:
    lines = [f"### {name[0].upper()}{name[1:]}", ""]
    lines += [
        "| core | contender | instructions | times offbeat's | flash, bytes | RAM, bytes | compiler |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    failures: dict[str, str] = {}
    for core in CORES:
        ours = _best(rows, core)
        for row in (row for row in rows if row.core == core):
            if row.failure:
                failures.setdefault(row.contender, f"{row.contender} ({core}): {row.failure}")
                continue
            note = f" ({row.note})" if row.note else ""
            lines.append(
                f"| {core} | {row.contender}{note} | {row.instructions:,} | {_ratio(row, ours)} | {_number(row.flash)} |"
                f" {_number(row.ram)} | {row.compiler} |"
            )
    return [*lines, "", *(f"No number: {text}.\n" for text in failures.values())]


def _level(result: Result) -> str:
    if result.found is None:
        return f"| {result.work} | {result.quantity} | {result.core} | {result.most:,.0f} | | no number: {result.why} |"
    share = result.found / result.most
    verdict = "reached" if result.reached else f"not reached, {share:.2f} times the level"
    return (
        f"| {result.work} | {result.quantity} | {result.core} | {result.most:,.0f} | {result.found:,.0f} | {verdict} |"
    )


def _kinds(rows: Sequence[Row]) -> list[str]:
    lines = [
        "## Instructions by kind",
        "",
        "What offbeat's own numbers above are made of. Products: multiplications, dual and long ones among them. Others:",
        "additions, shifts, packing, comparisons, branches.",
        "",
        "| work | contender | core | loads | stores | products | others |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for row in (row for row in rows if row.kinds is not None):
        kinds = row.kinds
        lines.append(
            f"| {row.work} | {row.contender} | {row.core} | {kinds.load:,} | {kinds.store:,} |"
            f" {kinds.multiply + kinds.long_multiply:,} | {kinds.plain + kinds.divide:,} |"
        )
    return [*lines, ""]


def document(rows: Sequence[Row], versions: Sequence[str], absent: Sequence[str], tested: int, vectors: int) -> str:
    """The whole page. absent: which peers there are no rows of, and why; tested: windows; vectors: of the prototypes."""
    held = results(rows)
    head = _HEAD.format(
        emulator=emulator(), compiler=compiler(), gcc=gcc_version() or "Arm's GCC (not installed here)",
        tested=tested, versions=", ".join(versions), vectors=vectors,
    )  # fmt: skip
    reached = sum(result.reached for result in held)
    lines = [
        head,
        *(f"Not in this run: {text}.\n" for text in absent),
        "## Levels",
        "",
        f"{reached} of {len(held)} reached.",
        "",
    ]
    lines += ["| work | quantity | core | at most | found | |", "|---|---|---|--:|--:|---|"]
    order = {work: at for at, work in enumerate(dict.fromkeys(result.work for result in held))}
    lines += [_level(r) for r in sorted(held, key=lambda r: (order[r.work], r.quantity, CORES.index(r.core)))]
    lines += ["", "![Instructions of each contender, by work and core](results-device.png)", "", "## Side by side", ""]
    for work in dict.fromkeys(row.work for row in rows):
        lines += _work(work, [row for row in rows if row.work == work])
    lines += _kinds(rows)
    return "\n".join(lines).rstrip() + "\n"
