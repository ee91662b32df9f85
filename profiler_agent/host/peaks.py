"""What the host can do at most, measured: arithmetic and memory bandwidth, the two limits of the roofline.

    attainable = min(peak, intensity x bandwidth),  intensity = FLOPs / bytes moved      (Williams et al. 2009)

Peak: single-precision matrix product of numpy's BLAS, 2 n^3 operations. Bandwidth: the triad a = b + s c of STREAM
(McCalpin 1995) over three arrays of 64 MiB, in pieces that stay in the cache between numpy's two passes; three arrays
move, write allocation not counted. Where the last cache holds them all, it is that cache's. Both are the best of
several tries: disturbances only ever slow a try down.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

_MATRIX = 1024
_ARRAY_BYTES = 64 << 20
_CHUNK = 1 << 14
"""Elements, 128 KiB: what the first pass writes is still in the cache when the second reads it."""

_TRIAD_ARRAYS = 3


@dataclass(frozen=True, slots=True)
class Peaks:
    """Measured limits with so many threads."""

    gflop_per_s: float
    gb_per_s: float
    threads: int


def calibrate_peaks(
    threads: int | None = None, *, seconds: float = 1.0, clock: Callable[[], int] = time.perf_counter_ns
) -> Peaks:
    """Measures both within about `seconds`, with as many threads as CPUs may be used if not told otherwise.

    Raises:
        ValueError: fewer than one thread.
    """
    count = _usable_cpus() if threads is None else threads
    if count < 1:
        raise ValueError(f"peaks need at least one thread, got {count}")
    with threadpool_limits(count):
        left = np.ones((_MATRIX, _MATRIX), np.float32)
        result = np.empty_like(left)
        product_s = _best(lambda: np.matmul(left, left, out=result), seconds / 2, clock)
    return Peaks(2 * _MATRIX**3 / product_s / 1e9, _bandwidth(count, seconds / 2, clock) / 1e9, count)


def measure_peaks(*, seconds: float = 1.0) -> list[dict[str, Any]]:
    """The limits with one thread and with one a CPU that may be used, as JSON values for the fingerprint.

    A variant of one thread cannot reach what all of them can, so both are kept. Takes about `seconds` in all.
    """
    counts = sorted({1, _usable_cpus()})
    return [asdict(calibrate_peaks(count, seconds=seconds / len(counts))) for count in counts]


def _usable_cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _bandwidth(threads: int, seconds: float, clock: Callable[[], int]) -> float:
    """Bytes a second of the triad, split over threads; numpy releases the interpreter lock inside."""
    size = _ARRAY_BYTES // 8
    a, b, c = np.zeros(size), np.ones(size), np.full(size, 2.0)
    bounds = np.linspace(0, size, threads + 1).astype(int)

    def triad(part: int) -> None:
        for low in range(bounds[part], bounds[part + 1], _CHUNK):
            piece = slice(low, min(low + _CHUNK, bounds[part + 1]))
            np.multiply(c[piece], 3.0, out=a[piece])
            np.add(a[piece], b[piece], out=a[piece])

    with ThreadPoolExecutor(threads) as pool:
        taken_s = _best(lambda: list(pool.map(triad, range(threads))), seconds, clock)
    return _TRIAD_ARRAYS * _ARRAY_BYTES / taken_s


def _best(action: Callable[[], object], seconds: float, clock: Callable[[], int]) -> float:
    """The shortest of the tries that fit into so many seconds, after one that doesn't count; at least one."""
    action()
    end = clock() + int(seconds * 1e9)
    best = float("inf")
    while True:
        began = clock()
        action()
        now = clock()
        best = min(best, max(now - began, 1) / 1e9)
        if now >= end:
            return best
