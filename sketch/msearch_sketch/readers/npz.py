"""NumPy archives (.npz), streamed row by row out of the zip file; pickled arrays are refused.

Every array becomes a column and its first axis the rows:

- one axis: numbers, booleans or strings
- two axes [N, D]: a fixed-size list, read as an embedding
- unsigned bytes [N, H, W] or [N, H, W, C], C = 1, 3 or 4: images, as PNG bytes
- other numbers [N, C, T]: list<list<float>>, a time series of C channels
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from msearch_sketch.errors import DatasetError
from msearch_sketch.readers.base import cast_batch, explain_read_errors

_CHANNELS = (1, 3, 4)
_LONGEST_HEADER = 1 << 16


@dataclass(frozen=True, slots=True)
class _Member:
    """One array of the archive, known from its header."""

    column: str
    file: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def arrow_type(self) -> pa.DataType:
        if self.dtype.kind == "U":
            return pa.string()
        if self._is_image:
            return pa.binary()
        value = pa.from_numpy_dtype(self.dtype)
        if len(self.shape) == 1:
            return value
        return pa.list_(value, self.shape[1]) if len(self.shape) == 2 else pa.list_(pa.list_(value))

    @property
    def _is_image(self) -> bool:
        axes = len(self.shape)
        return self.dtype == np.uint8 and (axes == 3 or (axes == 4 and self.shape[3] in _CHANNELS))

    def check(self, name: str) -> None:
        """Refuses what has no Arrow form."""
        axes = len(self.shape)
        if self.dtype.kind not in "biufU" or self.dtype.itemsize == 0:
            raise DatasetError(
                f"{name}: array {self.column!r} has type {self.dtype}, which cannot be read: "
                "save numbers, booleans or fixed-width strings"
            )
        if axes == 0 or (self.dtype.kind == "U" and axes > 1) or (axes > 3 and not self._is_image):
            raise DatasetError(
                f"{name}: array {self.column!r} has shape {self.shape}; expected [N], [N, D], [N, C, T], "
                "or unsigned bytes [N, H, W] or [N, H, W, C] with 1, 3 or 4 channels"
            )
        if axes > 1 and 0 in self.shape[1:]:
            raise DatasetError(f"{name}: the rows of array {self.column!r} are empty, its shape is {self.shape}")

    def to_arrow(self, rows: NDArray[Any]) -> pa.Array:
        if self._is_image:
            return pa.array([_encode_png(image) for image in rows], pa.binary())
        if self.dtype.kind == "U" or rows.ndim == 1:
            return pa.array(rows)
        flat = pa.array(rows.reshape(-1))
        for extent in rows.shape[:0:-1]:
            flat = pa.FixedSizeListArray.from_arrays(flat, extent)
        return flat


class NpzSource:
    """An archive whose arrays all have the same number of rows."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self.size_bytes: int | None = path.stat().st_size
        try:
            with explain_read_errors(self.name), zipfile.ZipFile(path) as archive:
                self._members = [_read_header(archive, info.filename) for info in archive.infolist()]
        except (zipfile.BadZipFile, RuntimeError):
            raise DatasetError(f"{self.name} is corrupt or not an npz archive") from None
        if not self._members:
            raise DatasetError(f"{self.name} holds no array")
        for member in self._members:
            member.check(self.name)
        counts = {member.column: member.shape[0] for member in self._members}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{column} has {count}" for column, count in counts.items())
            raise DatasetError(f"{self.name}: the arrays differ in their number of rows: {listed}")
        self.row_count: int | None = self._members[0].shape[0]
        self.schema: pa.Schema = pa.schema([(member.column, member.arrow_type) for member in self._members])

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See `Source.read`."""
        wanted = [member for member in self._members if member.column in schema.names]
        try:
            with explain_read_errors(self.name), zipfile.ZipFile(self._path) as archive, ExitStack() as stack:
                pieces = [_iterate(stack.enter_context(archive.open(m.file)), m, rows) for m in wanted]
                names = [member.column for member in wanted]
                for arrays in zip(*pieces, strict=True):
                    columns = [member.to_arrow(array) for member, array in zip(wanted, arrays, strict=True)]
                    yield cast_batch(pa.RecordBatch.from_arrays(columns, names=names), schema, self.name)
        except (zipfile.BadZipFile, RuntimeError) as error:  # an encrypted member is a RuntimeError
            raise DatasetError(f"{self.name} is corrupt: {error}") from None


def _skip_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"array format {version} is unknown")
    shape, fortran, dtype = read(file, max_header_size=_LONGEST_HEADER)
    return shape, fortran, dtype


def _read_header(archive: zipfile.ZipFile, file: str) -> _Member:
    with archive.open(file) as opened:
        shape, fortran, dtype = _skip_header(opened)
    return _Member(file.removesuffix(".npy"), file, shape, dtype, fortran)


def _iterate(file: IO[bytes], member: _Member, rows: int) -> Iterator[NDArray[Any]]:
    """Pieces of at most `rows` rows. An array in Fortran order has its rows scattered and must be read whole."""
    _skip_header(file)
    native = member.dtype.newbyteorder("=")
    total = member.shape[0]
    step = total if member.fortran else rows
    row_bytes = math.prod(member.shape[1:]) * member.dtype.itemsize
    for start in range(0, total, max(step, 1)):
        count = min(step, total - start)
        data = file.read(count * row_bytes)
        if len(data) < count * row_bytes:
            raise DatasetError(f"array {member.column!r} is cut off")
        shape = (count, *member.shape[1:])
        flat = np.frombuffer(data, member.dtype).astype(native)
        piece = flat.reshape(shape[::-1]).T if member.fortran else flat.reshape(shape)
        for first in range(0, count, rows):
            yield np.ascontiguousarray(piece[first : first + rows])


def _encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of [H, W] or [H, W, C]; the fastest compression, since they are decoded at once."""
    buffer = io.BytesIO()
    pixels = image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
