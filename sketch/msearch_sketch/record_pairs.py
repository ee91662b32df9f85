"""The two records of a pair, read from columns: attributes aligned by name, values as texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow as pa

from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers.base import Columns

Profile = TypeVar("Profile")

_LEFT, _RIGHT = "left_", "right_"


def read_pairs(
    batch: pa.RecordBatch, columns: Columns, profile: Callable[[str], Profile | None]
) -> list[list[tuple[Profile | None, Profile | None]]]:
    """What `profile` makes of the texts of each shared attribute: for each row a list of (left, right), by name.

    None stands for a missing value, or where `profile` gives None. Each distinct value is profiled once.

    Raises:
        SpaceError: the columns are not pairs.
        DatasetError: the two records have no attribute in common, or hold bytes.
    """
    attributes = _align_attributes(batch, columns)
    if not attributes:
        raise DatasetError("the two records of a pair have no attribute of the same name in common")
    cache: dict[Any, Profile | None] = {}

    def read(column: pa.Array) -> list[Profile | None]:
        profiles = []
        for value in column.to_pylist():
            key = (type(value), value)
            if key not in cache:
                text = _write_value(value)
                cache[key] = None if text is None else profile(text)
            profiles.append(cache[key])
        return profiles

    sides = [list(zip(read(left), read(right), strict=True)) for left, right in attributes]
    return [list(record) for record in zip(*sides, strict=True)]


def _align_attributes(batch: pa.RecordBatch, columns: Columns) -> list[tuple[pa.Array, pa.Array]]:
    """The two columns of each shared attribute, ordered by name."""
    if columns.types == ("struct", "struct"):
        left, right = (_split_struct(batch.column(name)) for name in columns.names)
    else:
        left, right = (
            {name.removeprefix(side): batch.column(name) for name in columns.names if name.startswith(side)}
            for side in (_LEFT, _RIGHT)
        )
        if len(left) + len(right) != len(columns.names):
            raise SpaceError("pairs need two structs, or columns left_X and right_X with the same X")
    return [(left[name], right[name]) for name in sorted(left.keys() & right.keys())]


def _split_struct(column: pa.Array) -> dict[str, pa.Array]:
    """The fields that hold one value each; a missing struct has only missing fields."""
    if not pa.types.is_struct(column.type):
        raise DatasetError(f"a record must be a struct, not {column.type}")
    arrays = column.flatten()
    return {f.name: array for f, array in zip(column.type, arrays, strict=True) if not pa.types.is_nested(f.type)}


def _write_value(value: Any) -> str | None:
    """The text of a value; whole floats without a fraction, so that 5 and 5.0 are the same."""
    if isinstance(value, bytes):
        raise DatasetError("a record of a pair holds bytes; pairs are compared by text and numbers")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return repr(int(value)) if value.is_integer() else repr(value)
    return str(value)
