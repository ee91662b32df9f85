"""CSV and TSV files, UTF-8, plain or compressed (.gz, .bz2, .zst by suffix)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from msearch_sketch.errors import DatasetError
from msearch_sketch.readers.base import TEXT_BLOCK_BYTES, explain_read_errors

_CONVERSION_ERROR = re.compile(
    r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to ([^:]+): (.*)", re.DOTALL
)


class DelimitedSource:
    """A file with a header line. Types are those of the first mebibyte; empty cells, NA and null are missing."""

    def __init__(self, path: Path, delimiter: str) -> None:
        self.name = str(path)
        self._path = path
        self._delimiter = delimiter
        self.size_bytes: int | None = path.stat().st_size
        with explain_read_errors(self.name), self._open(pc.ConvertOptions(strings_can_be_null=True)) as reader:
            self.schema: pa.Schema = reader.schema
            # A header alone has columns of no type: that there are no rows says more than that all are missing.
            undecided = all(pa.types.is_null(field.type) for field in self.schema)
            self.row_count: int | None = 0 if undecided and not any(batch.num_rows for batch in reader) else None
        for field in self.schema:
            if pa.types.is_binary(field.type):
                raise DatasetError(f"{self.name}: column {field.name!r} is not UTF-8 text: save the file as UTF-8")

    def _open(self, conversion: pc.ConvertOptions) -> pc.CSVStreamingReader:
        return pc.open_csv(
            self._path,
            read_options=pc.ReadOptions(use_threads=False, block_size=TEXT_BLOCK_BYTES),
            parse_options=pc.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=conversion,
        )

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:  # noqa: ARG002  blocks are of bytes
        """See `Source.read`."""
        types = {field.name: field.type for field in schema}
        conversion = pc.ConvertOptions(strings_can_be_null=True, column_types=types, include_columns=schema.names)
        try:
            with explain_read_errors(self.name), self._open(conversion) as reader:
                for batch in reader:
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        except DatasetError as error:
            raise self._explain_conversion(str(error)) from None

    def _explain_conversion(self, message: str) -> DatasetError:
        found = _CONVERSION_ERROR.search(message)
        if found is None:
            return DatasetError(message)
        index, row, wanted, reason = found.groups()
        where = f"row {row} (the header is row 1)" if row else "a row"
        return DatasetError(
            f"{self.name}: column {self.schema.names[int(index)]!r} has mixed types: its first rows are of type "
            f"{wanted}, but {where} has {reason}; correct that row, or leave the column out with --ignore"
        )
