"""Images: low frequencies of the brightness and of two colour differences.

An encoded image is decoded, brought to 32 x 32 pixels by area averaging, and transformed by a discrete cosine transform
(type II, orthonormal, as in JPEG), of which the lowest frequencies in zigzag order are kept. Digits, photographs and
scans of any size fall into the same space.

Determinism: area sums and transforms run on integers that float64 holds exactly. Decoding PNG, BMP, TIFF or GIF is
exact by definition; two builds of a JPEG or WebP decoder may differ by a grey level.
"""

from __future__ import annotations

import io
from collections import defaultdict
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch, Featuriser, to_ticks
from msearch_sketch.spaces import FeatureSpace, FourierFeatures, HashFamily, Partitioning

DEFAULT = True

SIDE = 32
LUMA, CHROMA = 48, 8
LARGEST_PIXELS = 1 << 26
"""A larger image is skipped as a decompression bomb: 64 megapixels."""

_DECODED_SIDE = 512  # larger images are first shrunk by a whole factor, which stays at or above this side
_GREY_STEPS = 64  # a pixel of the averaged image is on a grid of 1 / 64 grey level
_COSINE_STEPS = 1 << 16
_UNITS = 6.0  # features a unit of brightness (0 to 1) makes
_BRIGHTNESS_OFFSET = 0.5


class ImageDct:
    """48 luma, 8 blue-difference and 8 red-difference coefficients; a grey image has zeros for the latter two."""

    name = "image-dct"
    version = 1
    modality = "image"

    def fixed_space(self, columns: Columns) -> FeatureSpace:  # noqa: ARG002 - the same for all images
        return FeatureSpace(
            modality="image",
            featuriser=f"{self.name}@{self.version}",
            dimension=LUMA + 2 * CHROMA,
            # Measured on digits of three sources and on photographs: rows of one source lie 1.4 to 3 units apart,
            # nearest neighbours 0.5 to 1, and coverage by another half of the same source is 0.06, 0.5, 0.9, 0.99.
            hashing=HashFamily(projections=6, widths_ticks=(512, 1024, 2048, 4096)),
            fourier=FourierFeatures(bandwidth_ticks=1536),
            partitioning=Partitioning(low_ticks=-2048, high_ticks=2048),
        )

    def fit_space(self, columns: Columns, batches: object) -> FeatureSpace:  # noqa: ARG002
        raise SpaceError("the space of images is not fitted: the same space serves all of them")

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:
        by_size: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = defaultdict(list)
        kept = np.zeros(batch.num_rows, np.bool_)
        problem = ""
        for row, data in enumerate(_encoded_images(batch.column(columns.names[0]))):
            try:
                pixels = decode(data)
            except _UnreadableImage as error:
                problem = problem or str(error)
                continue
            by_size[pixels.shape].append((row, pixels))
            kept[row] = True
        features = np.zeros((batch.num_rows, space.dimension), np.int16)
        for group in by_size.values():
            rows = [row for row, _ in group]
            features[rows] = to_ticks(_features(np.stack([pixels for _, pixels in group])))
        return FeatureBatch(features[kept], kept, problem)


class _UnreadableImage(Exception):
    """Why one image has no features."""


def decode(data: bytes | None) -> NDArray[np.uint8]:
    """First frame of an encoded image: [height, width] if grey, else [height, width, 3] over white.

    Raises:
        _UnreadableImage: the bytes are missing, corrupt, of an unknown format, or the image is too large.
    """
    if not data:
        raise _UnreadableImage("the image is missing")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise _UnreadableImage(f"the image has {image.width} x {image.height} pixels, too many")
            image.draft(None, (_DECODED_SIDE, _DECODED_SIDE))
            return _to_pixels(image)
    except _UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise _UnreadableImage("the bytes are no image of a known format") from None
    except Exception as error:  # noqa: BLE001 - decoders raise anything on corrupt bytes: SyntaxError, struct.error, ...
        raise _UnreadableImage(f"the image cannot be decoded: {error}") from None


def _to_pixels(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16") or image.mode == "I":
        grey16 = np.asarray(image).astype(np.int64)
        return (np.clip(grey16, 0, 65_535) >> 8).astype(np.uint8)
    if image.mode == "F":
        raise _UnreadableImage("images of floating-point pixels have no defined brightness")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    grey = image.mode in ("1", "L")
    image = image.convert("L" if grey else "RGB")
    factor = min(image.size) // _DECODED_SIDE
    return np.asarray(image.reduce(factor) if factor > 1 else image)


def _encoded_images(column: pa.Array) -> list[bytes | None]:
    if pa.types.is_struct(column.type):
        if column.type.get_field_index("bytes") < 0:
            raise DatasetError(f"images must be bytes or structs with a field bytes, not {column.type}")
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise DatasetError(f"images must be bytes or structs with a field bytes, not {column.type}")
    images: list[bytes | None] = column.to_pylist()
    return images


def _features(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Images of one size, [n, height, width] or [n, height, width, 3], to [n, 64] features in units."""
    if pixels.ndim == 3:
        luma = _coefficients(pixels.astype(np.float64) * 1000, LUMA)
        chroma = np.zeros((len(pixels), 2 * CHROMA))
    else:
        red, green, blue = (pixels[..., channel].astype(np.float64) for channel in range(3))
        brightness = 299 * red + 587 * green + 114 * blue  # ITU-R BT.601, in thousandths of a grey level
        luma = _coefficients(brightness, LUMA)
        chroma = np.concatenate(
            [
                0.564 * _coefficients(1000 * blue - brightness, CHROMA),
                0.713 * _coefficients(1000 * red - brightness, CHROMA),
            ],
            axis=1,
        )
    luma[:, 0] -= _BRIGHTNESS_OFFSET
    return _UNITS * np.concatenate([luma, chroma], axis=1)


def _coefficients(planes: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Lowest frequencies of planes in thousandths of a grey level; the first is the mean. [n, h, w] to [n, count]"""
    height, width = planes.shape[1:]
    sums = _overlaps(height) @ planes @ _overlaps(width).T
    averages = np.rint(sums * _GREY_STEPS / (1000 * height * width))
    cosines = _cosines()
    rows, columns = _zigzag(count)
    spectrum: NDArray[np.float64] = (cosines @ averages @ cosines.T)[:, rows, columns]
    return spectrum / (_COSINE_STEPS**2 * _GREY_STEPS * 255 * SIDE)


@lru_cache(maxsize=256)
def _overlaps(pixels: int) -> NDArray[np.float64]:
    """By how much, in 1 / SIDE of a pixel, each of SIDE equal areas overlaps each pixel; rows sum to `pixels`."""
    areas, places = np.arange(SIDE)[:, None] * pixels, np.arange(pixels)[None, :] * SIDE
    lengths = np.minimum(areas + pixels, places + SIDE) - np.maximum(areas, places)
    overlaps: NDArray[np.float64] = np.maximum(lengths, 0).astype(np.float64)
    return overlaps


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """Orthonormal DCT-II basis in steps of 2^-16, for the frequencies that the zigzag reaches. [f, SIDE]"""
    frequencies = np.arange(max(map(max, _zigzag(LUMA))) + 1)[:, None]
    basis = np.cos(np.pi * (2 * np.arange(SIDE) + 1) * frequencies / (2 * SIDE)) * np.sqrt(2 / SIDE)
    basis[0] = np.sqrt(1 / SIDE)
    rounded: NDArray[np.float64] = np.rint(_COSINE_STEPS * basis)
    return rounded


@lru_cache(maxsize=4)
def _zigzag(count: int) -> tuple[list[int], list[int]]:
    """Rows and columns of the `count` lowest frequencies, diagonal by diagonal in alternating direction."""
    places = sorted(
        ((row, column) for row in range(count) for column in range(count)),
        key=lambda place: (sum(place), place[0] if sum(place) % 2 else place[1]),
    )[:count]
    return [row for row, _ in places], [column for _, column in places]


FEATURISER: Featuriser = ImageDct()
