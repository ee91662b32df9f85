"""Which column of a table a card means, where the table calls it otherwise."""

from __future__ import annotations

import pyarrow as pa

from msearch_card import Card
from msearch_card.input_specs import EmbeddingInput, ImageInput, TextInput, TimeSeriesInput
from msearch_sketch.column_types import is_image_struct, name_type

_TYPES: dict[str, tuple[str, ...]] = {"text": ("string", "category"), "image": ("binary",)}


def named_as_card(card: Card, rows: pa.Table) -> pa.Table:
    """The table with its only fitting column under the name that the card has for it.

    For cards that take one column: whether the reviews are called `text` or `review` says nothing about them. The
    table comes back as it is if it has the card's column, or none or several columns of the right type.
    """
    spec = card.input
    if not isinstance(spec, ImageInput | TextInput | TimeSeriesInput | EmbeddingInput):
        return rows
    if spec.column in rows.column_names:
        return rows
    fitting = [place for place, field in enumerate(rows.schema) if _fits(spec.kind, field.type)]
    if len(fitting) != 1:
        return rows
    names = list(rows.column_names)
    names[fitting[0]] = spec.column
    return rows.rename_columns(names)


def _fits(kind: str, type: pa.DataType) -> bool:
    if kind in _TYPES:
        return name_type(type) in _TYPES[kind] or (kind == "image" and is_image_struct(type))
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))
