"""Features of blocks of windows, on all cores: NumPy lets go of the interpreter while it works, so threads do."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from .arithmetic import Int32, sine_table
from .features import Feature, extract

__all__ = ["described"]

Block = TypeVar("Block", bound=tuple[Any, ...])

_AHEAD = 2  # blocks for each thread that wait: enough that none idles, and few enough to bound memory
_WORTH_THREADS = 1 << 15  # samples of a block: below, handing it over takes as long as its features


def _samples(windows: NDArray[np.int16]) -> int:
    return len(windows) * windows.shape[1]


def described(
    blocks: Iterable[Block], features: Sequence[Feature], window: int, threads: int | None = None
) -> Iterator[tuple[Block, Int32]]:
    """Each block with its features int32 [W, F], in the order of the blocks.

    blocks: tuples that begin with windows int16 [W, N, C]; they are read by the calling thread, a few ahead of the
    one that is handed out; threads: None for one a core.
    """
    table = sine_table(window)
    threads = threads or cpu_count()
    if threads == 1:
        for block in blocks:
            yield block, extract(block[0], features, table)
        return
    waiting: deque[tuple[Block, Future[Int32] | None]] = deque()
    with ThreadPoolExecutor(threads) as pool:

        def first() -> tuple[Block, Int32]:
            block, future = waiting.popleft()
            return block, extract(block[0], features, table) if future is None else future.result()

        for block in blocks:
            large = _samples(block[0]) >= _WORTH_THREADS
            waiting.append((block, pool.submit(extract, block[0], features, table) if large else None))
            if len(waiting) > _AHEAD * threads:
                yield first()
        while waiting:
            yield first()
