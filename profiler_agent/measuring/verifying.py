"""Holds a compiled variant to the reference's outputs on the prepared rows, before it is timed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.backends.base import CompiledModel
from profiler_agent.errors import WrongOutput
from profiler_agent.measuring.clocks import time_per_row
from profiler_agent.measuring.messages import VariantOrder
from profiler_agent.measuring.rows import Rows, check_rows
from profiler_agent.verification.invariance import check_batch_invariance
from profiler_agent.verification.offers import Loss, accuracy_loss, disagreement, right_answers
from profiler_agent.verification.outputs import Comparison, compare, top_classes
from profiler_agent.work import Measurement

BATCH = 32
"""Rows a call when outputs are checked, where the batch is free."""


@dataclass(frozen=True, slots=True)
class Verified:
    """`problem` keeps the variant from being offered whatever its speed; `loss` is None without a reference."""

    problem: str
    loss: Loss | None
    measurements: tuple[Measurement, ...]


def run_all(compiled: CompiledModel, prepared: Rows, batch: int) -> dict[str, NDArray[Any]]:
    """The outputs for all prepared rows, `batch` at a time; the last call repeats rows to be full.

    Raises:
        WrongOutput: an output does not have one entry a row.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    for start in range(0, prepared.count, batch):
        outputs = compiled.run(prepared.feed(np.arange(start, start + batch) % prepared.count))
        check_rows(outputs, batch)
        keep = min(batch, prepared.count - start)
        parts.append({name: np.asarray(tensor)[:keep] for name, tensor in outputs.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def verify_outputs(order: VariantOrder, compiled: CompiledModel, prepared: Rows) -> Verified:
    """Compares with the reference, row alone with row in a batch, and right answers where rows are labelled.

    Raises:
        WrongOutput: the outputs are NaN, of another shape, constant, or otherwise not those of this model.
    """
    if not prepared.tensors:
        return Verified("", None, ())
    prepared = prepared.checked
    free = free_batch(compiled)
    batch = min(BATCH, order.largest_batch) if free else order.variant.batch_size
    outputs = run_all(compiled, prepared, max(batch, 1))
    if free and batch > 1:
        alone = compiled.run(prepared.feed(slice(0, 1)))
        together = {name: tensor[:batch] for name, tensor in outputs.items()}
        check_batch_invariance(alone, together, 0, order.variant.precision)
    if not prepared.outputs:
        _check_finite(outputs)
        return Verified("", None, _post_processing(order, outputs))
    named = _class_output(order, prepared.outputs)
    comparison = compare(prepared.outputs, outputs, order.variant.precision, class_output=named)
    loss = _loss(comparison, prepared, outputs, named)
    measured = [*_differences(comparison, loss), *_post_processing(order, outputs)]
    return Verified(comparison.problem, loss, tuple(measured))


def free_batch(compiled: CompiledModel) -> bool:
    """Whether every input takes any number of rows."""
    return all(not (spec.shape and isinstance(spec.shape[0], int)) for spec in compiled.inputs)


def _check_finite(outputs: Mapping[str, NDArray[Any]]) -> None:
    for name, tensor in outputs.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise WrongOutput(f"output {name!r} holds NaN or infinity")


def _class_output(order: VariantOrder, outputs: Mapping[str, NDArray[Any]]) -> str | None:
    """The output that the card calls the classes'; None lets the comparison find one."""
    card = _card(order)
    name = None if card is None or card.output is None else card.output.tensor
    return name if name in outputs else None


def _loss(comparison: Comparison, prepared: Rows, outputs: Mapping[str, NDArray[Any]], named: str | None) -> Loss:
    labels = prepared.labels
    name = named or next(
        (key for key, value in outputs.items() if value.ndim == 2 and value.shape[1] > 1 and value.dtype.kind == "f"),
        None,
    )
    if labels is None or name is None or not (known := labels >= 0).any():
        return disagreement(comparison.agreed)
    reference = right_answers(top_classes(prepared.outputs[name])[known], labels[known])
    variant = right_answers(top_classes(outputs[name])[known], labels[known])
    return accuracy_loss(reference, variant)


def _differences(comparison: Comparison, loss: Loss) -> list[Measurement]:
    source = f"{comparison.rows} rows against the reference"
    found = [Measurement(name="max_difference", value=comparison.max_difference, unit="", source=source)]
    if comparison.top1_agreement is not None:
        found.append(Measurement(name="top1_agreement", value=comparison.top1_agreement, unit="", source=source))
    if comparison.sqnr_db is not None and math.isfinite(comparison.sqnr_db):
        found.append(Measurement(name="sqnr_db", value=comparison.sqnr_db, unit="dB", source=source))
    words = "labelled rows" if loss.labelled else "rows that answer otherwise than the reference"
    found.append(
        Measurement(
            name="accuracy_loss",
            value=loss.value,
            unit="",
            high=loss.upper,
            source=f"{loss.rows} {words}",
            detail="high is the one-sided 95 % bound",
        )
    )
    return found


def _post_processing(order: VariantOrder, outputs: Mapping[str, NDArray[Any]]) -> tuple[Measurement, ...]:
    """What turning outputs into class probabilities costs a row, where the card says how."""
    from msearch_card import OutputError  # noqa: PLC0415 - the measuring processes must not load it
    from msearch_card.outputs import probabilities  # noqa: PLC0415

    card = _card(order)
    if card is None or card.output is None:
        return ()
    rows = len(next(iter(outputs.values())))
    try:
        taken = time_per_row(lambda: probabilities(card, outputs), rows)
    except OutputError as error:
        raise WrongOutput(str(error)) from None
    return (Measurement(name="postprocess_ms", value=taken / 1e6, unit="ms", source="card, per row"),)


def _card(order: VariantOrder) -> Any:
    from msearch_card import CardError, parse_card  # noqa: PLC0415 - the measuring processes must not load it

    try:
        return parse_card(order.card_json) if order.card_json else None
    except CardError:
        return None
