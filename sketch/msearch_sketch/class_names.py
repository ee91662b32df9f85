"""From label values to class names and indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from msearch_sketch.errors import DatasetError


class ClassNames:
    """Gives each class name an index, in order of first sight or as told.

    Strings name classes as they are; whole numbers as decimal digits, booleans as "true" and "false". Where classes
    are told and not all of them are whole numbers, integer labels are positions in that list.
    """

    def __init__(self, told: Sequence[str] | None = None) -> None:
        self._told = tuple(told) if told is not None else None
        self.names: list[str] = list(self._told or ())
        self._index = {name: index for index, name in enumerate(self.names)}
        if len(self._index) != len(self.names):
            raise DatasetError("the classes hold a name twice")
        self._positional = bool(self.names) and not all(_is_whole_number(name) for name in self.names)

    def encode(self, labels: pa.Array) -> NDArray[np.int32]:
        """Index of each label's class, -1 for a missing label. [n]

        Raises:
            DatasetError: the labels are no classes (lists, fractions), or one is not among the told classes.
        """
        # Through the distinct values, so that Python touches each class once and not each row.
        coded = labels if isinstance(labels.type, pa.DictionaryType) else _plain(labels).dictionary_encode()
        index = np.array([*map(self._find, _plain(coded.dictionary).to_pylist()), -1], np.int32)
        places: NDArray[np.int64] = coded.indices.cast(pa.int64()).fill_null(len(index) - 1).to_numpy()
        return index[places]

    def _find(self, value: Any) -> int:
        if value is None:
            return -1
        if self._positional and type(value) is int:
            if not 0 <= value < len(self.names):
                raise DatasetError(f"label {value} is no position in the list of {len(self.names)} classes")
            return value
        name = ("false", "true")[value] if isinstance(value, bool) else str(value)
        if name not in self._index:
            if self._told is not None:
                raise DatasetError(f"the label {name!r} is not among the classes {', '.join(self._told[:20])}")
            self._index[name] = len(self.names)
            self.names.append(name)
        return self._index[name]


def _plain(labels: pa.Array) -> pa.Array:
    """Floats that are whole become integers; what cannot be a class is refused."""
    kind = labels.type
    if pa.types.is_floating(kind):
        labels = pc.if_else(pc.is_nan(labels), None, labels)
        try:
            return labels.cast(pa.int64())
        except pa.ArrowInvalid:
            raise DatasetError("the labels are fractions, not classes; name a label column of classes") from None
    readable = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_boolean,
        pa.types.is_null,
    )
    if not any(is_kind(kind) for is_kind in readable):
        raise DatasetError(f"labels must be strings, whole numbers or booleans, not {kind}")
    return labels


def _is_whole_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal() and name.isascii()
