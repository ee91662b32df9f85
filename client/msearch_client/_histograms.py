"""Latency histograms as profiles store them: HdrHistogram V2, compressed, base64, in microseconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from msearch_client._errors import LocalError

US_PER_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """Latencies counted together, in milliseconds from `low` to `high`; they agree in three digits."""

    low: float
    high: float
    count: int

    @property
    def middle(self) -> float:
        """What stands for all of them."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Histogram:
    """Response latencies: buckets that hold any, ascending."""

    buckets: tuple[Bucket, ...]

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """The histogram of a profile.

        Raises:
            LocalError: there is none, it is damaged, or the package that reads it is missing.
        """
        if not text:
            raise LocalError(
                "the profile carries no histogram",
                hint="get_profile(profile.id) has it; lists and rankings, and profiles without a VALID run, do not",
            )
        try:
            from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - optional
        except ImportError:
            raise LocalError(
                "reading a latency histogram needs hdrhistogram", hint="run `pip install hdrhistogram`"
            ) from None
        try:
            decoded = HdrHistogram.decode(text)
            # Its own iterator looks at each of some 20,000 counts in turn, which takes 0.1 s.
            counts = np.array(decoded.counts, dtype=np.int64)
            held = [(decoded.get_value_from_index(int(place)), int(counts[place])) for place in np.flatnonzero(counts)]
            buckets = tuple(
                Bucket(low / US_PER_MS, decoded.get_highest_equivalent_value(low) / US_PER_MS, count)
                for low, count in held
            )
        except Exception as error:  # noqa: BLE001 - hdrh raises whatever zlib, base64 or ctypes raise
            raise LocalError(f"the profile's histogram is damaged: {error}") from None
        return cls(buckets)

    @property
    def count(self) -> int:
        """How many requests it holds."""
        return sum(bucket.count for bucket in self.buckets)

    def percentile(self, percent: float) -> float:
        """The latency in ms by nearest rank, to three digits: what `percent` of the requests did not exceed.

        Raises:
            LocalError: `percent` is not above 0 and up to 100, or there are no requests.
        """
        if not 0 < percent <= 100:
            raise LocalError(f"a percentile lies above 0 and up to 100, not at {percent!r}")
        if not self.buckets:
            raise LocalError("the histogram holds no request")
        # Rounded first: 99.9 / 100 * 1000 is a little more than 999.
        rank = math.ceil(round(percent / 100 * self.count, 6))
        for bucket in self.buckets:
            rank -= bucket.count
            if rank <= 0:
                return bucket.middle
        return self.buckets[-1].middle
