"""CMSIS-DSP's real FFT, from the source package of `cmsisdsp` on PyPI: its wheel has no C in it.

CMSIS-Core, which wraps the core's instructions, is in no package; the header here does as it does, one instruction each. CMSIS-NN and TensorFlow Lite Micro are in no package as C at all.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from offbeat.train.errors import OffbeatError
from offbeat.train.profile.cache import cache_folder

from .programs import Program
from .workloads import WINDOW, Data

__all__ = ["VERSION", "programs", "sources"]

VERSION = "1.10.3"
_NEEDED = {
    "TransformFunctions": (
        "arm_bitreversal2", "arm_cfft_f32", "arm_cfft_init_f32", "arm_cfft_init_q15", "arm_cfft_q15",
        "arm_cfft_radix4_q15", "arm_cfft_radix8_f32", "arm_rfft_fast_f32", "arm_rfft_fast_init_f32", "arm_rfft_init_q15",
        "arm_rfft_q15",
    ),
    "BasicMathFunctions": ("arm_shift_q15",),
    "ComplexMathFunctions": ("arm_cmplx_mag_squared_f32", "arm_cmplx_mag_squared_q15"),
    "CommonTables": ("arm_common_tables", "arm_const_structs"),
}  # fmt: skip
_CORE = """#pragma once
#include <stdint.h>
#define __ASM __asm
#define __STATIC_FORCEINLINE static inline __attribute__((always_inline))
#define __STATIC_INLINE static inline
#define __ALIGNED(x) __attribute__((aligned(x)))
#define __WEAK __attribute__((weak))
#define __CLZ(x) ((uint8_t)((x) ? __builtin_clz(x) : 32))
__STATIC_FORCEINLINE int32_t __SSAT(int32_t v, uint32_t s)
{ const int32_t m = (int32_t)((1U << (s - 1U)) - 1U); return v > m ? m : v < -1 - m ? -1 - m : v; }
__STATIC_FORCEINLINE uint32_t __USAT(int32_t v, uint32_t s)
{ const int32_t m = (int32_t)((1U << s) - 1U); return (uint32_t)(v > m ? m : v < 0 ? 0 : v); }
#define __ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#if defined(__ARM_FEATURE_DSP)
%s
#define __PKHBT(a, b, n) ((uint32_t)(((a) & 0xffffu) | (((uint32_t)(b) << (n)) & 0xffff0000u)))
#define __PKHTB(a, b, n) ((uint32_t)(((a) & 0xffff0000u) | ((uint32_t)((int32_t)(b) >> (n)) & 0xffffu)))
#endif
"""
_DUAL = (
    "shadd16", "shsub16", "shasx", "shsax", "qadd16", "qsub16", "qasx", "qsax", "sadd16", "ssub16", "sasx", "ssax", "shadd8",
    "qadd8", "qsub8", "smuad", "smuadx", "smusd", "smusdx", "qadd", "qsub",
)  # fmt: skip
_TRIPLE = ("smlad", "smladx", "smlsd", "smlsdx")


def _core() -> str:
    """The one header of CMSIS-Core that CMSIS-DSP includes, as far as a real FFT calls it."""
    two = (
        f"__STATIC_FORCEINLINE uint32_t __{name.upper()}(uint32_t a, uint32_t b)\n"
        f'{{ uint32_t r; __asm__("{name} %0, %1, %2" : "=r"(r) : "r"(a), "r"(b)); return r; }}'
        for name in _DUAL
    )
    three = (
        f"__STATIC_FORCEINLINE uint32_t __{name.upper()}(uint32_t a, uint32_t b, uint32_t c)\n"
        f'{{ uint32_t r; __asm__("{name} %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }}'
        for name in _TRIPLE
    )
    more = (
        "__STATIC_FORCEINLINE uint64_t __SMLALD(uint32_t a, uint32_t b, uint64_t c)\n"
        "{ return c + (uint64_t)(int64_t)((int32_t)(int16_t)a * (int16_t)b + (int64_t)((int32_t)a >> 16) * ((int32_t)b >> 16)); }\n"
        '__STATIC_FORCEINLINE uint32_t __SXTB16(uint32_t a) { uint32_t r; __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(a)); return r; }'
    )
    return _CORE % "\n".join([*two, *three, more])


def sources() -> Path:
    """The unpacked source package, fetched by pip once and kept in the user's cache. Raises OffbeatError where it
    cannot be had."""
    place = cache_folder() / f"cmsisdsp-{VERSION}"
    if place.exists():
        return place
    with tempfile.TemporaryDirectory() as temporary:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "cmsisdsp"]
        command = [*pip, "--dest", temporary, f"cmsisdsp=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True)
        packages = list(Path(temporary).glob("*.tar.gz"))
        if done.returncode or not packages:
            raise OffbeatError(f"pip cannot fetch the source package of cmsisdsp {VERSION}")
        with tarfile.open(packages[0]) as package:
            package.extractall(Path(temporary) / "unpacked", filter="data")
        (unpacked,) = (Path(temporary) / "unpacked").iterdir()
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = place.with_suffix(".new")
        subprocess.run(["cp", "-r", str(unpacked), str(copy)], check=True)
        copy.rename(place)
    return place


_Q15 = f"""#include "arm_math.h"
static arm_rfft_instance_q15 fft;
static q15_t spectrum[{2 * WINDOW}], samples[{WINDOW}];
void peer_start(void) {{ arm_rfft_init_{WINDOW}_q15(&fft, 0, 1); }}
void peer_run(const int16_t *input, int16_t *output)
{{
    arm_rfft_q15(&fft, (q15_t *)input, spectrum);
    arm_cmplx_mag_squared_q15(spectrum, output, {WINDOW // 2});
}}
"""
_F32 = f"""#include "arm_math.h"
static arm_rfft_fast_instance_f32 fft;
static float spectrum[{WINDOW}];
void peer_start(void) {{ arm_rfft_fast_init_{WINDOW}_f32(&fft); }}
void peer_run(const float *input, float *output)
{{
    arm_rfft_fast_f32(&fft, (float *)input, spectrum, 0);
    spectrum[1] = 0.0f; /* the middle of the spectrum, packed beside its start */
    arm_cmplx_mag_squared_f32(spectrum, output, {WINDOW // 2});
}}
"""


def programs(known: Data) -> list[Program]:
    """CMSIS-DSP's real FFT and power in q15 and in floats."""
    at = sources()
    files = {
        f"{name}.c": (at / "Source" / folder / f"{name}.c").read_text(encoding="utf-8")
        for folder, names in _NEEDED.items()
        for name in names
        if (at / "Source" / folder / f"{name}.c").exists()
    }
    files["cmsis_compiler.h"] = _core()
    include = (at / "Include", at / "PrivateInclude")
    samples = known.test[:, :, 0].astype(np.float64)
    samples -= samples.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(samples, axis=1)[:, : WINDOW // 2]) ** 2
    scale = 2.0 ** np.floor(np.log2(32767 / np.abs(samples).max(axis=1, keepdims=True)))
    fixed = np.round(samples * scale).astype("<i2")
    exact = np.abs(np.fft.rfft(fixed / 32768.0, axis=1)[:, : WINDOW // 2] / WINDOW) ** 2 * 32768 / 4
    work = "real FFT of 128, power"
    return [
        Program(work, "CMSIS-DSP q15", _Q15, fixed, exact, tolerance=0.1, result="i2", include=include, files=files),
        Program(work, "CMSIS-DSP f32", _F32, samples.astype("<f4"), power, include=include, files=files),
    ]
