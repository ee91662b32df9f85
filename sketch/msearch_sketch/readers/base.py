"""What a reader is, and how record batches are brought to the wanted types and sizes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from msearch_sketch.errors import DatasetError

TEXT_BLOCK_BYTES = 1 << 20
"""CSV and JSON are read in blocks of this size; types are inferred on the first one."""


class Source(Protocol):
    """Rows of one file, folder, table or stream. Opening it reads no more than what the types need."""

    @property
    def name(self) -> str:
        """What messages call it, e.g. the path."""

    @property
    def schema(self) -> pa.Schema:
        """Columns and types as found."""

    @property
    def row_count(self) -> int | None:
        """Number of rows, or None where only reading would tell."""

    @property
    def size_bytes(self) -> int | None:
        """Size on disk or in memory, or None where unknown."""

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yields the columns of `schema` with its types, in batches of any size, about `rows` rows at a time.

        Raises:
            DatasetError: the data is corrupt or does not have these types; the message names the row or the column.
        """


@contextmanager
def explain_read_errors(name: str) -> Iterator[None]:
    """Turns what Arrow and the file system raise into a DatasetError that names the data."""
    try:
        yield
    except DatasetError:
        raise
    except (OSError, EOFError) as error:
        raise DatasetError(f"{name} cannot be read: {_first_line(error)}") from None
    except (pa.ArrowException, ValueError, KeyError, NotImplementedError, OverflowError, zlib.error) as error:
        if "straddling object" in str(error):
            raise DatasetError(f"{name} has a row of more than {TEXT_BLOCK_BYTES} bytes: save it as Parquet") from None
        raise DatasetError(f"{name} is corrupt or not of this format: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def cast_batch(batch: pa.RecordBatch, schema: pa.Schema, name: str) -> pa.RecordBatch:
    """The columns of `schema` with its types.

    Integers become floats where `schema` says so, even where that rounds; anything else must fit.

    Raises:
        DatasetError: a value does not fit its column's type; the message names the column.
    """
    arrays = []
    for field in schema:
        array = batch.column(field.name)
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        if array.type != field.type:
            try:
                array = array.cast(field.type, safe=not pa.types.is_floating(field.type))
            except pa.ArrowException as error:
                raise DatasetError(
                    f"{name}: column {field.name!r} does not fit type {field.type}: {_first_line(error)}"
                ) from None
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def resize_batches(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly `rows` rows, the last one excepted, so that no format shows through."""
    pending: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, rows - held)
            start += piece.num_rows
            held += piece.num_rows
            pending.append(piece)
            if held == rows:
                yield _join(pending)
                pending, held = [], 0
    if pending:
        yield _join(pending)


def _join(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
