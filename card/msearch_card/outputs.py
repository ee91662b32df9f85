"""Makes a card's `output` executable: output tensors in, class probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_card.card import Card, Output
from msearch_card.errors import OutputError

_TOLERANCE = 1e-2
"""How far a row of probabilities may be from summing to 1: half precision and int8 models are that inexact."""


def probabilities(card: Card, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Class probabilities [n, K] in the order of the card's classes; each row sums to 1.

    logits: softmax(logits / temperature) along `axis`. probabilities: as they are, normalised to sum to exactly 1.
    Axes other than the batch and the classes must have extent 1.

    Raises:
        OutputError: the card has no output, the tensor is missing, its shape does not fit the classes, or its values
            are not finite, or are no probabilities though the card says so.
    """
    if card.output is None:
        raise OutputError(f"the card of {card.identity} has no output, so probabilities cannot be computed")
    name, tensor = _choose(card.output, outputs)
    values = _by_class(name, tensor, card.output.axis)
    if card.classes and values.shape[1] != len(card.classes):
        raise OutputError(f"output {name!r} holds {values.shape[1]} classes, but the card names {len(card.classes)}")
    if not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
        raise OutputError(f"output {name!r} holds NaN or infinity in {bad} of {len(values)} rows")
    if card.output.kind == "logits":
        # Without the maximum first, the exponential overflows.
        values = np.exp((values - values.max(axis=1, keepdims=True)) / card.output.temperature)
    elif (values < -_TOLERANCE).any() or (np.abs(values.sum(axis=1) - 1) > _TOLERANCE).any():
        raise OutputError(f"the rows of output {name!r} do not sum to 1: should output.kind be logits?")
    values = np.maximum(values, 0.0)
    normalised: NDArray[np.float64] = values / values.sum(axis=1, keepdims=True)
    return normalised


def _choose(output: Output, outputs: Mapping[str, NDArray[Any]]) -> tuple[str, NDArray[Any]]:
    listed = ", ".join(outputs) or "none"
    if output.tensor is None:
        if len(outputs) != 1:
            raise OutputError(f"the card does not name output.tensor, and there are {len(outputs)} outputs: {listed}")
        return next(iter(outputs.items()))
    if output.tensor not in outputs:
        raise OutputError(f"output.tensor is {output.tensor!r}, but the outputs are {listed}")
    return output.tensor, outputs[output.tensor]


def _by_class(name: str, tensor: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """[n, ..., K, ...] -> [n, K]"""
    if not 1 <= (axis if axis >= 0 else tensor.ndim + axis) < tensor.ndim:
        raise OutputError(f"output {name!r} has shape {list(tensor.shape)}: no axis {axis} for the classes")
    moved = np.moveaxis(np.asarray(tensor, np.float64), axis, -1)
    if moved.size != moved.shape[0] * moved.shape[-1] or moved.shape[-1] == 0:
        raise OutputError(
            f"output {name!r} has shape {list(tensor.shape)}: only the batch and axis {axis} may exceed 1"
        )
    return moved.reshape(moved.shape[0], moved.shape[-1])
