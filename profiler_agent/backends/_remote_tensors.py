"""Tensors as the Open Inference Protocol writes them: datatypes, raw bytes, JSON lists."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.errors import UnsupportedOperator, WrongOutput
from profiler_agent.work import TensorSpec

ELEMENT_TYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "string",
}
"""Element types of this project by the protocol's datatype."""

DATATYPES = {name: datatype for datatype, name in ELEMENT_TYPES.items()}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class RemoteTensor:
    """An input or output as the server declares it; free extents are None."""

    name: str
    datatype: str
    shape: tuple[int | None, ...]

    def spec(self) -> TensorSpec:
        """The same in this project's words.

        Raises:
            UnsupportedOperator: a datatype that has no counterpart here.
        """
        if self.datatype not in ELEMENT_TYPES:
            raise UnsupportedOperator(
                f"the remote model's tensor {self.name!r} is of type {self.datatype}; those that can be sent are"
                f" {', '.join(ELEMENT_TYPES)}"
            )
        return TensorSpec(name=self.name, element_type=ELEMENT_TYPES[self.datatype], shape=self.shape)


def free_extents(shape: Sequence[int]) -> tuple[int | None, ...]:
    """Extents as declared, with None for the protocol's -1."""
    return tuple(None if extent < 0 else int(extent) for extent in shape)


def datatype_of(array: NDArray[Any]) -> str:
    """The protocol's datatype of an array.

    Raises:
        UnsupportedOperator: it has none.
    """
    name = "string" if array.dtype.kind in "OSU" else array.dtype.name
    if name not in DATATYPES:
        raise UnsupportedOperator(f"a tensor of {array.dtype.name} cannot be sent to a remote model")
    return DATATYPES[name]


def to_raw(array: NDArray[Any]) -> bytes:
    """Little-endian bytes in row-major order; strings each after its length in four bytes."""
    if datatype_of(array) == "BYTES":
        return b"".join(_LENGTH.pack(len(text)) + text for text in map(_to_bytes, array.reshape(-1).tolist()))
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()


def from_raw(name: str, datatype: str, shape: Sequence[int], content: bytes) -> NDArray[Any]:
    """The array of an output's bytes.

    Raises:
        WrongOutput: there are more or fewer bytes than the shape asks for, or the datatype is unknown.
    """
    count = _count(name, datatype, shape)
    if datatype == "BYTES":
        return _shaped(name, _split(name, content), shape)
    dtype = np.dtype(ELEMENT_TYPES[datatype]).newbyteorder("<")
    needed = count * dtype.itemsize
    if len(content) != needed:
        raise WrongOutput(
            f"the remote output {name!r} has {len(content)} bytes, {datatype} {list(shape)} needs {needed}"
        )
    # A copy, so that the array is writable, aligned and does not keep the message alive.
    return np.frombuffer(content, dtype=dtype).reshape(tuple(shape)).astype(dtype.newbyteorder("="))


def to_json(array: NDArray[Any]) -> list[Any]:
    """A flat list. JSON knows no NaN and no infinity: null stands for them, as servers write it."""
    if datatype_of(array) == "BYTES":
        return [_to_bytes(text).decode("utf-8", "surrogateescape") for text in array.reshape(-1).tolist()]
    flat = array.reshape(-1)
    values: list[Any] = flat.tolist()
    if array.dtype.kind == "f" and not np.isfinite(flat).all():
        return [value if math.isfinite(value) else None for value in values]
    return values


def from_values(name: str, datatype: str, shape: Sequence[int], values: Any) -> NDArray[Any]:
    """The array of an output's values, a list, flat or nested.

    Raises:
        WrongOutput: they are not of the datatype or do not fill the shape.
    """
    _count(name, datatype, shape)
    if datatype == "BYTES":
        return _shaped(name, list(map(_to_bytes, _flat(values))), shape)
    dtype = np.dtype(ELEMENT_TYPES[datatype])
    try:
        if dtype.kind == "f":
            array = np.asarray([np.nan if value is None else value for value in _flat(values)], dtype=dtype)
        else:
            array = np.asarray(_flat(values), dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise WrongOutput(f"the remote output {name!r} holds what is not {datatype}: {error}") from error
    return _shaped(name, array, shape)


def _flat(values: Any) -> list[Any]:
    if not isinstance(values, list) or not values or not isinstance(values[0], list):
        return values if isinstance(values, list) else list(values)
    return [value for part in values for value in _flat(part)]


def _shaped(name: str, values: Any, shape: Sequence[int]) -> NDArray[Any]:
    array = values
    if isinstance(values, list):
        array = np.empty(len(values), dtype=object)
        array[:] = values
    if array.size != math.prod(shape):
        raise WrongOutput(f"the remote output {name!r} has {array.size} values for the shape {list(shape)}")
    return np.asarray(array.reshape(tuple(shape)))


def _split(name: str, content: bytes) -> list[bytes]:
    texts, at = [], 0
    while at < len(content):
        end = at + _LENGTH.size
        length = _LENGTH.unpack_from(content, at)[0] if end <= len(content) else len(content)
        if end + length > len(content):
            raise WrongOutput(f"the remote output {name!r} ends in the middle of a text")
        texts.append(content[end : end + length])
        at = end + length
    return texts


def _count(name: str, datatype: str, shape: Sequence[int]) -> int:
    if datatype not in ELEMENT_TYPES:
        raise WrongOutput(f"the remote output {name!r} is of the unknown type {datatype!r}")
    if any(extent < 0 for extent in shape):
        raise WrongOutput(f"the remote output {name!r} has the impossible shape {list(shape)}")
    return math.prod(shape)


def _to_bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogateescape")
