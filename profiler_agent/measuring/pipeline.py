"""Requests that carry rows: pre-processing, inference and post-processing within each call, as a server would do it.

A row travels as the source dataset has it (an encoded image, a text, values), the model's card turns it into tensors
and the outputs into class probabilities, and these travel back. All three parts are computed for real, in the thread
that answers, so that they wait for each other as they would in a server; each call notes what they took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiler_agent.backends.base import CompiledModel
from profiler_agent.errors import JobError, WrongOutput
from profiler_agent.measuring.rows import UNREADABLE, Rows, cast_alike, open_sample
from profiler_agent.measuring.target import bytes_of, joins_rows

NO_SAMPLE = "no sample of the source dataset is stored, so requests carry tensors"
NO_OUTPUT = "the model's card has no output, so answers are its tensors"


class Processing(NamedTuple):
    """What pre- and post-processing of one call took, in nanoseconds."""

    before_ns: int
    after_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class RawRows:
    """Rows of the source dataset that the card can read: a record batch, and the card itself."""

    card: Any
    batch: Any

    @classmethod
    def read(cls, card_json: str, sample_file: Path) -> RawRows:
        """The rows of a sample.

        Raises:
            JobError: the sample cannot be read as the card says.
        """
        import pyarrow as pa  # noqa: PLC0415 - only runs of a pipeline need it

        opened = open_sample(card_json, sample_file)
        kept = np.flatnonzero(opened.prepared.kept)
        if not kept.size:
            raise JobError(f"{UNREADABLE}: {opened.prepared.problem}")
        return cls(opened.card, opened.batch.take(pa.array(kept)))


class PipelineTarget:
    """Implements `loadgen.target.Target`; a sample is a chunk of `batch_size` rows. `calls` holds one entry a call.

    Not for several threads, as a compiled model is not.
    """

    def __init__(
        self,
        compiled: CompiledModel,
        raw: RawRows,
        prepared: Rows,
        batch_size: int,
        now: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as above

        self._compiled = compiled
        self._card = raw.card
        self._prepared = prepared
        self._batch_size = batch_size
        self._joins = joins_rows(compiled, batch_size)
        self._now = now
        count = max(raw.batch.num_rows // batch_size, 1)
        tiled = raw.batch.take(pa.array(np.arange(count * batch_size) % raw.batch.num_rows))
        self._chunks = [tiled.slice(place * batch_size, batch_size) for place in range(count)]
        self.samples = count
        self.calls: list[Processing] = []

    @property
    def request_bytes(self) -> float:
        """Mean bytes of the rows of one sample, as Arrow holds them."""
        return float(sum(chunk.nbytes for chunk in self._chunks) / self.samples)

    @property
    def response_bytes(self) -> int:
        """Bytes of what answers one sample; found by one call."""
        return bytes_of(self._after(self._infer(self._before([0]), 1)))

    @property
    def missing(self) -> Mapping[str, str]:
        """Stages that its requests do not have, and why."""
        return {"postprocess": NO_OUTPUT} if self._card.output is None else {}

    def run(self, samples: Sequence[int]) -> None:
        """One call on these samples, from rows to probabilities."""
        began = prepared = answered = self._now()
        try:
            feed = self._before(samples)
            prepared = answered = self._now()
            outputs = self._infer(feed, len(samples))
            answered = self._now()
            self._after(outputs)
        finally:
            self.calls.append(Processing(prepared - began, self._now() - answered))

    def _before(self, samples: Sequence[int]) -> dict[str, NDArray[Any]]:
        import pyarrow as pa  # noqa: PLC0415 - as above

        from msearch_card.inputs import prepare  # noqa: PLC0415

        chunks = [self._chunks[sample] for sample in samples]
        rows = chunks[0] if len(chunks) == 1 else pa.Table.from_batches(chunks).combine_chunks().to_batches()[0]
        feed = prepare(self._card, rows).feed(list(self._prepared.tensors))
        return cast_alike(feed, self._prepared)

    def _infer(self, feed: Mapping[str, NDArray[Any]], samples: int) -> Mapping[str, NDArray[Any]]:
        """One call; one a sample where the model's batch is fixed."""
        if samples == 1 or self._joins:
            return self._compiled.run(dict(feed))
        size = self._batch_size
        parts = [
            self._compiled.run({name: tensor[place * size : (place + 1) * size] for name, tensor in feed.items()})
            for place in range(samples)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _after(self, outputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """What is sent back: class probabilities, or the outputs where the card does not say how to read them."""
        from msearch_card import OutputError  # noqa: PLC0415 - as above
        from msearch_card.outputs import probabilities  # noqa: PLC0415

        if self._card.output is None:
            return outputs
        try:
            return {"probabilities": probabilities(self._card, outputs).astype(np.float32)}
        except OutputError as error:
            raise WrongOutput(str(error)) from None
