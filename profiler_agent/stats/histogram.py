"""Latency histograms that later questions are answered from: HdrHistogram V2, compressed, base64.

Microseconds from 1 us to 1 h at three significant digits: a bucket is at most 1/1024 of its value wide (1 us below
2 ms), so its middle is within 0.05 %, or half a microsecond, of any value in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
DIGITS = 3


def encode_histogram(latencies_ns: Sequence[int] | NDArray[Any]) -> str:
    """The histogram of latencies in nanoseconds; those outside 1 us to 1 h are counted at that end.

    Raises:
        RuntimeError: the package hdrhistogram is missing.
    """
    histogram = _empty()
    latencies_us = np.rint(np.asarray(latencies_ns, dtype=np.float64) / 1000)
    values, counts = np.unique(np.clip(latencies_us, LOWEST_US, HIGHEST_US).astype(np.int64), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)
    return _encoded(histogram)


def merge_histograms(texts: Iterable[str]) -> str:
    """One histogram of all their latencies; an empty text counts as an empty histogram.

    Raises:
        ValueError: a text is no histogram.
        RuntimeError: the package hdrhistogram is missing.
    """
    merged = _empty()
    for text in texts:
        if text:
            merged.add(_decoded(text))
    return _encoded(merged)


def _library() -> Any:
    try:
        from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - what needs no histogram must not need the package
    except ImportError as error:
        raise RuntimeError("latency histograms need the package hdrhistogram: pip install 'msearch[agent]'") from error
    return HdrHistogram


def _empty() -> Any:
    return _library()(LOWEST_US, HIGHEST_US, DIGITS)


def _encoded(histogram: Any) -> str:
    return bytes(histogram.encode()).decode("ascii")


def _decoded(text: str) -> Any:
    library = _library()
    try:
        return library.decode(text)
    except Exception as error:
        # Whatever zlib, base64 or the library's header checks raise.
        raise ValueError(f"not a latency histogram: {text[:24]!r}...: {error}") from error
