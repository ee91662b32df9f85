"""Which columns of a dataset are its data, which one holds labels, and of what modality it is: from its schema alone.

The rules, in order. Columns named in `ignore` do not exist for them.

1. Labels. `labels` names the column; "" says that there is none. Otherwise, if exactly one column has one of the names
   in `LABEL_NAMES` (in any case), holds classes (strings, integers, booleans), and the other columns are a complete
   dataset, it holds the labels. With several such columns the caller must choose. An all-missing column of such a
   name is passed over. Fractions are no classes: a float column is data whatever its name.
2. Pairs: two structs, or columns `left_X` and `right_X` with at least one X in common.
3. Image (binary, or a struct {bytes, path}), embedding (fixed-size list), time series (list, list of lists): the one
   column of such a type. Columns of scalars beside it are metadata.
4. Text: one string column, with at most one number beside it (an id, say).
5. Tabular: every number, boolean, category and string; at least one number, boolean or category.

`modality` restricts the rules to one of these; `column` names the data column, whose type decides between image,
embedding, time series and text.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa

from msearch_sketch.column_types import is_image_struct, name_type, normal_type
from msearch_sketch.errors import DatasetError
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.spaces import MODALITIES

LABEL_NAMES = ("label", "labels", "class", "target", "y")
LEFT, RIGHT = "left_", "right_"

_CLASS_TYPES = frozenset({"string", "category", "integer", "boolean"})
_SCALARS = frozenset({"integer", "float", "boolean", "category", "string"})
_SINGLE_COLUMN = ("image", "embedding", "time_series", "text")


@dataclass(frozen=True, slots=True)
class Detection:
    """The outcome: modality, data columns, label column (None: unlabelled), and the types to read them with."""

    modality: str
    columns: Columns
    labels: str | None
    schema: pa.Schema


def detect(
    schema: pa.Schema,
    *,
    modality: str | None = None,
    column: str | None = None,
    labels: str | None = None,
    ignore: Collection[str] = (),
) -> Detection:
    """Applies the rules above to a schema.

    Raises:
        DatasetError: a named column does not exist, nothing fits, or more than one choice does; the message lists them.
    """
    if modality is not None and modality not in MODALITIES:
        raise DatasetError(f"modality {modality!r} is unknown: choose one of {', '.join(MODALITIES)}")
    repeated = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if repeated:
        raise DatasetError(f"more than one column is named {_list(repeated)}: rename them")
    named = [name for name in (column, labels) if name]
    for name in (*named, *ignore):
        if name not in schema.names:
            raise DatasetError(f"there is no column {name!r}; the columns are {_list(schema.names)}")
    clash = [name for name in named if name in ignore]
    if clash or (column is not None and column == labels):
        raise DatasetError(f"column {(clash or named)[0]!r} is named twice: as data, labels or ignored choose one")
    kept = [field for field in schema if field.name not in ignore and not _is_empty_label(field, named)]
    chosen = labels or None
    if labels is None:
        chosen = _find_labels(kept, modality, column)
    fields = [field for field in kept if field.name != chosen]
    found, columns = _find_data(fields, modality, column)
    return Detection(found, columns, chosen, _wanted_schema(kept, columns, chosen))


def _is_empty_label(field: pa.Field, named: Collection[str]) -> bool:
    return field.name.lower() in LABEL_NAMES and field.name not in named and pa.types.is_null(field.type)


def _find_labels(fields: list[pa.Field], modality: str | None, column: str | None) -> str | None:
    candidates: list[str] = [
        field.name
        for field in fields
        if field.name.lower() in LABEL_NAMES and field.name != column and name_type(field.type) in _CLASS_TYPES
    ]
    if len(candidates) > 1:
        raise DatasetError(
            f"columns {_list(candidates)} may hold labels: choose one with --labels, leave the others out with --ignore"
        )
    if not candidates:
        return None
    try:
        _find_data([field for field in fields if field.name != candidates[0]], modality, column)
    except DatasetError:
        return None
    return candidates[0]


def _find_data(fields: list[pa.Field], modality: str | None, column: str | None) -> tuple[str, Columns]:
    if column is not None:
        return _choose_column(next(field for field in fields if field.name == column), modality)
    if modality in (None, "pairs"):
        pairs = _find_pairs(fields)
        if pairs is not None:
            return "pairs", pairs
        if modality == "pairs":
            raise DatasetError(
                "pairs need two structs, or columns left_X and right_X with the same X; "
                f"the columns are {_list(field.name for field in fields)}"
            )
    media = {field.name: kind for field in fields if (kind := _media_modality(field.type))}
    if modality is None and len(media) > 1:
        listed = ", ".join(f"{name} ({kind})" for name, kind in media.items())
        raise DatasetError(f"columns {listed} may hold the data: choose one with --column")
    if modality is None and media:
        return _choose_column(next(field for field in fields if field.name in media), None)
    if modality in _SINGLE_COLUMN:
        return _find_only_column(fields, modality)
    strings = [field for field in fields if name_type(field.type) == "string"]
    others = [field for field in fields if name_type(field.type) in _SCALARS - {"string"}]
    if modality is None and strings and len(others) <= 1 and not any(_is_category(field) for field in others):
        return _find_only_column(fields, "text")
    return "tabular", _find_tabular(fields)


def _find_only_column(fields: list[pa.Field], modality: str) -> tuple[str, Columns]:
    fitting = [field for field in fields if _as_modality(field.type, modality)]
    if len(fitting) == 1:
        return _choose_column(fitting[0], modality)
    if fitting:
        listed = _list(field.name for field in fitting)
        raise DatasetError(
            f"columns {listed} hold {modality.replace('_', ' ')}: choose one with --column"
            + (", or read them all with --as-modality tabular" if modality == "text" else "")
        )
    raise DatasetError(f"no column holds {modality.replace('_', ' ')}: found {_describe(fields)}")


def _choose_column(field: pa.Field, modality: str | None) -> tuple[str, Columns]:
    """The named column read as `modality`, or as what its type suggests."""
    name = name_type(field.type)
    if name == "null":
        raise DatasetError(f"column {field.name!r} is all missing")
    guess = modality or _media_modality(field.type) or ("text" if name in ("string", "category") else "tabular")
    if guess == "tabular":
        return guess, _find_tabular([field])
    canonical = _as_modality(field.type, guess) if guess in _SINGLE_COLUMN else None
    if canonical is None:
        raise DatasetError(f"column {field.name!r} has type {field.type}, which cannot be read as {guess}")
    return guess, Columns((field.name,), (canonical,))


def _media_modality(kind: pa.DataType) -> str | None:
    name = name_type(kind) or ""
    if name == "binary" or is_image_struct(kind):
        return "image"
    if name.startswith("vector["):
        return "embedding"
    return "time_series" if name.startswith("list<") else None


def _as_modality(kind: pa.DataType, modality: str) -> str | None:
    """The canonical type under which a column serves a single-column modality, or None.

    A plain list serves as an embedding ("list<float>": its length is taken from the first row) and a vector as a
    series of one channel.
    """
    name = name_type(kind) or ""
    if modality == "image":
        return name if _media_modality(kind) == "image" else None
    if modality == "text":
        return "string" if name in ("string", "category") else None
    if modality == "embedding":
        return name if name.startswith("vector[") or name == "list<float>" else None
    if name.startswith("vector["):
        return "list<float>"
    return name if name.startswith("list<") else None


def _find_pairs(fields: list[pa.Field]) -> Columns | None:
    structs = [field.name for field in fields if pa.types.is_struct(field.type) and not is_image_struct(field.type)]
    if len(structs) == 2:
        return Columns(tuple(sorted(structs)), ("struct", "struct"))
    types = {field.name: name_type(field.type) for field in fields}
    shared = sorted(
        name.removeprefix(LEFT) for name in types if name.startswith(LEFT) and RIGHT + name.removeprefix(LEFT) in types
    )
    if not shared:
        return None
    names = tuple(sorted(side + attribute for side in (LEFT, RIGHT) for attribute in shared))
    return Columns(names, tuple(_type_of_attribute(types[name]) for name in names))


def _type_of_attribute(name: str | None) -> str:
    """Numbers stay numbers; everything else, dates and missing columns included, is compared as text."""
    return name if name in ("integer", "float", "boolean") else "string"


def _find_tabular(fields: list[pa.Field]) -> Columns:
    if not fields:
        raise DatasetError("there is no column to read")
    types: dict[str, str] = {}
    for field in fields:
        name = name_type(field.type)
        if name == "null":
            raise DatasetError(
                f"column {field.name!r} is all missing, so its type is unknown: "
                "fill it in, or leave it out with --ignore"
            )
        if name not in _SCALARS:
            raise DatasetError(
                f"column {field.name!r} has type {field.type}, which a tabular dataset cannot hold: "
                "convert it to a number or text, or leave it out with --ignore"
            )
        types[field.name] = {"integer": "float", "string": "category"}.get(name, name)
    names = tuple(sorted(types))
    return Columns(names, tuple(types[name] for name in names))


def _is_category(field: pa.Field) -> bool:
    return name_type(field.type) in ("category", "boolean")


def _wanted_schema(fields: list[pa.Field], columns: Columns, labels: str | None) -> pa.Schema:
    """All kept columns; the data columns with the types their canonical names want, the others as they normally are."""
    canonical = dict(zip(columns.names, columns.types, strict=True))
    wanted = []
    for field in fields:
        name = canonical.get(field.name, name_type(field.type))
        wanted.append(pa.field(field.name, normal_type(name, field.type)))
    if labels is not None and pa.types.is_nested(wanted[[f.name for f in wanted].index(labels)].type):
        raise DatasetError(f"column {labels!r} cannot hold labels: its type is nested")
    return pa.schema(wanted)


def _describe(fields: list[pa.Field]) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in fields) or "no column"


def _list(names: object) -> str:
    return ", ".join(str(name) for name in names)  # type: ignore[attr-defined]
