"""Shows one row of a table to a person who is to say what it is."""

from __future__ import annotations

import io
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from msearch_client import LocalError
from msearch_client._row_previews import describe
from msearch_client.cli.output import print_fields, print_line

SMALLEST_SHOWN = 256
"""Small images are enlarged to this many pixels, so that they can be seen."""


def write_images(rows: pa.Table, row: int, folder: Path) -> None:
    """Writes the row's image into the folder; a row without image leaves nothing.

    Raises:
        LocalError: the folder cannot be written to.
    """
    for value in rows.slice(row, 1).to_pylist()[0].values():
        data = _image_bytes(value)
        if data is not None:
            _show_image(data, row, folder)


def show_row(rows: pa.Table, row: int, folder: Path | None) -> None:
    """Prints the row; an image is written into the folder, and its path printed.

    Raises:
        LocalError: the folder cannot be written to.
    """
    values: dict[str, Any] = rows.slice(row, 1).to_pylist()[0]
    texts: dict[str, str] = {}
    for name, value in values.items():
        data = _image_bytes(value)
        if data is not None:
            texts[name] = _show_image(data, row, folder) or describe(value)
        elif isinstance(value, dict):
            texts |= {f"{name}.{part}": describe(inner) for part, inner in value.items()}
        else:
            texts[name] = describe(value)
    if len(texts) == 1:
        (text,) = texts.values()
        for line in text.splitlines() or [""]:
            for part in textwrap.wrap(line, shutil.get_terminal_size().columns) or [""]:
                print_line(part)
    else:
        print_fields(texts)


def _image_bytes(value: Any) -> bytes | None:
    if isinstance(value, dict) and set(value) == {"bytes", "path"}:
        value = value["bytes"]
    return value if isinstance(value, bytes) else None


def _show_image(data: bytes, row: int, folder: Path | None) -> str | None:
    """Where the image was written; None if these bytes are no image."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            shown = image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
    size = f"image of {shown.width} x {shown.height} pixels"
    if folder is None:
        return f"{size}; --show-in FOLDER writes it there to look at"
    factor = -(-SMALLEST_SHOWN // max(shown.size))
    if factor > 1:
        shown = shown.resize((shown.width * factor, shown.height * factor), Image.Resampling.NEAREST)
    path = folder / f"row-{row}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shown.save(path)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror or error}") from None
    return f"{size}: {path}"
