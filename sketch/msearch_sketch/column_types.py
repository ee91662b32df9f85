"""The few column types that featurisers know, and the Arrow types each of them takes in.

A canonical name (see `featurisers.base.Columns`) is what enters a schema digest; the normal Arrow type is what the
batches of a `Dataset` hold for it, whatever the file used (large strings, views, dictionaries, half floats, ...).
"""

from __future__ import annotations

import pyarrow as pa

_STRINGS = frozenset({"string", "large_string", "string_view"})
_BINARIES = frozenset({"binary", "large_binary", "binary_view"})


def name_type(kind: pa.DataType) -> str | None:
    """The canonical name of an Arrow type, "null" for a column without values, None for a type that cannot be read."""
    if isinstance(kind, pa.BaseExtensionType):
        return name_type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return "category" if str(kind.value_type) in _STRINGS else name_type(kind.value_type)
    if pa.types.is_null(kind):
        return "null"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float"
    if str(kind) in _STRINGS:
        return "string"
    if str(kind) in _BINARIES or pa.types.is_fixed_size_binary(kind):
        return "binary"
    if pa.types.is_struct(kind):
        return "struct"
    return _name_list(kind) if is_list(kind) else None


def _name_list(kind: pa.DataType) -> str | None:
    value = kind.value_type
    if is_list(value):
        return "list<list<float>>" if name_type(value.value_type) in ("integer", "float") else None
    if name_type(value) not in ("integer", "float"):
        return None
    return f"vector[{kind.list_size}]" if pa.types.is_fixed_size_list(kind) else "list<float>"


def is_list(kind: pa.DataType) -> bool:
    """Whether it is a list type of any layout."""
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)
    return any(test(kind) for test in tests) or pa.types.is_large_list_view(kind)


def is_image_struct(kind: pa.DataType) -> bool:
    """Whether it is the {bytes, path} struct of an image: a `bytes` field of binary type, nothing else but `path`."""
    if not pa.types.is_struct(kind):
        return False
    fields = {field.name: field.type for field in kind}
    return name_type(fields.get("bytes", pa.null())) == "binary" and set(fields) <= {"bytes", "path"}


def normal_type(name: str | None, found: pa.DataType) -> pa.DataType:
    """The Arrow type in which a column of this canonical name is handed on; `found` itself where none is wanted."""
    if name is None:
        return found
    if name.startswith("vector["):
        return pa.list_(pa.float64(), int(name[7:-1]))
    if name == "struct":
        return pa.struct([(field.name, normal_type(name_type(field.type), field.type)) for field in found])
    return {
        "float": pa.float64(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "category": pa.string(),
        "string": pa.string(),
        "null": pa.string(),
        "binary": pa.binary(),
        "list<float>": pa.list_(pa.float64()),
        "list<list<float>>": pa.list_(pa.list_(pa.float64())),
    }[name]
