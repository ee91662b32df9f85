"""Reads evaluation samples: rows, which are sketched to points here, or points as a client sketched them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_sketch.class_names import ClassNames
from msearch_sketch.datasets import open_dataset
from msearch_sketch.errors import SketchError
from msearch_sketch.featurisers import get_featuriser
from msearch_sketch.spaces import FeatureSpace
from search_service.api.samples import rows_of
from search_service.api.sketching import ARROW_FAILURES, ChunkFile, choose_space
from search_service.domain.errors import InvalidArgument, NotFound, Reason, ResourceExhausted
from search_service.domain.evaluation import SampleKind
from search_service.usecases.evaluation_samples import LARGEST_SAMPLE_BYTES
from search_service.usecases.evidence import NewSample, ReadSample, SpaceLookup
from search_service.usecases.points import UNLABELLED, Points

MOST_ROWS = 100_000
POINT_COLUMN = "point"
SPACE_KEY = b"msearch.space_digest"


class ArrowSampleReader:
    """Implements `usecases.evidence.SampleReader` for one Arrow IPC stream; holds the bytes until `finish`."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def finish(self, sample: NewSample, spaces: SpaceLookup) -> ReadSample:
        stream = ChunkFile(self._chunks, LARGEST_SAMPLE_BYTES)
        try:
            reader = pa.ipc.open_stream(stream)
            read = (_sketch if sample.rows else _take_points)(reader, sample, spaces)
        except SketchError as error:
            raise _invalid(str(error)) from None
        except ARROW_FAILURES as error:
            problem = str(error).partition("\n")[0] or type(error).__name__
            raise _invalid(f"the bytes are not a sound Arrow IPC stream: {problem}") from None
        if not stream.at_end():
            raise _invalid("bytes follow the end of the Arrow IPC stream: send exactly one")
        if not read.points.readable.any():
            raise _invalid(f"none of the {len(read.points)} rows can be read")
        if sample.kind is SampleKind.VALIDATION and not read.classes:
            raise _invalid(f"no row has a label in the column {sample.label_column!r}")
        return read


class _Rows:
    """Collects points and labels batch by batch."""

    def __init__(self, dimension: int) -> None:
        self._ticks = [np.zeros((0, dimension), np.int16)]
        self._readable = [np.zeros(0, bool)]
        self._labels = [np.zeros(0, np.int32)]
        self._names = ClassNames()

    def add(self, ticks: NDArray[np.int16], readable: NDArray[np.bool_], labels: pa.Array | None) -> None:
        """The next rows: `ticks` of those that are readable, `readable` and `labels` of all."""
        every = np.zeros((len(readable), ticks.shape[1]), np.int16)
        every[readable] = ticks
        self._ticks.append(every)
        self._readable.append(readable)
        none = np.full(len(readable), UNLABELLED, np.int32)
        self._labels.append(none if labels is None else self._names.encode(labels))

    def finish(self, space: FeatureSpace) -> ReadSample:
        """All rows, with the class names in alphabetical order."""
        names = self._names.names
        order = sorted(range(len(names)), key=names.__getitem__)
        places = np.append(np.argsort(order), UNLABELLED).astype(np.int32)  # label -1 reaches the last entry
        labels = places[np.concatenate(self._labels)]
        points = Points(np.concatenate(self._ticks), np.concatenate(self._readable), labels)
        return ReadSample(points, tuple(names[place] for place in order), space)


def _sketch(reader: pa.RecordBatchReader, sample: NewSample, spaces: SpaceLookup) -> ReadSample:
    batches = pa.RecordBatchReader.from_batches(reader.schema, _checked(reader))
    dataset = open_dataset(
        batches,
        modality=None if sample.modality is None else sample.modality.value,
        column=sample.column or None,
        labels=sample.label_column or None,
    )
    if not sample.label_column:
        # A target has no labels to the service, even where a column looks like some.
        dataset = replace(dataset, labels=None)
    space = choose_space(dataset, spaces.find)
    featuriser = get_featuriser(space.featuriser)
    rows = _Rows(space.dimension)
    for batch in dataset.batches():
        features = featuriser.transform(batch, dataset.columns, space)
        rows.add(features.ticks, features.kept, batch.column(dataset.labels) if dataset.labels else None)
    return rows.finish(space)


def _take_points(reader: pa.RecordBatchReader, sample: NewSample, spaces: SpaceLookup) -> ReadSample:
    digest = (reader.schema.metadata or {}).get(SPACE_KEY, b"").decode("ascii", "replace")
    if not digest:
        raise _invalid(f"the schema's metadata must name the feature space of the points (key {SPACE_KEY.decode()})")
    space = _find_space(spaces.get, digest)
    if POINT_COLUMN not in reader.schema.names:
        raise _invalid(
            f"the stream must have the column {POINT_COLUMN!r}; it has {', '.join(reader.schema.names[:20])}"
        )
    expected = pa.list_(pa.int16(), space.dimension)
    found = reader.schema.field(POINT_COLUMN).type
    if found != expected and not (
        pa.types.is_fixed_size_list(found) and (found.value_type, found.list_size) == (pa.int16(), space.dimension)
    ):
        raise _invalid(f"the column {POINT_COLUMN!r} must hold {expected}, as its feature space says, not {found}")
    if sample.label_column and sample.label_column not in reader.schema.names:
        raise _invalid(
            f"the stream has no column {sample.label_column!r}; it has {', '.join(reader.schema.names[:20])}"
        )
    rows = _Rows(space.dimension)
    for batch in _checked(reader):
        points = batch.column(POINT_COLUMN)
        readable = np.asarray(points.is_valid().to_numpy(zero_copy_only=False), bool)
        values = points.flatten()  # leaves missing points out
        if values.null_count:
            raise _invalid("a point holds a missing value: leave out the whole point of a row that cannot be read")
        ticks = values.to_numpy().reshape(-1, space.dimension)
        rows.add(ticks, readable, batch.column(sample.label_column) if sample.label_column else None)
    read = rows.finish(space)
    if not len(read.points):
        raise _invalid("the stream has no rows")
    return read


def _find_space(get: Callable[[str], FeatureSpace], digest: str) -> FeatureSpace:
    try:
        return get(digest)
    except NotFound:
        raise NotFound(
            f"no feature space {digest[:64]!r} is registered: register it first, or send the rows",
            Reason.FEATURE_SPACE_NOT_FOUND,
        ) from None


def _checked(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in reader:
        rows += rows_of(batch)
        if rows > MOST_ROWS:
            raise ResourceExhausted(
                f"the stream has more than {MOST_ROWS} rows: take fewer, some hundreds are enough", Reason.TOO_LARGE
            )
        yield batch


def _invalid(problem: str) -> InvalidArgument:
    return InvalidArgument(f"chunk: {problem}", Reason.INVALID_DATA, [("chunk", problem)])
