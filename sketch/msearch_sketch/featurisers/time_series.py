"""time-series@1: statistics and band energies per channel, scaled as on the source the space was fitted on.

A row is a series of C channels, of any length. It is cut into windows of 128 steps, half overlapping (a shorter series
is one window); the features of the series are the medians over its windows:

- per channel: mean, standard deviation, 10 % and 90 % quantiles, mean absolute difference of consecutive steps, rate of
  mean crossings, and log energy in four bands of the Nyquist frequency: up to 1/16, 1/8, 1/4 and 1
- for channels up to three apart: their correlation

Samples are first rounded to integers in 1/256 of the channel's fitted scale, the Fourier transform is a product with an
integer table and the logarithm is piecewise linear, so sums are exact and the rest is divisions and square roots, which
IEEE 754 fixes to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch
from msearch_sketch.robust_scaling import fit_geometry, fit_robust, project_signs, read_numbers, scale_to_ticks
from msearch_sketch.spaces import MOST_DIMENSIONS, FeatureSpace

WINDOW_STEPS = 128
HOP_STEPS = 64
PER_CHANNEL = ("mean", "deviation", "low", "high", "difference", "crossings", "band1", "band2", "band3", "band4")

_FIT_ROWS = 2_000
_FIT_SAMPLES = 2**24  # 128 MiB of float64
_STEPS_PER_SERIES = 64
_FARTHEST_PAIR = 3
_SAMPLE_UNIT = 256  # integers per fitted scale of a channel
_LARGEST_SAMPLE = 2**15
_TABLE_UNIT = 2**14
_BAND_EDGES = (0.0, 1 / 16, 1 / 8, 1 / 4, 1.0)
_PROJECTION_SEED = 31
# A smaller scale would magnify noise. In the order of PER_CHANNEL: an eighth of the channel's scale, a rate, and a
# quarter of a doubling of energy.
_LEAST_SCALES = (*(_SAMPLE_UNIT / 8,) * 5, 0.02, *(0.25,) * 4)
_LEAST_CORRELATION_SCALE = 0.05
_ENERGY_FLOOR = 4.0  # about 1 % of a channel's scale, so that silence has a finite logarithm


class TimeSeries:
    """See the module's text."""

    name = "time-series"
    version = 1
    modality = "time_series"

    def fixed_space(self, columns: Columns) -> FeatureSpace | None:  # noqa: ARG002
        """None: the scaling is fitted."""
        return None

    def fit_space(self, columns: Columns, batches: Iterable[pa.RecordBatch]) -> FeatureSpace:
        """Scaling from the first 2,000 series, fewer if they are long.

        Raises:
            SpaceError: no series is readable, or none has values.
        """
        column, channels = _read_columns(columns)
        series = _take_series(column, channels, batches)
        if not series:
            raise SpaceError(f"column {column!r} holds no readable series to fit a feature space on")
        fitted = [fit_robust(np.concatenate([_thin(row[channel]) for row in series])) for channel in range(channels)]
        locations, scales = np.array(fitted).T
        raw = np.stack([describe_series(_quantise(row, locations, scales)) for row in series])
        fitted_features = np.array([fit_robust(values) for values in raw.T])
        least = np.array([*_LEAST_SCALES * channels, *[_LEAST_CORRELATION_SCALE] * len(_channel_pairs(channels))])
        parameters = {
            "locations": locations.tolist(),
            "scales": scales.tolist(),
            "feature_locations": fitted_features[:, 0].tolist(),
            "feature_scales": np.maximum(fitted_features[:, 1], least).tolist(),
        }
        space = FeatureSpace(
            modality=self.modality,
            featuriser=f"{self.name}@{self.version}",
            parameters=parameters,
            dimension=min(raw.shape[1], MOST_DIMENSIONS),
            schema=columns.schema,
        )
        return fit_geometry(space, _to_ticks(raw, space))

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:
        """See `Featuriser.transform`. Series with missing steps take the step before; others are skipped."""
        if columns.schema != space.schema:
            raise SpaceError(f"the space is for {_name(space.schema)}, not for {_name(columns.schema)}")
        column, channels = _read_columns(columns)
        locations, scales = read_numbers(space, "locations", channels), read_numbers(space, "scales", channels)
        kept = np.zeros(batch.num_rows, np.bool_)
        rows, problem = [], ""
        for index, row in enumerate(_iterate_series(batch.column(column))):
            series = _repair(row, channels)
            if isinstance(series, str):
                problem = problem or f"row {index} of the batch: {series}"
            else:
                kept[index] = True
                rows.append(describe_series(_quantise(series, locations, scales)))
        raw = np.stack(rows) if rows else np.zeros((0, len(space.parameters["feature_scales"])))
        return FeatureBatch(_to_ticks(raw, space), kept, problem)


FEATURISER = TimeSeries()
DEFAULT = True


def describe_series(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of one series of integer samples [C, T], |sample| at most 2**15: medians over its windows. [F]"""
    length = min(samples.shape[1], WINDOW_STEPS)
    windows = sliding_window_view(samples, length, axis=1)[:, ::HOP_STEPS]  # [C, W, L]
    total = windows.sum(axis=2)
    spread = length * (windows**2).sum(axis=2) - total**2  # L^2 times the variance; below 2^53, so exact
    ordered = np.sort(windows, axis=2)
    tail = (length - 1) // 10
    steps = max(length - 1, 1)
    above = length * windows > total[:, :, None]
    statistics = [
        total / length,
        np.sqrt(spread) / length,
        ordered[:, :, tail],
        ordered[:, :, length - 1 - tail],
        np.abs(np.diff(windows, axis=2)).sum(axis=2) / steps,
        (above[:, :, 1:] != above[:, :, :-1]).sum(axis=2) / steps,
    ]
    coefficients = np.floor(windows @ _fourier_table(length) / _TABLE_UNIT) ** 2
    for low, high in _band_slices(length):
        energy = coefficients[:, :, low:high].sum(axis=2) / length**2
        statistics.append(_log2(energy + _ENERGY_FLOOR))
    per_channel = _median(np.stack(statistics, axis=2), axis=1).reshape(-1)
    return np.concatenate([per_channel, _median(_correlate(windows, total, spread), axis=1)])


def _correlate(
    windows: NDArray[np.float64], total: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlation of nearby channels in each window, 0 where one is constant. [P, W]"""
    first, second = np.array(_channel_pairs(len(windows)), np.int64).reshape(-1, 2).T
    product = np.einsum("pwl,pwl->pw", windows[first], windows[second])  # of integers: exact in any order
    covariance = windows.shape[2] * product - total[first] * total[second]
    norm = np.sqrt(spread[first]) * np.sqrt(spread[second])
    return np.where(norm > 0, covariance / np.maximum(norm, 1.0), 0.0)


def _log2(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm to base 2, exact at powers of 2 and linear between them (Mitchell 1962), at most 0.09 too low.

    Library logarithms differ in their last bit from one processor to another; this one does not.
    """
    mantissas, exponents = np.frexp(values)
    logarithms: NDArray[np.float64] = exponents + 2 * mantissas - 2
    return logarithms


def _median(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The lower median: one of the values, so nothing is rounded."""
    middle: NDArray[np.float64] = np.sort(values, axis=axis).take((values.shape[axis] - 1) // 2, axis=axis)
    return middle


def _channel_pairs(channels: int) -> list[tuple[int, int]]:
    return [(c, c + apart) for apart in range(1, _FARTHEST_PAIR + 1) for c in range(channels - apart)]


@lru_cache(maxsize=WINDOW_STEPS)
def _fourier_table(length: int) -> NDArray[np.float64]:
    """Cosines and sines of all frequencies above 0 under a Hann window, as integers in 1 / 2**14. [L, 2 L//2]

    Column 2k and 2k + 1 belong to frequency k + 1. Each column sums to nearly zero, which takes the mean out.
    """
    steps = np.arange(length)
    window = np.sin(np.pi * (steps + 0.5) / length) ** 2
    angles = 2 * np.pi * np.outer(steps, np.arange(1, length // 2 + 1)) / length
    columns = np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(length, -1) * window[:, None]
    table: NDArray[np.float64] = np.rint((columns - columns.mean(axis=0)) * _TABLE_UNIT)
    table.setflags(write=False)
    return table


def _band_slices(length: int) -> list[tuple[int, int]]:
    """Column ranges of the bands in `_fourier_table(length)`; a short window leaves low bands empty."""
    frequencies = length // 2
    edges = [int(edge * frequencies) * 2 for edge in _BAND_EDGES]
    return list(pairwise(edges))


def _quantise(
    row: NDArray[np.float64], locations: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        units = (row - locations[:, None]) / scales[:, None] * _SAMPLE_UNIT
    return np.rint(np.clip(units, -_LARGEST_SAMPLE, _LARGEST_SAMPLE))


def _to_ticks(raw: NDArray[np.float64], space: FeatureSpace) -> NDArray[np.int16]:
    width = raw.shape[1]
    locations = read_numbers(space, "feature_locations", width)
    scales = read_numbers(space, "feature_scales", width)
    return project_signs(scale_to_ticks(raw, locations, scales), _PROJECTION_SEED)


def _read_columns(columns: Columns) -> tuple[str, int]:
    """Column name and number of channels, e.g. 6 from "list<list<float>>[6]"."""
    kind = columns.types[0] if len(columns.types) == 1 else ""
    if kind == "list<float>":
        return columns.names[0], 1
    channels = kind.removeprefix("list<list<float>>[").removesuffix("]")
    if not channels.isdigit() or int(channels) < 1:
        raise SpaceError(f"a time series needs one column of lists with a known number of channels, not {kind!r}")
    return columns.names[0], int(channels)


def _name(schema: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"column {name!r} of type {kind}" for name, kind in schema)


def _take_series(column: str, channels: int, batches: Iterable[pa.RecordBatch]) -> list[NDArray[np.float64]]:
    taken: list[NDArray[np.float64]] = []
    samples = 0
    for batch in batches:
        for row in _iterate_series(batch.column(column)):
            series = _repair(row, channels)
            if isinstance(series, str):
                continue
            taken.append(series)
            samples += series.size
            if len(taken) == _FIT_ROWS or samples >= _FIT_SAMPLES:
                return taken
    return taken


def _iterate_series(column: pa.Array) -> Iterable[NDArray[np.float64] | str]:
    """Each row as [C, T] float64 with NaN for missing steps, or what is wrong with it."""
    if not pa.types.is_list(column.type):
        raise DatasetError(f"a time series must be a list or a list of lists, not {column.type}")
    nested = pa.types.is_list(column.type.value_type)
    steps = column.values.values if nested else column.values
    flat = np.asarray(steps.to_numpy(zero_copy_only=False), np.float64)
    ends = column.values.offsets.to_numpy() if nested else None
    offsets = column.offsets.to_numpy()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    for index in range(len(column)):
        first, last = int(offsets[index]), int(offsets[index + 1])
        if not valid[index]:
            yield "the series is missing"
        elif ends is None:
            yield flat[None, first:last]
        elif last == first:
            yield "the series has no channel"
        else:
            lengths = np.diff(ends[first : last + 1])
            if (lengths != lengths[0]).any():
                yield f"its channels differ in length, from {lengths.min()} to {lengths.max()} steps"
            else:
                yield flat[ends[first] : ends[last]].reshape(last - first, -1)


def _repair(row: NDArray[np.float64] | str, channels: int) -> NDArray[np.float64] | str:
    """The series without gaps, or what is wrong with it.

    Missing and infinite steps take the last finite one before them, leading ones the first after them.
    """
    if isinstance(row, str):
        return row
    if len(row) != channels:
        return f"the series has {len(row)} channels, not {channels}"
    if not row.shape[1]:
        return "the series is empty"
    finite = np.isfinite(row)
    if finite.all():
        return row
    if not finite.any(axis=1).all():
        return "a channel has no finite value"
    source = np.maximum.accumulate(np.where(finite, np.arange(row.shape[1]), -1), axis=1)
    source = np.where(source < 0, finite.argmax(axis=1)[:, None], source)
    return np.take_along_axis(row, source, axis=1)


def _thin(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Up to 64 evenly spaced steps, so that a long series does not outweigh the others."""
    return channel[:: -(-len(channel) // _STEPS_PER_SERIES)]
