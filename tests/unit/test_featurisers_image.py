"""What the image features see, and that no image can break them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from msearch_sketch import DatasetError
from msearch_sketch.featurisers import default_featuriser
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.spaces import TICKS_PER_UNIT

FEATURISER = default_featuriser("image")
COLUMNS = Columns(("image",), ("binary",))
SPACE = FEATURISER.fixed_space(COLUMNS)


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(pixels) -> bytes:
    return encode(Image.fromarray(np.asarray(pixels, np.uint8)))


def features(*images: bytes | None):
    batch = pa.record_batch({"image": pa.array(images, pa.binary())})
    return FEATURISER.transform(batch, COLUMNS, SPACE)


def units(*images: bytes | None) -> np.ndarray:
    found = features(*images)
    assert found.kept.all(), found.problem
    return found.ticks / TICKS_PER_UNIT


def scene(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return (127 + 60 * np.sin(3 * (x + 0.5) / width) + 50 * np.cos(5 * (y + 0.5) / height)).astype(np.uint8)


def test_uniform_images_differ_in_brightness_alone():
    black, middle, white = units(grey(np.zeros((9, 9))), grey(np.full((20, 30), 51)), grey(np.full((5, 4), 255)))
    assert (black[0], white[0]) == (-3, 3)
    assert middle[0] == pytest.approx(6 * (0.2 - 0.5), abs=1e-3)
    assert not black[1:].any()
    assert not middle[1:].any()


def test_first_coefficients_are_those_of_the_cosine_transform():
    image = np.random.default_rng(0).integers(0, 256, (32, 32))
    basis = np.sqrt(2 / 32) * np.cos(np.pi * np.outer(np.arange(32), 2 * np.arange(32) + 1) / 64)
    basis[0] = np.sqrt(1 / 32)
    spectrum = 6 * (basis @ (image / 255) @ basis.T) / 32
    found = units(grey(image))[0]
    assert found[1:6] == pytest.approx(
        [spectrum[0, 1], spectrum[1, 0], spectrum[2, 0], spectrum[1, 1], spectrum[0, 2]], abs=2e-3
    )


def test_size_hardly_matters():
    small, large, oblong = units(grey(scene(64, 64)), grey(scene(600, 600)), grey(scene(200, 90)))
    assert np.abs(small - large).max() < 0.05
    assert np.abs(small - oblong).max() < 0.05


def test_colour_shows_in_the_last_features_and_grey_is_grey():
    red, blue = (encode(Image.new("RGB", (16, 16), colour)) for colour in ("red", "blue"))
    as_grey = encode(Image.fromarray(scene(40, 40)))
    as_colour = encode(Image.fromarray(scene(40, 40)).convert("RGB"))
    hot, cold, one, other = units(red, blue, as_grey, as_colour)
    assert hot[56] > 2.5
    assert cold[48] > 2.5
    assert hot[48] < 0 > cold[56]
    assert np.array_equal(one, other)


def test_transparency_is_seen_over_white():
    hidden = encode(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0] * 256)
    assert units(hidden)[0, 0] == 3
    assert units(encode(palette, transparency=0))[0, 0] == 3
    assert units(encode(palette))[0, 0] == -3


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "GIF"), ("RGB", "BMP"), ("CMYK", "TIFF"), ("I;16", "PNG"),
     ("RGB", "WEBP"), ("RGB", "JPEG"), ("YCbCr", "JPEG")],
)  # fmt: skip
def test_every_common_mode_is_read(mode, kind):
    assert features(encode(Image.new(mode, (20, 30)), kind)).kept.all()


def test_sixteen_bits_are_scaled_to_eight():
    deep = Image.fromarray(np.full((8, 8), 51 * 256 + 7, np.uint16))
    assert np.array_equal(units(encode(deep)), units(grey(np.full((8, 8), 51))))


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "missing"),
        (b"", "missing"),
        (b"not an image", "no image of a known format"),
        (grey(scene(30, 30))[:150], "cannot be decoded"),
        (bomb(60_000, 60_000), "cannot be decoded"),
        (bomb(8_500, 8_500), "too many"),
        (encode(Image.new("F", (4, 4)), "TIFF"), "floating-point"),
    ],
    ids=["missing", "empty", "noise", "truncated", "huge", "large", "float"],
)
def test_an_unreadable_image_is_skipped_and_explained(data, problem):
    good = grey(scene(8, 8))
    found = features(good, data, good)
    assert found.kept.tolist() == [True, False, True]
    assert problem in found.problem
    assert np.array_equal(found.ticks[0], found.ticks[1])


def test_corrupted_bytes_never_raise():
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        data = encode(Image.fromarray(scene(24, 24)).convert("RGB"), kind)
        damaged = []
        for _ in range(40):
            copy = bytearray(data)
            for at in rng.integers(0, len(copy), 3):
                copy[at] = rng.integers(0, 256)
            damaged.append(bytes(copy))
        found = features(*damaged)
        assert len(found.ticks) == found.kept.sum()


def test_structs_of_bytes_and_path_are_read():
    struct_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": grey(scene(8, 8)), "path": "a.png"}, None, {"bytes": None, "path": "/etc/passwd"}]
    found = FEATURISER.transform(pa.record_batch({"image": pa.array(rows, struct_type)}), COLUMNS, SPACE)
    assert found.kept.tolist() == [True, False, False]


def test_columns_without_bytes_are_refused():
    for column in (pa.array([1, 2]), pa.array([{"path": "a"}])):
        with pytest.raises(DatasetError, match="images must be bytes"):
            FEATURISER.transform(pa.record_batch({"image": column}), COLUMNS, SPACE)


def test_an_empty_batch_has_no_features():
    assert features().ticks.shape == (0, 64)
