"""What must hold for any latencies: ranks, intervals, histograms, event counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_client._histograms import Histogram
from profiler_agent.stats.histogram import encode_histogram, merge_histograms
from profiler_agent.stats.littles_law import mean_in_flight
from profiler_agent.stats.percentiles import PERCENTS, nearest_rank, percentile_interval
from profiler_agent.stats.repeats import median_interval

values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200)
percents = st.one_of(st.sampled_from(PERCENTS), st.floats(0.1, 100.0))
latencies_ns = st.lists(st.integers(1_000, 3_600_000_000_000), min_size=1, max_size=200)
medians = st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=8)


@given(values, percents)
def test_nearest_rank_is_the_smallest_value_that_covers_the_share(data: list[float], percent: float) -> None:
    result = nearest_rank(data, percent)
    assert result in data
    covered = sum(value <= result for value in data)
    below = sum(value < result for value in data)
    assert covered * 100 >= percent * len(data) * (1 - 1e-12)
    assert below * 100 < percent * len(data) * (1 + 1e-12)


@given(values, percents)
def test_interval_encloses_the_percentile(data: list[float], percent: float) -> None:
    low, high = percentile_interval(data, min(percent, 99.99))
    assert low <= nearest_rank(data, min(percent, 99.99)) <= high


@settings(max_examples=40)
@given(latencies_ns, percents)
def test_histogram_percentiles_are_within_a_tenth_of_a_percent(data: list[int], percent: float) -> None:
    histogram = Histogram.decode(encode_histogram(data))
    raw_ms = nearest_rank(data, percent) / 1e6
    assert histogram.count == len(data)
    # Half a microsecond is what counting in microseconds costs.
    assert histogram.percentile(percent) == pytest.approx(raw_ms, rel=1e-3, abs=0.6e-3)


@settings(max_examples=40)
@given(latencies_ns)
def test_histogram_mean_is_within_a_tenth_of_a_percent(data: list[int]) -> None:
    histogram = Histogram.decode(encode_histogram(data))
    mean_ms = sum(bucket.middle * bucket.count for bucket in histogram.buckets) / histogram.count
    assert mean_ms == pytest.approx(np.mean(data) / 1e6, rel=1e-3, abs=0.6e-3)


@settings(max_examples=25)
@given(st.lists(latencies_ns, max_size=3))
def test_merged_histograms_are_the_histogram_of_everything(parts: list[list[int]]) -> None:
    merged = Histogram.decode(merge_histograms([encode_histogram(part) for part in parts] + [""]))
    together = Histogram.decode(encode_histogram([latency for part in parts for latency in part]))
    assert merged == together


@given(
    st.integers(1, 10**9), st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), min_size=1, max_size=50)
)
def test_requests_in_flight_over_a_whole_run_are_the_sum_of_latencies(start: int, pairs: list[tuple[int, int]]) -> None:
    scheduled = np.array([start + offset for offset, _ in pairs])
    finished = scheduled + np.array([latency for _, latency in pairs])
    low, high = float(scheduled.min()), float(finished.max())
    expected = float((finished - scheduled).sum()) / (high - low)
    assert mean_in_flight(scheduled, finished, low, high) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 1000)), min_size=1, max_size=30), st.integers(0, 1500))
def test_requests_in_flight_in_a_window_by_looking_at_every_moment(pairs: list[tuple[int, int]], low: int) -> None:
    scheduled = np.array([offset for offset, _ in pairs])
    finished = scheduled + np.array([latency for _, latency in pairs])
    moments = np.arange(low, low + 100) + 0.5
    seen = [((scheduled <= moment) & (finished > moment)).sum() for moment in moments]
    assert mean_in_flight(scheduled, finished, low, low + 100) == pytest.approx(float(np.mean(seen)))


@given(medians, st.floats(0.1, 10.0))
def test_interval_of_medians_scales_with_the_unit(data: list[float], unit: float) -> None:
    low, high = median_interval(data)
    scaled = median_interval([value * unit for value in data])
    assert low <= math.exp(np.mean(np.log(data))) * (1 + 1e-9)
    if math.isfinite(high) and high < 1e200:
        assert scaled == pytest.approx((low * unit, high * unit), rel=1e-6)
