"""A contender's C program, run over the test inputs on each core, with its results compared to what it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import OffbeatError
from offbeat.train.profile import CoreFaultError, Emulator

from .build import compile_with, compilers
from .rows import Row

__all__ = ["Program", "measured"]

_ENTRIES = ("driver_start", "driver_run")
_DRIVER = """#include <stdint.h>
#ifdef __cplusplus
#define C_LINKAGE extern "C"
#else
#define C_LINKAGE extern
#endif
#define PLACED(name) __attribute__((section(name), aligned(4)))
C_LINKAGE void peer_start(void);
C_LINKAGE void peer_run(const {type} *input, {result} *output);
#ifdef __cplusplus
extern "C" {{
#endif
PLACED(".bss.{section}") {type} driver_input[{inputs}];
PLACED(".bss.buffers") {result} driver_output[{outputs}];
int32_t driver_start(int32_t unused) {{ (void)unused; peer_start(); return 0; }}
int32_t driver_run(int32_t unused) {{ (void)unused; peer_run(driver_input, driver_output); return 0; }}
#ifdef __cplusplus
}}
#endif
"""
_TYPES = {"f4": "float", "f8": "double", "i2": "int16_t", "i4": "int32_t"}


@dataclass(frozen=True)
class Program:
    """C of a contender for one piece of work.

    code: text that defines peer_start() and peer_run(input, output); inputs: [T, n], each row in the type that the code
    takes; expected: float64 [T, m], what its Python original finds; tolerance: the largest difference, relative to the
    largest size of what is expected; result: the type of the output; samples: whether the input is the ring of samples
    that any firmware has, which is not counted as RAM; files: more source files, as they are; plus: C++; slow:
    takes minutes in the emulator, so that it is compiled by the last of the compilers only.
    """

    work: str
    contender: str
    code: str
    inputs: NDArray[np.generic]
    expected: NDArray[np.float64]
    tolerance: float = 1e-3
    result: str = "f4"
    samples: bool = False
    plus: bool = False
    include: Sequence[Path] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    slow: bool = False

    def sources(self) -> dict[str, str]:
        """Text of every file by its name."""
        kind = self.inputs.dtype
        driver = _DRIVER.format(
            type=_TYPES[kind.str[1:]], result=_TYPES[self.result], section="samples" if self.samples else "buffers",
            inputs=self.inputs.shape[1], outputs=self.expected.shape[1],
        )  # fmt: skip
        ending = "cpp" if self.plus else "c"
        return {f"driver.{ending}": driver, f"peer.{ending}": self.code, **self.files}


def measured(program: Program, core: str) -> Row:
    """The program on a core, by the compiler with which it takes fewer instructions; a row that says why not where its
    results are not those of its original or it cannot be built."""
    rows = [_with(program, core, compiler) for compiler in compilers()[-1 if program.slow else 0 :]]
    right = [row for row in rows if not row.failure]
    return min(right, key=lambda row: row.instructions) if right else rows[0]


def _with(program: Program, core: str, compiler: str) -> Row:
    try:
        firmware = compile_with(compiler, program.sources(), core, _ENTRIES, program.include)
        emulator = Emulator(firmware)
        emulator.call("driver_start")
        stack, counts = emulator.take_count().stack, []
        worst = 0.0
        scale = max(float(np.abs(program.expected).max()), 1e-9)
        for given, expected in zip(program.inputs, program.expected, strict=True):
            emulator.write("driver_input", given)
            emulator.call("driver_run")
            found = _read(emulator, program, len(expected))
            worst = max(worst, float(np.abs(found - expected).max()) / scale)
            count = emulator.take_count()
            stack = max(stack, count.stack)
            counts.append(count.instructions)
    except (CoreFaultError, OffbeatError) as error:
        return Row(program.work, program.contender, core, failure=str(error))
    if not worst <= program.tolerance:
        failure = f"its results are off those of its Python original by up to {worst:.2g} of the largest"
        return Row(program.work, program.contender, core, failure=failure)
    size = firmware.sections
    flash = size[".text"] + size[".rodata"] + size[".data"] + size[".helpers"]
    ram = size[".data"] + size[".bss"] + size[".buffers"] + stack
    return Row(program.work, program.contender, core, max(counts), flash, ram, compiler, note=program.note)


def _read(emulator: Emulator, program: Program, count: int) -> NDArray[np.float64]:
    kind = np.dtype(f"<{program.result}")
    words = emulator.read("driver_output", -(-count * kind.itemsize // 4))
    return words.view(kind)[:count].astype(np.float64)
