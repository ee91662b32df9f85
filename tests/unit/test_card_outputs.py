"""Probabilities from output tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from msearch_card import Card, OutputError, parse_card
from msearch_card.outputs import probabilities

LOGITS = np.random.default_rng(3).normal(0, 4, (5, 3))


def card_of(**output: Any) -> Card:
    card = {"name": "a", "task": "classification", "modality": "text", "classes": ["x", "y", "z"]}
    return parse_card(card | {"output": output})


@pytest.mark.parametrize("temperature", [0.5, 1, 3])
@pytest.mark.parametrize("type", [np.float16, np.float32, np.float64])
def test_logits_go_through_a_softmax(temperature: float, type: Any) -> None:
    given = probabilities(card_of(kind="logits", temperature=temperature), {"out": LOGITS.astype(type)})
    assert given.dtype == np.float64
    np.testing.assert_allclose(given, softmax(LOGITS.astype(type).astype(float) / temperature, axis=1), rtol=1e-12)


def test_large_logits_do_not_overflow() -> None:
    given = probabilities(card_of(kind="logits"), {"out": np.array([[1e30, -1e30, 0], [-1e30] * 3])})
    np.testing.assert_allclose(given, [[1, 0, 0], [1 / 3] * 3])


@pytest.mark.parametrize(("axis", "shape"), [(-1, (5, 1, 1, 3)), (1, (5, 3, 1, 1)), (-2, (5, 3, 1)), (2, (5, 1, 3))])
def test_the_classes_are_found_on_their_axis(axis: int, shape: tuple[int, ...]) -> None:
    given = probabilities(card_of(kind="logits", axis=axis), {"out": LOGITS.reshape(shape)})
    np.testing.assert_allclose(given, softmax(LOGITS, axis=1))


def test_probabilities_are_taken_and_normalised() -> None:
    exact = softmax(LOGITS, axis=1)
    given = probabilities(card_of(kind="probabilities"), {"out": exact.astype(np.float16)})
    np.testing.assert_allclose(given, exact, atol=1e-3)
    np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-12)


def test_no_rows_give_no_rows() -> None:
    for kind in ("logits", "probabilities"):
        assert probabilities(card_of(kind=kind), {"out": np.zeros((0, 3))}).shape == (0, 3)


def test_the_named_output_is_taken() -> None:
    given = probabilities(card_of(kind="logits", tensor="b"), {"a": np.zeros((5, 9)), "b": LOGITS})
    np.testing.assert_allclose(given, softmax(LOGITS, axis=1))


@pytest.mark.parametrize(
    ("output", "tensors", "problem"),
    [
        ({"kind": "logits"}, {"a": LOGITS, "b": LOGITS}, "does not name output.tensor, and there are 2 outputs: a, b"),
        ({"kind": "logits"}, {}, "there are 0 outputs: none"),
        ({"kind": "logits", "tensor": "c"}, {"a": LOGITS}, "output.tensor is 'c', but the outputs are a"),
        ({"kind": "logits"}, {"a": LOGITS[:, :2]}, "output 'a' holds 2 classes, but the card names 3"),
        ({"kind": "logits", "axis": 2}, {"a": LOGITS}, "no axis 2 for the classes"),
        ({"kind": "logits", "axis": -2}, {"a": LOGITS}, "no axis -2 for the classes"),
        ({"kind": "logits"}, {"a": np.zeros((5, 2, 3))}, "only the batch and axis -1 may exceed 1"),
        ({"kind": "logits"}, {"a": np.where(LOGITS > 3, np.nan, LOGITS)}, "holds NaN or infinity in"),
        ({"kind": "probabilities"}, {"a": LOGITS}, "do not sum to 1: should output.kind be logits?"),
        ({"kind": "probabilities"}, {"a": np.array([[1.5, -0.5, 0]])}, "should output.kind be logits?"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(output: dict[str, Any], tensors: dict[str, Any], problem: str) -> None:
    with pytest.raises(OutputError) as caught:
        probabilities(card_of(**output), tensors)
    assert problem in str(caught.value)


def test_a_card_without_output_has_no_probabilities() -> None:
    with pytest.raises(OutputError, match="a@1 has no output"):
        probabilities(parse_card("{name: a, task: t, modality: text}"), {"out": LOGITS})
