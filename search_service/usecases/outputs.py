"""Outputs of a model on a sample: checked, counted against labels, kept in a blob as plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.label_matching import UNKNOWN, match_labels
from search_service.domain.errors import Reason, ResourceExhausted
from search_service.usecases.fields import LONGEST_NAME, check_text, invalid
from search_service.usecases.points import Points, decode_arrays, encode_arrays

LARGEST_BYTES = 256 << 20
MOST_CLASSES = 100_000
LARGEST_NOISE_BYTES = 2 << 20
SUM_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """`probabilities` [n, K]: a row that the model could not take is NaN throughout.

    `noisy` [s, n]: classes (-1 for none) it votes for under each of s draws of noise on its weights; s may be 0.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    noisy: NDArray[np.int16]

    @property
    def taken(self) -> NDArray[np.bool_]:
        """Which rows the model took. [n]"""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))

    def encode(self) -> bytes:
        """An uncompressed .npz, without the names of the classes."""
        return encode_arrays(probabilities=self.probabilities, noisy=self.noisy)

    @classmethod
    def decode(cls, classes: tuple[str, ...], chunks: Iterable[bytes]) -> Outputs:
        """Reads what `encode` gave."""
        arrays = decode_arrays(chunks)
        return cls(classes, arrays["probabilities"], arrays["noisy"])

    def in_order(self, classes: Sequence[str]) -> Outputs:
        """The same with the columns in the order of these names, which are those of `classes`."""
        order = [self.classes.index(name) for name in classes]
        places = np.append(np.argsort(order), UNKNOWN).astype(np.int16)  # -1 reaches the last entry
        return Outputs(tuple(classes), np.ascontiguousarray(self.probabilities[:, order]), places[self.noisy])

    def count(self, points: Points, labels: Sequence[str]) -> tuple[int, int] | None:
        """Rows it is right on, and labelled rows that it took; None where no label is one of its classes.

        `labels` names the labels of the points. A row of a class that the model does not know counts as wrong.
        """
        matched = match_labels(labels, self.classes)
        if not (matched != UNKNOWN).any():
            return None
        judged = np.flatnonzero((points.labels >= 0) & self.taken)
        right = matched[points.labels[judged]]
        votes = self.probabilities[judged].argmax(axis=1) if len(judged) else right
        return int(np.count_nonzero(votes == right)), len(judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What outputs are announced to be: rows of the sample, and names of the columns."""

    rows: int
    classes: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Of the probabilities, as float32."""
        return self.rows * len(self.classes) * 4


def check_shape(rows: int, classes: Sequence[str], *, expected_rows: int, model_classes: Sequence[str]) -> Shape:
    """What the outputs must be, before their bytes are read; no classes mean those of the model.

    Raises:
        InvalidArgument: the rows are not those of the sample, or the classes not those of the model.
        ResourceExhausted: TOO_LARGE.
    """
    if rows != expected_rows:
        raise invalid("outputs.row_count", f"is {rows}, but the sample has {expected_rows} rows: give one output a row")
    names = tuple(classes) or tuple(model_classes)
    if not 1 <= len(names) <= MOST_CLASSES:
        raise invalid("outputs.classes", f"must be 1 to {MOST_CLASSES} names, not {len(names)}")
    for name in names:
        check_text("outputs.classes", name, LONGEST_NAME)
    if len(set(names)) != len(names):
        raise invalid("outputs.classes", "a name stands twice")
    if model_classes and set(names) != set(model_classes):
        raise invalid(
            "outputs.classes",
            f"must be the {len(model_classes)} classes of the model, in any order; {', '.join(names[:5])} are not",
        )
    shape = Shape(rows=rows, classes=names)
    if shape.size_bytes > LARGEST_BYTES:
        raise ResourceExhausted(
            f"the outputs take {shape.size_bytes} bytes, at most {LARGEST_BYTES} are accepted: take fewer rows",
            Reason.TOO_LARGE,
        )
    return shape


def read_outputs(
    shape: Shape, chunks: Iterable[bytes], noisy: bytes = b"", *, model_classes: Sequence[str] = ()
) -> Outputs:
    """The outputs of that shape in the streamed bytes, their columns in the order of the model's classes.

    Raises:
        InvalidArgument: INVALID_DATA, there are more or fewer bytes, or a row is neither NaN throughout nor
            probabilities that sum to 1.
    """
    probabilities = _gather(shape, chunks)
    whole = np.asarray(np.isfinite(probabilities).all(axis=1))
    none = np.asarray(np.isnan(probabilities).all(axis=1))
    _refuse_rows(~(whole | none), "hold NaN or infinity beside numbers: a row that was not taken is NaN throughout")
    taken = probabilities[whole].astype(np.float64)
    outside = np.zeros(shape.rows, bool)
    outside[whole] = ((taken < -SUM_TOLERANCE) | (taken > 1 + SUM_TOLERANCE)).any(axis=1)
    _refuse_rows(outside, "are not within 0 and 1: give probabilities, not logits")
    outside[whole] = np.abs(taken.sum(axis=1) - 1) > SUM_TOLERANCE
    _refuse_rows(outside, "do not sum to 1: apply a softmax first")
    outputs = Outputs(shape.classes, np.clip(probabilities, 0, 1), _read_noisy(shape, noisy))
    return outputs.in_order(model_classes) if model_classes else outputs


def _gather(shape: Shape, chunks: Iterable[bytes]) -> NDArray[np.float32]:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > shape.size_bytes:
            break
    if len(data) != shape.size_bytes:
        more = "more than " if len(data) > shape.size_bytes else ""
        raise invalid(
            "chunk",
            f"{more}{min(len(data), shape.size_bytes)} bytes arrived, but {shape.rows} rows of {len(shape.classes)} "
            f"float32 are {shape.size_bytes}: give one column for each of these classes",
            Reason.INVALID_DATA,
        )
    return np.frombuffer(bytes(data), "<f4").reshape(shape.rows, len(shape.classes)).astype(np.float32, copy=False)


def _read_noisy(shape: Shape, data: bytes) -> NDArray[np.int16]:
    path = "outputs.noisy_predictions"
    if len(data) > LARGEST_NOISE_BYTES:
        raise invalid(path, f"at most {LARGEST_NOISE_BYTES} bytes, not {len(data)}")
    if len(data) % (2 * shape.rows):
        raise invalid(path, f"{len(data)} bytes are no whole number of draws of {shape.rows} int16")
    votes = np.frombuffer(data, "<i2").reshape(-1, shape.rows).astype(np.int16, copy=False)
    if votes.size and not -1 <= int(votes.min()) <= int(votes.max()) < len(shape.classes):
        raise invalid(path, f"must lie between -1 and {len(shape.classes) - 1}, the last class")
    return votes


def _refuse_rows(bad: NDArray[np.bool_], problem: str) -> None:
    found = np.flatnonzero(bad)
    if found.size:
        count = f"{found.size} rows" if found.size > 1 else "1 row"
        raise invalid("chunk", f"{count}, the first is row {found[0]}, {problem}", Reason.INVALID_DATA)
