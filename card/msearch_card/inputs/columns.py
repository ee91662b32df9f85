"""Reads the columns that a card names out of a record batch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_card.errors import InputError
from msearch_sketch.column_types import name_type, normal_type


def read_column(batch: pa.RecordBatch, name: str, path: str, types: Collection[str]) -> Any:
    """The column `name`, or the field of a struct where `name` reads `struct.field`, in its normal Arrow type.

    `types` are the canonical type names that are allowed; "null" (a column without values) always is, as nulls of the
    first of them. `path` is the field of the card that named the column.

    Raises:
        InputError: there is no such column, its type is not one of `types`, or a value contradicts its type.
    """
    array = _find(batch, name, path)
    kind = name_type(array.type)
    if kind == "null":
        return pa.nulls(len(array), normal_type(next(iter(types)), pa.null()))
    if kind not in types:
        raise InputError(f"column {name!r} ({path}) has type {array.type}; expected {' or '.join(types)}")
    try:
        return array.cast(normal_type(kind, array.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"column {name!r} ({path}) cannot be read as {kind}: {error}") from None


def _find(batch: pa.RecordBatch, name: str, path: str) -> Any:
    names = batch.schema.names
    if names.count(name) > 1:
        raise InputError(f"more than one column is named {name!r} ({path}): rename them")
    if name in names:
        return batch.column(name)
    parent, _, field = name.partition(".")
    if names.count(parent) == 1 and pa.types.is_struct(batch.column(parent).type):
        struct = batch.column(parent)
        if struct.type.get_field_index(field) >= 0:
            # flatten, unlike field(), hands the nulls of the struct down to its fields
            return struct.flatten()[struct.type.get_field_index(field)]
    raise InputError(f"there is no column {name!r} ({path}); the columns are {', '.join(names)}")


def valid_mask(array: Any) -> NDArray[np.bool_]:
    """Which values are not null. [n]"""
    mask: NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


def list_parts(array: Any) -> tuple[NDArray[np.int64], Any]:
    """Offsets [n + 1] of a list array, and the values they index into."""
    return array.offsets.to_numpy().astype(np.int64), array.values


def numbers(array: Any) -> NDArray[np.float64]:
    """A numeric array as float64, null as NaN. [n]"""
    values: NDArray[np.float64] = array.to_numpy(zero_copy_only=False).astype(np.float64)
    return values
