"""The signature of a dataset in one feature space, and its encoding (docs/signature-format.md).

The encoding is a magic number, a canonical JSON header that lists every array with its type and shape, and the arrays
in little-endian order without compression: it is parsed in well under a millisecond, in any language.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.errors import SignatureError
from msearch_sketch.spaces import FeatureSpace, canonical_json

MAGIC = b"MSSG"
FORMAT_VERSION = 1
SKETCHER_VERSION = 1
LARGEST_ENCODING_BYTES = 1 << 20

_PREFIX = struct.Struct("<4sHHI")  # magic, format version, zero, header length

_ARRAYS: dict[str, tuple[str, int]] = {
    # name: (little-endian dtype, number of axes), in the order of the encoding
    "levels": ("u1", 1),
    "table_offsets": ("<u4", 1),
    "keys": ("<u4", 1),
    "key_counts": ("<u4", 1),
    "sums": ("<i8", 1),
    "square_sums": ("<i8", 1),
    "fourier_sums": ("<i8", 1),
    "partitions": ("<u4", 3),
    "centroids": ("<i2", 2),
    "centroid_weights": ("<u4", 1),
    "centroid_classes": ("<i2", 1),
    "class_counts": ("<i8", 1),
    "confidence_counts": ("<i8", 1),
    "confidence_correct": ("<i8", 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How the model did on the labelled held-out rows of this dataset.

    `confidence_counts` and `confidence_correct` have 15 equal bins of the largest probability over [0, 1].
    """

    accuracy: float
    count: int
    temperature: float
    mean_confidence: float
    atc_threshold: float
    confidence_counts: tuple[int, ...]
    confidence_correct: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Signature:
    """Everything that is known of a dataset's rows in one feature space; no row is in it.

    Arrays, with d = dimension, R resolutions, L tables a resolution, T = R L tables ordered by resolution then table:

    - `levels` [R]: keys of resolution r are kept only if divisible by 2**levels[r].
    - `table_offsets` [T + 1], `keys`, `key_counts`: table t holds the sorted distinct bucket keys
      keys[table_offsets[t]:table_offsets[t + 1]], each with the number of rows in that bucket.
    - `sums`, `square_sums` [d]: of the features, in ticks and ticks squared.
    - `fourier_sums` [2 F]: sums of cos and sin features, in units of 1 / 16384.
    - `partitions` [P, dimensions, bins]: histogram counts of consecutive rows.
    - `centroids` [C, d] in ticks, `centroid_weights` [C] in rows, `centroid_classes` [C]: index into `classes`, or -1.
    - `classes`, `class_counts` [K]: names and row counts of the classes; empty where the dataset has no labels.
    """

    space_digest: str
    schema_digest: str
    row_count: int
    resolutions: int
    levels: NDArray[np.uint8]
    table_offsets: NDArray[np.uint32]
    keys: NDArray[np.uint32]
    key_counts: NDArray[np.uint32]
    sums: NDArray[np.int64]
    square_sums: NDArray[np.int64]
    fourier_sums: NDArray[np.int64]
    partitions: NDArray[np.uint32]
    centroids: NDArray[np.int16]
    centroid_weights: NDArray[np.uint32]
    centroid_classes: NDArray[np.int16]
    classes: tuple[str, ...] = ()
    class_counts: NDArray[np.int64]
    validation: Validation | None = None
    sketcher_version: int = SKETCHER_VERSION

    @property
    def dimension(self) -> int:
        """Number of features a row has."""
        return int(self.sums.shape[0])

    @property
    def tables(self) -> int:
        """Number of hash tables over all resolutions."""
        return int(self.table_offsets.shape[0]) - 1

    @property
    def labelled(self) -> bool:
        """Whether the centroids carry classes."""
        return bool(self.classes)

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each feature, in ticks. [d]"""
        return self.sums / self.row_count

    @cached_property
    def variance(self) -> NDArray[np.float64]:
        """Population variance of each feature, in ticks squared. [d]"""
        return np.maximum(self.square_sums / self.row_count - self.mean**2, 0.0)

    @cached_property
    def encoded(self) -> bytes:
        """The encoding; equal signatures give equal bytes."""
        return _encode(self)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the encoding, 64 hexadecimal digits."""
        return hashlib.sha256(self.encoded).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def __repr__(self) -> str:
        return (
            f"Signature(space={self.space_digest[:12]}, rows={self.row_count}, keys={self.keys.size}, "
            f"centroids={len(self.centroids)}, classes={len(self.classes)})"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Signature:
        """Decodes and checks an untrusted encoding.

        Raises:
            SignatureError: the bytes are not a well-formed signature.
        """
        signature = _decode(data)
        _check(signature)
        return signature

    @classmethod
    def from_checked_bytes(cls, data: bytes) -> Signature:
        """Decodes an encoding that `from_bytes` accepted before, at a third of its cost.

        Raises:
            SignatureError: the bytes are not a signature at all.
        """
        return _decode(data)

    def check_space(self, space: FeatureSpace) -> None:
        """Checks that the shapes are those of `space`.

        Raises:
            SignatureError: the signature belongs to another space or contradicts it.
        """
        if self.space_digest != space.digest:
            raise SignatureError(f"the signature is of space {self.space_digest[:12]}, not {space.digest[:12]}")
        expected = {
            "dimension": (self.dimension, space.dimension),
            "resolutions": (self.resolutions, len(space.hashing.widths_ticks)),
            "tables": (self.tables, space.tables),
            "fourier sums": (self.fourier_sums.size, 2 * space.fourier.features),
            "partition bins": (self.partitions.shape[2], space.partitioning.bins),
            "partition dimensions": (self.partitions.shape[1], min(space.partitioning.dimensions, space.dimension)),
        }
        for name, (found, wanted) in expected.items():
            if found != wanted:
                raise SignatureError(f"the signature has {found} {name}, its space has {wanted}")
        limits = {
            "partitions": (len(self.partitions), space.partitioning.most),
            "centroids": (len(self.centroids), space.coreset.centroids),
        }
        for name, (found, most) in limits.items():
            if found > most:
                raise SignatureError(f"the signature has {found} {name}, its space allows {most}")
        per_table = np.diff(self.table_offsets.astype(np.int64)).reshape(self.resolutions, -1)
        if (per_table.sum(axis=1) > space.hashing.key_budget).any():
            raise SignatureError(f"the signature exceeds the budget of {space.hashing.key_budget} keys a resolution")
        if len(self.centroids) and int(self.centroid_weights.min()) < space.coreset.least_rows:
            raise SignatureError(f"a centroid stands for fewer than {space.coreset.least_rows} rows")


def _header(signature: Signature) -> dict[str, Any]:
    validation = signature.validation
    return {
        "classes": list(signature.classes),
        "resolutions": signature.resolutions,
        "row_count": signature.row_count,
        "schema_digest": signature.schema_digest,
        "sketcher_version": signature.sketcher_version,
        "space_digest": signature.space_digest,
        "validation": None
        if validation is None
        else {
            "accuracy": validation.accuracy,
            "atc_threshold": validation.atc_threshold,
            "count": validation.count,
            "mean_confidence": validation.mean_confidence,
            "temperature": validation.temperature,
        },
    }


def _arrays(signature: Signature) -> dict[str, NDArray[Any]]:
    validation = signature.validation
    arrays = {name: getattr(signature, name) for name in _ARRAYS if not name.startswith("confidence_")}
    empty: tuple[int, ...] = ()
    arrays["confidence_counts"] = np.array(validation.confidence_counts if validation else empty, "<i8")
    arrays["confidence_correct"] = np.array(validation.confidence_correct if validation else empty, "<i8")
    return arrays


def _encode(signature: Signature) -> bytes:
    arrays = _arrays(signature)
    header = _header(signature)
    header["arrays"] = [[name, dtype, list(arrays[name].shape)] for name, (dtype, _) in _ARRAYS.items()]
    text = canonical_json(header).encode()
    parts = [_PREFIX.pack(MAGIC, FORMAT_VERSION, 0, len(text)), text]
    parts += [np.ascontiguousarray(arrays[name], dtype).tobytes() for name, (dtype, _) in _ARRAYS.items()]
    data = b"".join(parts)
    if len(data) > LARGEST_ENCODING_BYTES:
        raise SignatureError(f"the signature takes {len(data)} bytes, at most {LARGEST_ENCODING_BYTES} are allowed")
    return data


def _decode(data: bytes) -> Signature:
    if len(data) > LARGEST_ENCODING_BYTES:
        raise SignatureError(f"the signature takes {len(data)} bytes, at most {LARGEST_ENCODING_BYTES} are allowed")
    if len(data) < _PREFIX.size or data[:4] != MAGIC:
        raise SignatureError("these bytes are not a msearch signature")
    _, version, _, header_length = _PREFIX.unpack_from(data)
    if version != FORMAT_VERSION:
        raise SignatureError(f"signature format {version} is unknown, this program reads format {FORMAT_VERSION}")
    at = _PREFIX.size + header_length
    if at > len(data):
        raise SignatureError("the signature is cut off in its header")
    try:
        header = json.loads(data[_PREFIX.size : at])
        listed = header.pop("arrays")
        if [entry[0] for entry in listed] != list(_ARRAYS):
            raise ValueError("unexpected list of arrays")
        arrays: dict[str, NDArray[Any]] = {}
        for name, dtype, shape in listed:
            expected, axes = _ARRAYS[name]
            if dtype != expected or len(shape) != axes:
                raise ValueError(f"array {name} has an unexpected type or number of axes")
            count = 1
            for extent in shape:
                if type(extent) is not int or extent < 0:
                    raise ValueError(f"array {name} has an impossible shape")
                count *= extent
            end = at + count * np.dtype(dtype).itemsize
            if end > len(data):
                raise ValueError(f"array {name} is cut off")
            arrays[name] = np.frombuffer(data, dtype, count, at).reshape(shape)
            at = end
        if at != len(data):
            raise ValueError("bytes follow the last array")
        counts = tuple(arrays.pop("confidence_counts").tolist())
        correct = tuple(arrays.pop("confidence_correct").tolist())
        raw = header.pop("validation")
        validation = None if raw is None else Validation(**raw, confidence_counts=counts, confidence_correct=correct)
        header["classes"] = tuple(header["classes"])
        fields: dict[str, Any] = {**header, **arrays}
        return Signature(**fields, validation=validation)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise SignatureError(f"the signature is corrupt: {error}") from None


def _check(signature: Signature) -> None:
    problem = _find_problem(signature)
    if problem:
        raise SignatureError(f"the signature is corrupt: {problem}")


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and all(digit in "0123456789abcdef" for digit in value)


def _find_problem(s: Signature) -> str | None:
    """The first thing that is wrong, or None. Cheap: every test is one vectorised pass."""
    if type(s.sketcher_version) is not int or s.sketcher_version < 1:
        return "the sketcher version is not a positive integer"
    if s.sketcher_version > SKETCHER_VERSION:
        return f"it was made by sketcher version {s.sketcher_version}, newer than {SKETCHER_VERSION}; upgrade msearch"
    if not _is_digest(s.space_digest):
        return "the space digest is not 64 hexadecimal digits"
    if s.schema_digest != "" and not _is_digest(s.schema_digest):
        return "the schema digest is neither empty nor 64 hexadecimal digits"
    if type(s.row_count) is not int or not 1 <= s.row_count < 2**31:
        return "the row count is out of range"
    if type(s.resolutions) is not int or s.resolutions < 1 or s.levels.size != s.resolutions:
        return "levels and resolutions differ"
    if s.tables < 1 or s.tables % s.resolutions:
        return "the number of tables is no multiple of the resolutions"
    offsets = s.table_offsets.astype(np.int64)
    if (
        offsets[0] != 0
        or (np.diff(offsets) < 0).any()
        or offsets[-1] != s.keys.size
        or s.keys.size != s.key_counts.size
    ):
        return "the table offsets do not fit the keys"
    if s.keys.size:
        ascending = np.diff(s.keys.astype(np.int64)) > 0
        starts = offsets[1:-1]
        ascending[starts[(starts > 0) & (starts < s.keys.size)] - 1] = True
        if not ascending.all():
            return "the keys of a table do not ascend"
        if int(s.key_counts.min()) < 1:
            return "a key has a count of zero"
        totals = np.add.reduceat(np.append(s.key_counts, 0).astype(np.int64), offsets[:-1])
        totals[np.diff(offsets) == 0] = 0
        if int(totals.max()) > s.row_count:
            return "a table counts more rows than there are"
    if int(s.levels.max()) > 31:
        return "a level is above 31"
    masks = ((np.uint32(1) << s.levels.astype(np.uint32)) - np.uint32(1)).repeat(s.tables // s.resolutions)
    if (s.keys & np.repeat(masks, np.diff(offsets))).any():
        return "a key is not divisible by two to its level"
    if s.square_sums.size != s.dimension or (s.square_sums < 0).any():
        return "the moments are malformed"
    count, dimension = s.centroids.shape
    if dimension != s.dimension or s.centroid_weights.size != count or s.centroid_classes.size != count:
        return "the coreset's arrays differ in length"
    if int(s.centroid_weights.sum(dtype=np.int64)) > s.row_count or (count and int(s.centroid_weights.min()) < 1):
        return "the coreset's weights do not fit the row count"
    if not all(isinstance(name, str) for name in s.classes) or len(set(s.classes)) != len(s.classes):
        return "the classes are not distinct strings"
    if s.class_counts.size != len(s.classes) or (s.class_counts < 0).any():
        return "class counts and classes differ"
    if s.class_counts.size and (int(s.class_counts.max()) > s.row_count or int(s.class_counts.sum()) > s.row_count):
        return "the class counts exceed the row count"
    if count and not (int(s.centroid_classes.min()) >= -1 and int(s.centroid_classes.max()) < max(len(s.classes), 0)):
        return "a centroid has an unknown class"
    return None if s.validation is None else _find_validation_problem(s.validation)


def _find_validation_problem(v: Validation) -> str | None:
    numbers = (v.accuracy, v.temperature, v.mean_confidence, v.atc_threshold)
    # The comparison refuses NaN and infinity, and integers too large for a float.
    if not all(type(value) in (int, float) and abs(value) < 1e300 for value in numbers):
        return "a validation statistic is not a finite number"
    if type(v.count) is not int or v.count < 1 or not 0 <= v.accuracy <= 1 or v.temperature <= 0:
        return "a validation statistic is out of range"
    if len(v.confidence_counts) != 15 or len(v.confidence_correct) != 15:
        return "the confidence histogram must have 15 bins"
    if any(not 0 <= right <= total for right, total in zip(v.confidence_correct, v.confidence_counts, strict=True)):
        return "a confidence bin counts more right rows than rows"
    return None
