"""Latency histograms: their format, as the client reads it, and what isn't one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from msearch_client._histograms import Bucket, Histogram
from profiler_agent.stats.histogram import encode_histogram, merge_histograms


def test_the_text_is_what_other_readers_of_hdr_histograms_read() -> None:
    text = encode_histogram([1_000_000] * 90 + [20_000_000] * 10)
    theirs = HdrHistogram.decode(text)
    assert theirs.get_total_count() == 100
    assert theirs.values_are_equivalent(theirs.get_value_at_percentile(50), 1_000)
    assert theirs.values_are_equivalent(theirs.get_value_at_percentile(99), 20_000)
    assert (theirs.highest_trackable_value, theirs.significant_figures) == (3_600_000_000, 3)


def test_buckets_carry_their_ends() -> None:
    histogram = Histogram.decode(encode_histogram([5_000, 5_400, 3_000_000]))
    assert histogram.buckets == (Bucket(0.005, 0.005, 2), Bucket(3.0, 3.001, 1))


def test_a_hundred_thousand_latencies_fit_in_a_few_kilobytes() -> None:
    latencies = np.random.default_rng(0).lognormal(14, 1, 100_000)
    assert len(encode_histogram(latencies)) < 10_000


def test_latencies_out_of_range_are_counted_at_the_end() -> None:
    histogram = Histogram.decode(encode_histogram([0, -5, 10, 2 * 3_600 * 10**9]))
    assert histogram.count == 4
    assert histogram.percentile(75) == pytest.approx(1e-3)
    assert histogram.percentile(100) == pytest.approx(3_600_000, rel=1e-3)


def test_an_empty_histogram_holds_nothing() -> None:
    for text in (encode_histogram([]), merge_histograms([]), merge_histograms(["", ""])):
        assert Histogram.decode(text) == Histogram(())


@pytest.mark.parametrize("text", ["xx", "HISTFAAAAAA=", "ünicode", encode_histogram([1_000_000])[:-8]])
def test_what_is_no_histogram_is_refused_by_its_beginning(text: str) -> None:
    with pytest.raises(ValueError, match="not a latency histogram"):
        merge_histograms([text])


def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    with pytest.raises(RuntimeError, match=r"pip install 'msearch\[agent\]'"):
        encode_histogram([1])
