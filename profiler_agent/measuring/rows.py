"""The rows that a model is run on: those of the registered sample, read as the card says, or generated ones.

They are prepared once a job and kept in one npz file, so that the processes that measure hold neither the card's
readers nor the raw rows in memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiler_agent.errors import JobError, WrongOutput
from profiler_agent.work import TensorSpec

MOST_ROWS = 512
"""Rows kept. Without a single disagreement, 299 rows show that fewer than 1 % disagree (at 95 %)."""

LARGEST_BYTES = 256 << 20
UNREADABLE = "the sample cannot be read as the card says"
_INPUT, _OUTPUT, _LABELS = "input:", "output:", "labels"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Prepared rows: `tensors` by input name, each [n, ...]; `labels` [n] positions among the card's classes, or None.

    `outputs` are the reference's on the first rows, by output name; empty before the reference was run.
    """

    tensors: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64] | None = None
    outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(next(iter(self.tensors.values()))) if self.tensors else MOST_ROWS

    @property
    def checked(self) -> Rows:
        """The rows on which the reference was run."""
        return self.first(len(next(iter(self.outputs.values())))) if self.outputs else self

    def first(self, count: int) -> Rows:
        """The first rows."""
        if not self.tensors or count >= self.count:
            return self
        return Rows(
            {name: tensor[:count] for name, tensor in self.tensors.items()},
            None if self.labels is None else self.labels[:count],
            {name: tensor[:count] for name, tensor in self.outputs.items()},
        )

    def feed(self, rows: NDArray[np.intp] | slice) -> dict[str, NDArray[Any]]:
        """The tensors of these rows."""
        return {name: tensor[rows] for name, tensor in self.tensors.items()}


@dataclass(frozen=True, slots=True)
class ReadSample:
    """Rows of a sample. `per_row_ns` is what reading one costs; `problem` is why rows were skipped, or empty."""

    rows: Rows
    per_row_ns: float
    problem: str


class OpenedSample(NamedTuple):
    """The first rows of a sample as they are stored, the card, and what it prepared of them, at that cost a row."""

    card: Any
    batch: Any
    prepared: Any
    per_row_ns: float


def save(path: Path, rows: Rows) -> None:
    """Writes the rows, without pickling: strings as fixed-width text."""
    arrays = {f"{_INPUT}{name}": _plain(tensor) for name, tensor in rows.tensors.items()}
    arrays |= {f"{_OUTPUT}{name}": _plain(tensor) for name, tensor in rows.outputs.items()}
    if rows.labels is not None:
        arrays[_LABELS] = rows.labels
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stubs take no mapping


def load(path: Path) -> Rows:
    """Reads what `save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        tensors = {name.removeprefix(_INPUT): arrays[name] for name in arrays.files if name.startswith(_INPUT)}
        outputs = {name.removeprefix(_OUTPUT): arrays[name] for name in arrays.files if name.startswith(_OUTPUT)}
        labels = arrays[_LABELS] if _LABELS in arrays.files else None
    return Rows(tensors, labels, outputs)


def open_sample(card_json: str, sample_file: Path) -> OpenedSample:
    """The first rows of the sample, read as the card says.

    Raises:
        JobError: they cannot be; the message tells why.
    """
    import pyarrow as pa  # noqa: PLC0415 - runs that measure tensors must not load it

    from msearch_card import CardError, InputError, parse_card  # noqa: PLC0415
    from msearch_card.inputs import prepare  # noqa: PLC0415

    try:
        card = parse_card(card_json)
        with pa.memory_map(str(sample_file)) as source:
            table = pa.ipc.open_stream(source).read_all()
        batch = table.slice(0, MOST_ROWS).combine_chunks().to_batches()[0]
        started = time.perf_counter_ns()
        prepared = prepare(card, batch)
        per_row_ns = (time.perf_counter_ns() - started) / max(len(batch), 1)
    except (CardError, InputError, pa.ArrowException, OSError, IndexError) as error:
        raise JobError(f"{UNREADABLE}: {error}") from None
    return OpenedSample(card, batch, prepared, per_row_ns)


def read_sample(card_json: str, sample_file: Path, label_column: str, specs: Sequence[TensorSpec]) -> ReadSample:
    """The first rows of the sample as the model's tensors.

    Raises:
        JobError: the sample cannot be read as the card says; the message tells why.
    """
    import pyarrow as pa  # noqa: PLC0415 - the measuring processes must not load it

    from msearch_card import InputError  # noqa: PLC0415

    opened = open_sample(card_json, sample_file)
    card, batch, prepared = opened.card, opened.batch, opened.prepared
    try:
        feed = prepared.feed([spec.name for spec in specs])
    except InputError as error:
        raise JobError(f"{UNREADABLE}: {error}") from None
    tensors = {spec.name: _cast(feed[spec.name], spec) for spec in specs}
    kept = np.flatnonzero(prepared.kept)
    labels = _labels(batch.column(label_column).take(pa.array(kept)), card.classes) if label_column else None
    rows = Rows(tensors, labels)
    if not len(kept):
        raise JobError(f"no row of the sample can be read as the card says: {prepared.problem}")
    return ReadSample(_within_bytes(rows), opened.per_row_ns, prepared.problem)


def tile(rows: Rows, count: int) -> Rows:
    """At least `count` rows, the given ones repeated where they are fewer. Labels and outputs are left out."""
    if rows.count >= count or not rows.tensors:
        return rows
    order = np.arange(count) % rows.count
    return Rows({name: tensor[order] for name, tensor in rows.tensors.items()})


def check_rows(outputs: Mapping[str, NDArray[Any]], rows: int) -> None:
    """Raises WrongOutput unless every output has one entry a row."""
    for name, tensor in outputs.items():
        if tensor.ndim == 0 or len(tensor) != rows:
            raise WrongOutput(f"output {name!r} has shape {list(tensor.shape)} for {rows} rows")


def _labels(column: Any, classes: Sequence[str]) -> NDArray[np.int64]:
    """Positions among the classes; -1 for a label that the model does not know."""
    positions = {name: position for position, name in enumerate(classes)}
    return np.asarray([positions.get(str(value), -1) for value in column.to_pylist()], np.int64)


def _within_bytes(rows: Rows) -> Rows:
    size = sum(tensor.nbytes for tensor in rows.tensors.values())
    if size <= LARGEST_BYTES:
        return rows
    count = max(1, int(rows.count * LARGEST_BYTES / size))
    labels = None if rows.labels is None else rows.labels[:count]
    return Rows({name: tensor[:count] for name, tensor in rows.tensors.items()}, labels)


def _cast(tensor: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """A card's tensors are float32; an artifact may want another width."""
    if spec.element_type in ("float16", "float64") and tensor.dtype.kind == "f":
        return tensor.astype(spec.element_type)
    return tensor


def cast_alike(feed: Mapping[str, NDArray[Any]], like: Rows) -> dict[str, NDArray[Any]]:
    """The tensors in the types of the prepared ones; text stays as it is."""
    return {
        name: tensor.astype(like.tensors[name].dtype, copy=False) if tensor.dtype.kind == "f" else tensor
        for name, tensor in feed.items()
    }


def _plain(tensor: NDArray[Any]) -> NDArray[Any]:
    return tensor.astype(np.str_) if tensor.dtype == object else tensor
