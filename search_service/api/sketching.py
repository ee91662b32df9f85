"""Turns the rows that a call streams into a signature, batch by batch; no row is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from msearch_sketch.datasets import Dataset, open_dataset
from msearch_sketch.errors import SketchError
from msearch_sketch.featurisers import default_featuriser, featurisers
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.sketching import sketch
from msearch_sketch.spaces import FeatureSpace, digest_schema
from search_service.domain.catalog import Modality
from search_service.domain.errors import InvalidArgument, NotFound, Reason, ResourceExhausted
from search_service.usecases.searcher import FindSpace, Sketched

LARGEST_BATCH_BYTES = 64 << 20

# What Arrow raises on a corrupt stream, depending on where it notices.
ARROW_FAILURES = (
    pa.ArrowException,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSketcher:
    """Implements `usecases.search.Sketcher` within limits on the whole stream."""

    largest_rows: int
    largest_bytes: int

    def __call__(
        self, chunks: Iterable[bytes], modality: Modality | None, column: str, find_space: FindSpace
    ) -> Sketched:
        """See `usecases.search.Sketcher`."""
        stream = ChunkFile(chunks, self.largest_bytes)
        try:
            reader = _open(stream)
            batches = pa.RecordBatchReader.from_batches(reader.schema, self._checked(reader))
            dataset = open_dataset(
                batches, modality=None if modality is None else modality.value, column=column or None
            )
            # A target has no labels to the service, even where a column looks like some.
            dataset = replace(dataset, labels=None)
            result = sketch(dataset, choose_space(dataset, find_space))
        except SketchError as error:
            raise _invalid(str(error)) from None
        except ARROW_FAILURES as error:
            problem = str(error).partition("\n")[0] or type(error).__name__
            raise _invalid(f"the data is not a sound Arrow IPC stream: {problem}") from None
        notices: tuple[str, ...] = ()
        if result.skipped:
            notices = (f"{result.skipped} of {result.rows + result.skipped} rows could not be read: {result.problem}",)
        return Sketched(result.signature, notices)

    def _checked(self, reader: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in reader:
            rows += batch.num_rows
            if rows > self.largest_rows:
                raise ResourceExhausted(
                    f"the stream has more than {self.largest_rows} rows: sketch the data yourself and use Search, "
                    "or send a sample",
                    Reason.TOO_LARGE,
                )
            # The offsets and lengths in a batch are the caller's word; full validation looks at every one.
            batch.validate(full=True)
            yield batch


def _open(stream: ChunkFile) -> pa.RecordBatchReader:
    if stream.at_end():
        raise _invalid("no data arrived: after the header, send one Arrow IPC stream")
    return pa.ipc.open_stream(stream)


def choose_space(dataset: Dataset, find_space: FindSpace) -> FeatureSpace:
    """The fixed space of the default featuriser, or the one registered for the schema."""
    featuriser = default_featuriser(dataset.modality)
    fixed = featuriser.fixed_space(dataset.columns)
    if fixed is not None:
        return fixed
    identifier = f"{featuriser.name}@{featuriser.version}"
    found = find_space(digest_schema(dataset.columns.schema), identifier)
    if found is None:
        columns = ", ".join(f"{name} ({kind})" for name, kind in dataset.columns.schema[:20])
        more = f" and {len(dataset.columns.schema) - 20} more" if len(dataset.columns.schema) > 20 else ""
        raise NotFound(
            f"no feature space is registered for {dataset.modality} data with the columns {columns}{more} "
            f"({identifier}): no source of this schema is known, so nothing can be compared; register one first, "
            "or check names and types against a registered space",
            Reason.FEATURE_SPACE_NOT_FOUND,
        )
    return found


def _invalid(problem: str) -> InvalidArgument:
    return InvalidArgument(problem, Reason.INVALID_DATA, [("arrow_ipc", problem)])


class ChunkFile:
    """A readable file over chunks that arrive one by one. Arrow pulls, so at most one batch is held.

    Raises:
        ResourceExhausted: a single read is larger than a batch may be, or the stream larger than allowed.
    """

    closed = False

    def __init__(self, chunks: Iterable[bytes], largest_bytes: int) -> None:
        self._chunks = iter(chunks)
        self._largest_bytes = largest_bytes
        self._received = 0
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing to close."""

    def at_end(self) -> bool:
        """Whether nothing is left to read; waits for the next chunk."""
        return not self._rest and not self._advance()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        if size > LARGEST_BATCH_BYTES or size < 0:
            raise ResourceExhausted(
                f"a record batch takes {size} bytes, at most {LARGEST_BATCH_BYTES} are accepted: cut the data into "
                "smaller batches",
                Reason.TOO_LARGE,
            )
        parts: list[memoryview] = []
        missing = size
        while missing and (self._rest or self._advance()):
            part, self._rest = self._rest[:missing], self._rest[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _advance(self) -> bool:
        for chunk in self._chunks:
            self._received += len(chunk)
            if self._received > self._largest_bytes:
                raise ResourceExhausted(
                    f"the stream has more than {self._largest_bytes} bytes: sketch the data yourself and use Search, "
                    "or send a sample",
                    Reason.TOO_LARGE,
                )
            if chunk:
                self._rest = memoryview(chunk)
                return True
        return False


_ANY_COLUMNS = {
    "image": Columns(("image",), ("binary",)),
    "text": Columns(("text",), ("string",)),
    "pairs": Columns(("left", "right"), ("struct", "struct")),
}


def built_in_spaces() -> list[FeatureSpace]:
    """The spaces that exist before any data is seen: one for each featuriser that treats all data of its kind alike.

    Embeddings have a space for each length, and fitted spaces one for each schema; those are registered by whoever
    brings the data.
    """
    spaces = (
        featuriser.fixed_space(_ANY_COLUMNS[featuriser.modality])
        for featuriser in featurisers()
        if featuriser.modality in _ANY_COLUMNS
    )
    return [space for space in spaces if space is not None]
