"""Feeds are held against declared inputs before a runtime sees them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from profiler_agent.backends._feeds import check_batch, check_feed, describe
from profiler_agent.work import TensorSpec

IMAGE = TensorSpec(name="image", element_type="float32", shape=("n", 3, None))
MASK = TensorSpec(name="mask", element_type="bool", shape=("n",))
WORDS = TensorSpec(name="words", element_type="string", shape=("n", 1))


def feed(**changes: Any) -> dict[str, Any]:
    good = {"image": np.zeros((2, 3, 9), np.float32), "mask": np.zeros(2, bool), "words": np.array([["a"], ["b"]])}
    return good | changes


@pytest.mark.parametrize("words", [np.array([["a"], ["b"]]), np.array([["a"], ["b"]], object)])
def test_what_fits_is_let_through(words: np.ndarray) -> None:
    check_feed(feed(words=words), [IMAGE, MASK, WORDS])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": np.zeros((2, 3, 9))}, "'image' is float64, but the model takes 'image' float32 [n, 3, ?]"),
        ({"image": np.zeros((2, 4, 9), np.float32)}, "'image' has the shape [2, 4, 9]"),
        ({"image": np.zeros((2, 3), np.float32)}, "'image' has the shape [2, 3]"),
        ({"mask": np.zeros(3, bool)}, "'mask' has the shape [3]"),  # n is 2 already
        ({"mask": np.zeros(2, np.uint8)}, "'mask' is uint8"),
        ({"words": np.zeros((2, 1))}, "'words' is float64"),
        ({"other": np.zeros(1)}, "has the unknown 'other'; the model takes 'image' float32 [n, 3, ?], 'mask'"),
    ],
)
def test_what_does_not_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_feed(feed(**changes), [IMAGE, MASK, WORDS])


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ValueError, match="lacks the input 'mask'"):
        check_feed({"image": feed()["image"]}, [IMAGE, MASK])


def test_fixed_batches() -> None:
    fixed = TensorSpec(name="x", element_type="float32", shape=(4, 2))
    assert check_batch([IMAGE], 8) == ""
    assert check_batch([fixed], 4) == ""
    assert "fixed batch of 4, not 1" in check_batch([IMAGE, fixed], 1)
    assert describe(fixed) == "'x' float32 [4, 2]"
