"""A compiled model as what load is driven at: a sample is a chunk of `batch_size` prepared rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.backends.base import CompiledModel
from profiler_agent.errors import BackendUnavailable
from profiler_agent.measuring.rows import MOST_ROWS, Rows, tile


class CompiledTarget:
    """Implements `loadgen.target.Target`. Not for several threads, as a compiled model is not.

    Feeds of single samples are views made beforehand, so that a run measures the model and not the copying of rows;
    calls that join several samples (batching, multi_stream) pay for joining them, as a server would.
    """

    def __init__(self, compiled: CompiledModel, rows: Rows, batch_size: int) -> None:
        self._compiled = compiled
        self._joins = joins_rows(compiled, batch_size)
        rows = tile(rows, batch_size)
        self.samples = rows.count // batch_size if rows.tensors else MOST_ROWS
        self._feeds: list[dict[str, NDArray[Any]]] = [
            rows.feed(slice(start * batch_size, (start + 1) * batch_size)) for start in range(self.samples)
        ]

    @property
    def request_bytes(self) -> int:
        """Bytes of the tensors of one sample."""
        return bytes_of(self._feeds[0])

    @property
    def response_bytes(self) -> int:
        """Bytes of the tensors that answer one sample; found by one call."""
        return bytes_of(self._compiled.run(self._feeds[0]))

    def run(self, samples: Sequence[int]) -> None:
        """One call on these samples; one call each where the model's batch is fixed."""
        if len(samples) == 1:
            self._compiled.run(self._feeds[samples[0]])
        elif self._joins:
            chosen = [self._feeds[sample] for sample in samples]
            self._compiled.run({name: np.concatenate([feed[name] for feed in chosen]) for name in chosen[0]})
        else:
            for sample in samples:
                self._compiled.run(self._feeds[sample])


def joins_rows(compiled: CompiledModel, batch_size: int) -> bool:
    """Whether a call may hold more rows than one sample.

    Raises:
        BackendUnavailable: the artifact's batch is fixed at another size than asked for.
    """
    fixed = {spec.shape[0] for spec in compiled.inputs if spec.shape and isinstance(spec.shape[0], int)}
    if fixed and fixed != {batch_size}:
        sizes = ", ".join(str(size) for size in sorted(fixed))
        raise BackendUnavailable(
            f"the artifact's batch is fixed at {sizes}, so a batch of {batch_size} cannot be measured: "
            f"ask for batch={sizes}, or export the model with a free batch dimension"
        )
    return not fixed


def bytes_of(tensors: Mapping[str, NDArray[Any]]) -> int:
    """Bytes of the tensors of a message; what an encoding adds is left out."""
    return sum(tensor.nbytes for tensor in tensors.values())
