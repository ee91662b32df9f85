"""Which reader a path needs: by suffix, else by its first bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from msearch_sketch.errors import DatasetError
from msearch_sketch.readers.arrow_ipc import FILE_MAGIC, ArrowSource
from msearch_sketch.readers.base import Source, explain_read_errors
from msearch_sketch.readers.delimited import DelimitedSource
from msearch_sketch.readers.image_folder import ImageFolderSource
from msearch_sketch.readers.json_lines import JsonLinesSource
from msearch_sketch.readers.npz import NpzSource
from msearch_sketch.readers.parquet import ParquetSource

FORMATS = ("parquet", "csv", "tsv", "jsonl", "arrow", "npz", "image-folder")

_SUFFIXES = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "tsv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".arrow": "arrow", ".arrows": "arrow", ".feather": "arrow", ".ipc": "arrow",
    ".npz": "npz",
}  # fmt: skip
_COMPRESSIONS = frozenset({".gz", ".bz2", ".zst", ".lz4"})
_MAGIC = ((b"PAR1", "parquet"), (FILE_MAGIC, "arrow"), (b"\xff\xff\xff\xff", "arrow"), (b"PK\x03\x04", "npz"))


def open_path(path: Path, format: str | None = None) -> Source:
    """The reader for a file or folder. `format` is one of `FORMATS`; by default it is detected.

    Raises:
        DatasetError: the path does not exist, is empty, is of no known format, or is corrupt.
    """
    if format is not None and format not in FORMATS:
        raise DatasetError(f"format {format!r} is unknown: choose one of {', '.join(FORMATS)}")
    with explain_read_errors(str(path)):
        return _open_existing(path, format)


def _open_existing(path: Path, format: str | None) -> Source:
    status = _status(path)
    if stat.S_ISDIR(status.st_mode):
        if format not in (None, "image-folder"):
            raise DatasetError(f"{path} is a folder; format {format} needs a file")
        return ImageFolderSource(path)
    if format == "image-folder":
        raise DatasetError(f"{path} is a file; format image-folder needs a folder")
    if not stat.S_ISREG(status.st_mode):
        raise DatasetError(f"{path} is neither a file nor a folder: save the data to a file first")
    if status.st_size == 0:
        raise DatasetError(f"{path} is empty: it holds not even a header")
    match format or detect_format(path):
        case "parquet":
            return ParquetSource(path)
        case "tsv":
            return DelimitedSource(path, "\t")
        case "csv":
            return DelimitedSource(path, ",")
        case "jsonl":
            return JsonLinesSource(path)
        case "arrow":
            return ArrowSource(path)
        case _:
            return NpzSource(path)


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist") from None


def detect_format(path: Path) -> str:
    """The format of a file by its suffix (compression suffixes apart), else by its first bytes.

    Raises:
        DatasetError: neither tells.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    if suffixes and suffixes[-1] in _SUFFIXES:
        return _SUFFIXES[suffixes[-1]]
    with path.open("rb") as file:
        start = file.read(64)
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return name
    if start.lstrip().startswith(b"{"):
        return "jsonl"
    known = ", ".join(dict.fromkeys(_SUFFIXES))
    raise DatasetError(f"{path} is of no known format: give it the ending of its format, one of {known}")
