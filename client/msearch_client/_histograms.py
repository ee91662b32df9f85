"""Latency histograms as profiles store them: HdrHistogram V2, compressed, base64, in microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msearch_client._errors import LocalError

US_PER_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Histogram:
    """Response latencies. `buckets` are (latency in ms, count), ascending, without empty ones.

    A bucket stands for values that agree in three digits, by the largest of them.
    """

    buckets: tuple[tuple[float, int], ...]
    _decoded: Any

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """The histogram of a profile.

        Raises:
            LocalError: there is none, it is damaged, or the package that reads it is missing.
        """
        if not text:
            raise LocalError(
                "the profile carries no histogram",
                hint="lists and rankings leave it out: read the profile with get_profile(profile.id)",
            )
        try:
            from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - optional
        except ImportError:
            raise LocalError(
                "reading a latency histogram needs hdrhistogram", hint="run `pip install hdrhistogram`"
            ) from None
        try:
            decoded = HdrHistogram.decode(text)
            buckets = tuple(
                (
                    decoded.get_highest_equivalent_value(item.value_iterated_to) / US_PER_MS,
                    item.count_at_value_iterated_to,
                )
                for item in decoded.get_recorded_iterator()
            )
        except Exception as error:  # noqa: BLE001 - hdrh raises whatever zlib, base64 or ctypes raise
            raise LocalError(f"the profile's histogram is damaged: {error}") from None
        return cls(buckets, decoded)

    @property
    def count(self) -> int:
        """How many requests it holds."""
        return sum(count for _, count in self.buckets)

    def percentile(self, percent: float) -> float:
        """The latency in ms that `percent` of the requests did not exceed, to three digits.

        Raises:
            LocalError: `percent` is outside of 0 to 100, or there are no requests.
        """
        if not 0 <= percent <= 100:
            raise LocalError(f"a percentile lies between 0 and 100, not at {percent!r}")
        if not self.buckets:
            raise LocalError("the histogram holds no request")
        return float(self._decoded.get_value_at_percentile(percent)) / US_PER_MS
