"""Datasets: rows with a known modality, from files, folders, tables, frames or streams.

`open_dataset` reads no more than what the types need; `Dataset.batches` then streams, so a file larger than memory
is never loaded whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from msearch_sketch.detection import Detection, detect
from msearch_sketch.errors import DatasetError
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.readers.base import Source, resize_batches
from msearch_sketch.readers.formats import open_path
from msearch_sketch.readers.tables import StreamSource, open_object

_DEFAULT_ROWS = {"image": 256}
_DEFAULT_ROWS_OTHERWISE = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Rows and what is known about them.

    `columns` are the data; `labels` is the label column, or None where the dataset is unlabelled. `schema` lists all
    columns of the source but the ignored ones, with the types that batches have. `row_count` and `size_bytes` are
    None where only reading everything would tell.
    """

    name: str
    modality: str
    columns: Columns
    labels: str | None
    schema: pa.Schema
    row_count: int | None
    size_bytes: int | None
    source: Source = field(repr=False)

    def batches(self, rows: int | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yields batches of exactly `rows` rows (the last may be shorter), in the order of the source.

        By default they hold the data columns and the label column; `columns` asks for others of `schema`. May be
        called again, unless the source is a stream.

        Raises:
            DatasetError: there are no rows, the data columns are all missing, a value contradicts its column's type,
                or a stream is read twice.
        """
        wanted = columns if columns is not None else [*self.columns.names, *([self.labels] if self.labels else [])]
        for name in wanted:
            if name not in self.schema.names:
                raise DatasetError(f"{self.name} has no column {name!r}; it has {', '.join(self.schema.names)}")
        schema = pa.schema([self.schema.field(name) for name in wanted])
        size = rows or _DEFAULT_ROWS.get(self.modality, _DEFAULT_ROWS_OTHERWISE)
        return self._read(schema, size)

    def _read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        data = [name for name in self.columns.names if name in schema.names]
        rows_read, holds_values = 0, False
        for batch in resize_batches(self.source.read(schema, rows), rows):
            rows_read += batch.num_rows
            holds_values = holds_values or any(_holds_value(batch.column(name)) for name in data)
            yield batch
        if rows_read == 0:
            raise DatasetError(f"{self.name} has no rows")
        if data and not holds_values:
            raise DatasetError(f"{self.name}: every value of {', '.join(data)} is missing")


def open_dataset(
    source: Any,
    *,
    format: str | None = None,
    modality: str | None = None,
    column: str | None = None,
    labels: str | None = None,
    ignore: Collection[str] = (),
) -> Dataset:
    """Opens a path (file or image folder), an Arrow table, batch or stream, or a pandas or polars frame.

    `format` is one of `readers.formats.FORMATS`, by default detected; `modality`, `column`, `labels` and `ignore`
    guide the rules of `detection`.

    Raises:
        DatasetError: the source is missing, empty, corrupt, of unknown format, or its columns fit no modality or
            several; the message says what to do.
    """
    if isinstance(source, (str, PathLike)):
        opened: Source | None = open_path(Path(source), format)
    else:
        opened = open_object(source)
    if opened is None:
        raise DatasetError(
            f"{type(source).__name__} is no dataset: pass a path, an Arrow table, batch or stream, or a data frame"
        )
    if opened.row_count == 0:
        raise DatasetError(f"{opened.name} has no rows")
    try:
        found = detect(opened.schema, modality=modality, column=column, labels=labels, ignore=ignore)
    except DatasetError as error:
        raise DatasetError(f"{opened.name}: {error}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{opened.name}: a column name is not UTF-8 text: save the data with another name") from None
    found = _complete_types(found, opened)
    return Dataset(
        name=opened.name,
        modality=found.modality,
        columns=found.columns,
        labels=found.labels,
        schema=found.schema,
        row_count=opened.row_count,
        size_bytes=opened.size_bytes,
        source=opened,
    )


def _holds_value(column: pa.Array) -> bool:
    """Whether anything in a column is not missing. NaN and infinity are no values of a number."""
    if pa.types.is_floating(column.type):
        return bool(pc.any(pc.is_finite(column)).as_py())
    return bool(column.null_count < len(column))


def _complete_types(found: Detection, source: Source) -> Detection:
    """Adds what only a row tells: the length of vectors stored as plain lists, the number of channels of a series.

    Both are those of the first row that is not missing; rows that differ are found when they are read.
    """
    name, kind = found.columns.names[0], found.columns.types[0]
    at = found.schema.get_field_index(name)
    if found.modality == "embedding" and kind == "list<float>":
        length = _peek_length(source, found.schema.field(at))
        fixed = pa.field(name, pa.list_(pa.float64(), length))
        return replace(found, columns=Columns((name,), (f"vector[{length}]",)), schema=found.schema.set(at, fixed))
    if found.modality == "time_series" and kind == "list<list<float>>":
        channels = _peek_length(source, found.schema.field(at))
        return replace(found, columns=Columns((name,), (f"{kind}[{channels}]",)))
    return found


def _peek_length(source: Source, column: pa.Field) -> int:
    """Length of the first list that is neither missing nor empty."""
    schema = pa.schema([column])
    for batch in source.peek(schema) if isinstance(source, StreamSource) else source.read(schema, 64):
        lengths = pc.list_value_length(batch.column(0)).drop_null().to_numpy()
        if lengths.any():
            return int(lengths[lengths > 0][0])
    raise DatasetError(f"{source.name}: every value of {column.name} is missing or empty")
