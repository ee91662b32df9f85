"""tabular-robust@1: columns scaled robustly as on the source the space was fitted on, categories hashed.

Raw features of a row, column by column in order of name:

- number: (value - median) / robust standard deviation, clipped to +-4; missing, NaN and infinity give 0
- boolean: -1/2 or 1/2; missing gives 0
- category: a code of 16 signs drawn from the hash of its text, of length 1/sqrt(2), so that two categories are
  about 1 apart; missing gives 0
- and for each column 1 where the value is missing, else 0

Above 64 raw features they are projected to 64 by random signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch
from msearch_sketch.robust_scaling import fit_geometry, fit_robust, project_signs, read_numbers, scale_to_ticks
from msearch_sketch.spaces import MOST_DIMENSIONS, TICKS_PER_UNIT, FeatureSpace

_FIT_ROWS = 100_000
_CODE_SIGNS = 16
_CODE_TICKS = 181  # 16 signs of 181 ticks: length 1024 / sqrt(2)
_PROJECTION_SEED = 32
_WIDTHS = {"float": 1, "boolean": 1, "category": _CODE_SIGNS}


class TabularRobust:
    """See the module's text."""

    name = "tabular-robust"
    version = 1
    modality = "tabular"

    def fixed_space(self, columns: Columns) -> FeatureSpace | None:  # noqa: ARG002
        """None: the scaling is fitted."""
        return None

    def fit_space(self, columns: Columns, batches: Iterable[pa.RecordBatch]) -> FeatureSpace:
        """Scaling from the first 100,000 rows.

        Raises:
            SpaceError: there are no rows, or a column is all missing in them.
        """
        _check_types(columns)
        table = _take_rows(columns, batches)
        numbers = _numeric_names(columns)
        fitted = [fit_robust(_finite_values(name, table)) for name in numbers]
        for name in set(columns.names) - set(numbers):
            if table[name].null_count == table.num_rows:
                raise _all_missing(name)
        raw_dimension = len(columns.names) + sum(_WIDTHS[kind] for kind in columns.types)
        space = FeatureSpace(
            modality=self.modality,
            featuriser=f"{self.name}@{self.version}",
            parameters={"locations": [location for location, _ in fitted], "scales": [scale for _, scale in fitted]},
            dimension=min(raw_dimension, MOST_DIMENSIONS),
            schema=columns.schema,
        )
        sample = table.take(np.arange(0, table.num_rows, -(-table.num_rows // 1024))).combine_chunks().to_batches()
        return fit_geometry(space, self.transform(sample[0], columns, space).ticks)

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:
        """See `Featuriser.transform`. Every row is kept."""
        if columns.schema != space.schema:
            raise SpaceError(_explain_difference(columns, space))
        _check_types(columns)
        numbers = _numeric_names(columns)
        locations = dict(zip(numbers, read_numbers(space, "locations", len(numbers)), strict=True))
        scales = dict(zip(numbers, read_numbers(space, "scales", len(numbers)), strict=True))
        blocks: list[NDArray[np.int64]] = []
        for name, kind in zip(columns.names, columns.types, strict=True):
            array = batch.column(name)
            if kind == "float":
                values = _read_numbers(name, array)
                missing = ~np.isfinite(values)
                filled = np.where(missing, locations[name], values)
                block = scale_to_ticks(filled, locations[name], scales[name])[:, None]
            else:
                missing = array.is_null().to_numpy(zero_copy_only=False)
                block = _encode_booleans(name, array) if kind == "boolean" else _encode_categories(name, array)
            blocks += [block, missing[:, None].astype(np.int64) * TICKS_PER_UNIT]
        ticks = project_signs(np.concatenate(blocks, axis=1), _PROJECTION_SEED)
        return FeatureBatch(ticks, np.ones(batch.num_rows, np.bool_))


FEATURISER = TabularRobust()
DEFAULT = True


def _check_types(columns: Columns) -> None:
    for name, kind in columns.schema:
        if kind not in _WIDTHS:
            raise SpaceError(f"column {name!r} has type {kind}; a tabular space takes {', '.join(_WIDTHS)}")
    if not columns.names:
        raise SpaceError("a tabular space needs at least one column")


def _numeric_names(columns: Columns) -> list[str]:
    return [name for name, kind in zip(columns.names, columns.types, strict=True) if kind == "float"]


def _take_rows(columns: Columns, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    taken: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        taken.append(batch.select(list(columns.names)).slice(0, _FIT_ROWS - rows))
        rows += taken[-1].num_rows
        if rows == _FIT_ROWS:
            break
    if not rows:
        raise SpaceError("there are no rows to fit a feature space on")
    return pa.Table.from_batches(taken)


def _finite_values(name: str, table: pa.Table) -> NDArray[np.float64]:
    values = _read_numbers(name, table[name])
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise _all_missing(name)
    return finite


def _all_missing(name: str) -> SpaceError:
    return SpaceError(f"column {name!r} is all missing in the rows a feature space is fitted on: leave it out (ignore)")


def _read_numbers(name: str, array: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """Values as float64, missing as NaN."""
    try:
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    except TypeError:  # a chunked array knows no zero_copy_only
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    except pa.ArrowException as error:
        raise DatasetError(f"column {name!r} does not hold numbers: {error}") from None


def _encode_booleans(name: str, array: pa.Array) -> NDArray[np.int64]:
    if not pa.types.is_boolean(array.type):
        raise DatasetError(f"column {name!r} holds {array.type}, not booleans")
    halves = pc.if_else(array, TICKS_PER_UNIT // 2, -TICKS_PER_UNIT // 2).fill_null(0)
    return np.asarray(halves.to_numpy(zero_copy_only=False), np.int64)[:, None]


def _encode_categories(name: str, array: pa.Array) -> NDArray[np.int64]:
    """Codes [n, 16]; each distinct category is hashed once."""
    try:
        encoded = array.cast(pa.string()).dictionary_encode()
    except pa.ArrowException as error:
        raise DatasetError(f"column {name!r} does not hold categories: {error}") from None
    codes = np.array([*(_code(text) for text in encoded.dictionary.to_pylist()), [0] * _CODE_SIGNS], np.int64)
    rows: NDArray[np.int64] = codes[encoded.indices.fill_null(len(codes) - 1).to_numpy(zero_copy_only=False)]
    return rows


def _code(category: str) -> list[int]:
    bits = int.from_bytes(hashlib.blake2b(category.encode(), digest_size=_CODE_SIGNS // 8).digest(), "little")
    return [_CODE_TICKS if bits >> position & 1 else -_CODE_TICKS for position in range(_CODE_SIGNS)]


def _explain_difference(columns: Columns, space: FeatureSpace) -> str:
    have, want = set(columns.schema), set(space.schema)
    missing = ", ".join(f"{name} ({kind})" for name, kind in sorted(want - have))
    extra = ", ".join(f"{name} ({kind})" for name, kind in sorted(have - want))
    parts = [f"lacks {missing}" if missing else "", f"adds {extra}" if extra else ""]
    return "the columns are not those of the feature space: the data " + " and ".join(part for part in parts if part)
