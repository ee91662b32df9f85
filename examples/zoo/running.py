"""Runs models the way their cards say: the same adapters that msearch uses, and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow as pa
from numpy.typing import NDArray

from examples.zoo.entries import ZooModel
from msearch_card import Card
from msearch_card.inputs import Prepared, prepare
from msearch_card.outputs import probabilities

_BATCH_ROWS = 256


def card_of(document: Mapping[str, Any]) -> Card:
    """The checked card of a document that a builder made."""
    return Card.model_validate(document)


def input_tensor(card: Card, rows: pa.Table) -> NDArray[np.float32]:
    """The only input tensor of all rows, [n, ...] float32.

    Raises:
        ValueError: the adapter skipped a row; the zoo's own rows can all be read.
    """
    (tensor,) = _prepare_all(card, rows).tensors.values()
    return np.ascontiguousarray(tensor, np.float32)


def _prepare_all(card: Card, rows: pa.Table) -> Prepared:
    batch = rows.combine_chunks().to_batches()[0]
    prepared = prepare(card, batch)
    if prepared.skipped:
        raise ValueError(f"{card.identity} skipped {prepared.skipped} rows: {prepared.problem}")
    return prepared


class Runner:
    """Runs models on tables; tensors are prepared once per table and kind of input."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._prepared: dict[str, Prepared] = {}

    def predict(self, card: Card, session: ort.InferenceSession) -> list[str]:
        """The most probable class of each row, by name."""
        key = card.input.model_dump_json() if card.input else ""
        if key not in self._prepared:
            self._prepared[key] = _prepare_all(card, self._rows)
        feed = self._prepared[key].feed([entry.name for entry in session.get_inputs()])
        names = [entry.name for entry in session.get_outputs()]
        predicted: list[str] = []
        for start in range(0, self._rows.num_rows, _BATCH_ROWS):
            values = session.run(names, {name: tensor[start : start + _BATCH_ROWS] for name, tensor in feed.items()})
            best = probabilities(card, dict(zip(names, values, strict=True))).argmax(axis=1)
            predicted.extend(card.classes[position] for position in best)
        return predicted


def open_session(graph: bytes) -> ort.InferenceSession:
    """ONNX Runtime on one CPU thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def measure(predicted: Sequence[str], labels: Sequence[str], positive: str | None) -> dict[str, float]:
    """Accuracy, and F1 of the class `positive` where there is one (0 without any true positive)."""
    right = sum(a == b for a, b in zip(predicted, labels, strict=True))
    measured = {"accuracy": round(right / len(labels), 6)}
    if positive is not None:
        hits = sum(a == b == positive for a, b in zip(predicted, labels, strict=True))
        named = sum(a == positive for a in predicted) + sum(b == positive for b in labels)
        measured["f1"] = round(2 * hits / named, 6) if named else 0.0
    return measured


def claim(model: ZooModel, positive: str | None) -> dict[str, float]:
    """What the model reaches on its own labelled validation rows."""
    labels = model.validation.column("label").to_pylist()
    predicted = Runner(model.validation).predict(card_of(model.card), open_session(model.graph))
    return measure(predicted, labels, positive)
