"""Measures a model on several cores side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from os import cpu_count

from .firmware import OPTIMIZATIONS, build_firmware, require_toolchain
from .mcus import Mcu
from .measure import Measurement, measure

__all__ = ["OPTIMIZATIONS", "measure_on"]


def measure_on(
    model: bytes,
    mcus: Sequence[Mcu],
    optimize: str = "O2",
    progress: Callable[[float], None] = lambda share: None,
) -> list[Measurement]:
    """Compile and run a model file's bytes on each core; in the order of the cores, whatever is ready first.

    progress: called with the share done. Raises as build_firmware() and measure() do.
    """
    require_toolchain()

    def one(mcu: Mcu) -> Measurement:
        return measure(model, build_firmware(model, mcu, optimize))

    with ThreadPoolExecutor(max_workers=min(len(mcus), cpu_count() or 1)) as pool:
        running = [pool.submit(one, mcu) for mcu in mcus]
        try:
            for done, future in enumerate(as_completed(running), 1):
                future.result()
                progress(done / len(running))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in running]
