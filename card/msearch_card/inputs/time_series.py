"""Time series: cut or pad to a fixed length, normalise per channel, order the axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_card.encodings import FeaturiserEncoding
from msearch_card.errors import InputError
from msearch_card.featurising import featurise
from msearch_card.input_specs import TimeSeriesInput
from msearch_card.inputs.base import ONLY_INPUT, Prepared, row_problem
from msearch_card.inputs.columns import list_parts, numbers, read_column, valid_mask

_TYPES = ("list<float>", "list<list<float>>")


def prepare(spec: TimeSeriesInput, batch: pa.RecordBatch, base: Path | None) -> Prepared:  # noqa: ARG001 - no file is named
    """Tensor [m, C, T] or [m, T, C] float32: (value - mean) / std, `pad` after the last step of a short series.

    A long series keeps its first T steps. Skips rows that are missing or empty, have another number of channels, or
    hold a value that is not finite among the steps that are used. featuriser: [m, d] float32.
    """
    name = spec.tensor or ONLY_INPUT
    column = _read(batch, spec.column)
    if isinstance(spec.encoding, FeaturiserEncoding):
        features = featurise(spec.encoding.name, "time_series", {spec.column: column})
        return Prepared({name: features.units}, features.kept, features.problem)
    if spec.channels is None or spec.length is None:
        raise InputError("input.channels and input.length are required for raw series")  # the card was not validated
    starts, steps, values, usable = _locate(column, spec.channels)
    kept = usable & (steps > 0).any(axis=1)
    inside = np.arange(spec.length) < steps[kept][..., None]
    places = np.where(inside, starts[kept][..., None] + np.arange(spec.length), 0)
    series = values[places] if values.size else np.zeros(places.shape)
    finite = np.asarray((np.isfinite(series) | ~inside).all(axis=(1, 2)))
    problem = _first_problem(usable, kept, finite, spec)
    kept[kept] = finite
    mean, std = (np.asarray(part, np.float64)[:, None] for part in (spec.mean, spec.std))
    tensor = np.where(inside[finite], (series[finite] - mean) / std, spec.pad).astype(np.float32)
    return Prepared({name: tensor if spec.layout == "CT" else tensor.swapaxes(1, 2).copy()}, kept, problem)


def _read(batch: pa.RecordBatch, name: str) -> pa.Array:
    index = batch.schema.get_field_index(name)
    kind = batch.schema.field(index).type if index >= 0 else pa.null()
    if pa.types.is_fixed_size_list(kind) and not pa.types.is_nested(kind.value_type):
        # a vector of fixed length serves as a series of one channel
        return batch.column(index).cast(pa.list_(pa.float64()))
    return read_column(batch, name, "input.column", _TYPES)


def _locate(
    column: pa.Array, channels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Where each channel of each row begins [n, C], its length [n, C], the flat values, and the usable rows [n]."""
    offsets, inner = list_parts(column)
    counts = np.diff(offsets)
    usable = valid_mask(column)
    if not pa.types.is_list(inner.type):
        if channels != 1:
            raise InputError(f"the series have one channel, but input.channels is {channels}")
        return offsets[:-1, None], counts[:, None], numbers(inner), usable
    usable = usable & (counts == channels)
    ends, flat = list_parts(inner)
    present = valid_mask(inner)
    rows = np.where(usable[:, None], offsets[:-1, None] + np.arange(channels), 0)
    if not len(inner):
        return np.zeros(rows.shape, np.int64), np.zeros(rows.shape, np.int64), numbers(flat), usable
    usable = usable & present[rows].all(axis=1)
    return ends[rows], np.where(usable[:, None], ends[rows + 1] - ends[rows], 0), numbers(flat), usable


def _first_problem(
    usable: NDArray[np.bool_], kept: NDArray[np.bool_], finite: NDArray[np.bool_], spec: TimeSeriesInput
) -> str:
    good = kept.copy()
    good[kept] = finite
    if good.all():
        return ""
    row = int(np.argmin(good))
    if not usable[row]:
        return row_problem(row, f"the series is missing or does not have {spec.channels} channels")
    if not kept[row]:
        return row_problem(row, "the series is empty")
    return row_problem(row, "the series holds a missing value, NaN or infinity")
