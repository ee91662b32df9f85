"""Tensors inside an ONNX file: their sizes against what they declare, never their values."""

from __future__ import annotations

import math
from typing import NamedTuple

from search_service.artifacts.base import UnreadableArtifact
from search_service.artifacts.wire_format import SPAN, VARINT, Span, WireReader


class ElementType(NamedTuple):
    """An element type of ONNX. `bits` is 0 for strings, which have no fixed size."""

    name: str
    bits: int


# TensorProto.DataType
ELEMENT_TYPES: dict[int, ElementType] = {
    1: ElementType("float32", 32),
    2: ElementType("uint8", 8),
    3: ElementType("int8", 8),
    4: ElementType("uint16", 16),
    5: ElementType("int16", 16),
    6: ElementType("int32", 32),
    7: ElementType("int64", 64),
    8: ElementType("string", 0),
    9: ElementType("bool", 8),
    10: ElementType("float16", 16),
    11: ElementType("float64", 64),
    12: ElementType("uint32", 32),
    13: ElementType("uint64", 64),
    14: ElementType("complex64", 64),
    15: ElementType("complex128", 128),
    16: ElementType("bfloat16", 16),
    17: ElementType("float8e4m3fn", 8),
    18: ElementType("float8e4m3fnuz", 8),
    19: ElementType("float8e5m2", 8),
    20: ElementType("float8e5m2fnuz", 8),
    21: ElementType("uint4", 4),
    22: ElementType("int4", 4),
    23: ElementType("float4e2m1", 4),
    24: ElementType("float8e8m0", 8),
    25: ElementType("uint2", 2),
    26: ElementType("int2", 2),
}

_RAW, _EXTERNAL, _LOCATION = 9, 13, 14
_VARINTS = (5, 7, 11)  # int32_data, int64_data, uint64_data
_FLOATS = (4, 10)  # float_data, double_data
_STRINGS = 6


def read_tensor(reader: WireReader, span: Span) -> tuple[str, int]:
    """Name and number of elements.

    Raises:
        UnreadableArtifact: the data is in an external file, or is not as large as type and shape say.
    """
    name, type_number, external = "", 0, ""
    dims: list[int] = []
    held = {"raw": 0, "float": 0, "varint": 0, "string": 0}  # bytes; for strings their number
    in_file = False
    for number, kind, value, part in reader.fields(span):
        size = part[1] - part[0]
        if number == 1:
            dims += [value] if kind == VARINT else reader.varints(part)
        elif number == 2:
            type_number = value
        elif number == 8:
            name = reader.text(part)
        elif number == _RAW:
            held["raw"] = size
        elif number in _FLOATS:
            held["float"] += size
        elif number in _VARINTS:
            held["varint"] += size
        elif number == _STRINGS:
            held["string"] += 1
        elif number == _EXTERNAL and kind == SPAN:
            external = _location(reader, part) or external
        elif number == _LOCATION:
            in_file = value == 1
    if in_file or external:
        raise UnreadableArtifact(
            f"keeps the tensor {name!r} in the external file {external!r}: save the model as one file"
            " (onnx.save with save_as_external_data=False)"
        )
    if len(dims) > 64 or any(extent >= 1 << 63 for extent in dims):
        raise UnreadableArtifact(f"has the tensor {name!r} with an impossible shape")
    count = math.prod(dims)
    _check_size(name, type_number, dims, count, held)
    return name, count


def _location(reader: WireReader, span: Span) -> str:
    key = value = ""
    for number, kind, _, part in reader.fields(span):
        if kind == SPAN and number in (1, 2):
            text = reader.text(part)
            key, value = (text, value) if number == 1 else (key, text)
    return value if key == "location" else ""


def _check_size(name: str, type_number: int, dims: list[int], count: int, held: dict[str, int]) -> None:
    if type_number not in ELEMENT_TYPES:
        raise UnreadableArtifact(f"has the tensor {name!r} of the unknown element type {type_number}")
    element = ELEMENT_TYPES[type_number]
    shape = " x ".join(map(str, dims)) or "one"
    said = f"has the tensor {name!r} of {shape} {element.name}"
    if element.bits == 0:
        if held["string"] != count:
            raise UnreadableArtifact(f"{said}, but it holds {held['string']:,} strings")
        return
    needed = -(-count * element.bits // 8)
    if held["varint"]:
        # An integer takes at least a byte; two elements of half a byte share one.
        if held["varint"] < -(-count * min(element.bits, 8) // 8):
            raise UnreadableArtifact(f"{said} = {count:,} elements, but its {held['varint']:,} bytes hold fewer")
    elif held["raw"] + held["float"] != needed:
        found = held["raw"] + held["float"]
        raise UnreadableArtifact(f"{said} = {needed:,} bytes, but it holds {found:,}")
