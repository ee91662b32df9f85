"""Images: decode, convert to luminance or RGB, resize, swap dark and light, scale, normalise, order the axes."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from msearch_card.input_specs import ImageInput
from msearch_card.inputs.base import ONLY_INPUT, Prepared, row_problem
from msearch_card.inputs.columns import read_column
from msearch_sketch.column_types import is_image_struct

MOST_PIXELS = 50_000_000
"""Larger images are skipped before they are decoded."""

_RESAMPLE = {
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
}
# What Pillow's decoders raise on broken files, besides its own subclasses of OSError.
_BROKEN = (OSError, ValueError, SyntaxError, TypeError, IndexError, KeyError, EOFError, OverflowError, MemoryError,
           struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning)  # fmt: skip


def prepare(spec: ImageInput, batch: pa.RecordBatch, base: Path | None) -> Prepared:  # noqa: ARG001 - no file is named
    """Tensor [m, C, H, W] or [m, H, W, C] float32: (pixels * scale - mean) / std, pixels 0..255.

    The order is: decode, convert (ITU-R 601-2 luminance for one channel; transparency is dropped; 16 bits a pixel
    become 8), resize unless the size is right already, 255 - pixel where `invert` is set. Resizing averages over the
    source pixels when it shrinks (Pillow's filters), rounded to whole pixel values.
    """
    pixels = np.empty((len(batch), spec.height, spec.width, spec.channels), np.uint8)
    kept = np.zeros(len(batch), np.bool_)
    problem = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for row, data in enumerate(_encoded(spec, batch)):
            try:
                if not data:
                    raise ValueError("the image is missing or empty")
                pixels[row] = _decode(data, spec)
                kept[row] = True
            except _BROKEN as error:
                problem = problem or row_problem(row, f"the image cannot be read: {error}")
    return Prepared({spec.tensor or ONLY_INPUT: _normalise(pixels[kept], spec)}, kept, problem)


def _encoded(spec: ImageInput, batch: pa.RecordBatch) -> list[bytes | None]:
    index = batch.schema.get_field_index(spec.column)
    if index >= 0 and is_image_struct(batch.schema.field(index).type):
        column = read_column(batch, f"{spec.column}.bytes", "input.column", ["binary"])
    else:
        column = read_column(batch, spec.column, "input.column", ["binary"])
    images: list[bytes | None] = column.to_pylist()
    return images


def _decode(data: bytes, spec: ImageInput) -> NDArray[np.uint8]:
    """Pixels [H, W, C] of one image."""
    with Image.open(io.BytesIO(data)) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} pixels are more than {MOST_PIXELS:,}")
        image: Image.Image = opened
        if image.mode.startswith("I;16"):
            # convert() would clip at 255; 257 maps 65,535 to 255
            image = Image.fromarray((np.asarray(image, np.uint32) // 257).astype(np.uint8))
        image = image.convert("L" if spec.channels == 1 else "RGB")
        if image.size != (spec.width, spec.height):
            image = image.resize((spec.width, spec.height), _RESAMPLE[spec.resample])
        return np.asarray(image, np.uint8).reshape(spec.height, spec.width, spec.channels)


def _normalise(pixels: NDArray[np.uint8], spec: ImageInput) -> NDArray[Any]:
    if spec.invert:
        pixels = np.uint8(255) - pixels
    # One multiplication and one addition per pixel; the factors are rounded to float32 once.
    std = np.asarray(spec.std, np.float64)
    factor = (spec.scale / std).astype(np.float32)
    offset = (-np.asarray(spec.mean, np.float64) / std).astype(np.float32)
    tensor = pixels * factor + offset
    return np.ascontiguousarray(tensor.transpose(0, 3, 1, 2)) if spec.layout == "NCHW" else tensor
