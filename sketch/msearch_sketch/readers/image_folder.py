"""Folders of image files, in the order of their sorted paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from msearch_sketch.errors import DatasetError
from msearch_sketch.readers.base import explain_read_errors

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
LABEL_COLUMN = "label"
_IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class ImageFolderSource:
    """Column `image` of {bytes, path}, path relative to the folder; column `label` where the folder has classes.

    It has classes where every image lies in a sub-folder: the first part of its path is the class.
    Files with other suffixes and hidden files are passed over.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder
        with explain_read_errors(self.name):
            self._paths = sorted(_find_images(folder), key=lambda path: path.parts)
            self.size_bytes: int | None = sum((folder / path).stat().st_size for path in self._paths)
        if not self._paths:
            raise DatasetError(
                f"{self.name} holds no image: expected files ending in {', '.join(sorted(SUFFIXES))}, "
                "directly or in one sub-folder per class"
            )
        in_classes = {len(path.parts) > 1 for path in self._paths}
        if len(in_classes) > 1:
            raise DatasetError(
                f"{self.name} holds images both directly and in sub-folders: "
                "put all of them into one sub-folder per class, or all directly into the folder"
            )
        fields = [("image", _IMAGE_TYPE), (LABEL_COLUMN, pa.string())]
        self.schema: pa.Schema = pa.schema(fields if in_classes == {True} else fields[:1])
        self.row_count: int | None = len(self._paths)

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See `Source.read`."""
        for start in range(0, len(self._paths), rows):
            paths = self._paths[start : start + rows]
            columns = []
            for field in schema:
                if field.name == LABEL_COLUMN:
                    columns.append(pa.array([path.parts[0] for path in paths], pa.string()))
                else:
                    with explain_read_errors(self.name):
                        images = [
                            {"bytes": (self._folder / path).read_bytes(), "path": path.as_posix()} for path in paths
                        ]
                    columns.append(pa.array(images, field.type))
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _find_images(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield relative
