"""Whatever the document, parsing gives a card or a CardError; a card survives its own JSON."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_card import CardError, parse_card

KEYS = st.sampled_from(
    ["name", "version", "task", "modality", "classes", "input", "output", "kind", "type", "encoding", "columns", "fill",
     "mean", "std", "metrics", "artifact", "tags", "channels", "length", "column", "parent", "value", "format", "x"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["image", "text", "tabular", "time_series", "pairs", "embedding", "raw", "hashing", "tokenizer",
                     "featuriser", "logits", "onnx", "category", "number", "a@1"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20
)
PART = st.dictionaries(KEYS, VALUES, max_size=8)


@given(
    st.dictionaries(KEYS, VALUES, max_size=8),
    st.fixed_dictionaries(
        {"name": st.just("a"), "task": st.just("t"), "modality": SCALARS, "input": PART, "output": PART}
    ),
)
@settings(max_examples=150)
def test_any_mapping_gives_a_card_or_a_card_error(loose: dict[str, Any], likely: dict[str, Any]) -> None:
    for document in (loose, likely | loose):
        with contextlib.suppress(CardError):
            card = parse_card(document)
            assert parse_card(card.canonical_json()) == card


@given(st.one_of(st.text(), PART.map(yaml.safe_dump), st.binary()))
@settings(max_examples=150)
def test_any_text_gives_a_card_or_a_card_error(text: str | bytes) -> None:
    with contextlib.suppress(CardError):
        parse_card(text)


NAMES = st.from_regex(r"\A[a-cX-Z0_][a-c9._-]{0,6}(/[a-cX-Z0_][a-c9._-]{0,6}){0,2}\Z")
LABELS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=10)


@given(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "version": st.one_of(st.integers(0, 99), st.sampled_from(["1.0", "2026-03"])),
            "task": st.just("classification"),
            "modality": st.just("image"),
            "classes": st.lists(LABELS, unique=True, min_size=2, max_size=5),
            "tags": st.lists(LABELS, max_size=4),
            "metrics": st.lists(st.fixed_dictionaries({"name": LABELS, "value": st.floats(0, 1)}), max_size=3),
            "input": st.fixed_dictionaries(
                {
                    "kind": st.just("image"),
                    "column": LABELS,
                    "width": st.integers(1, 512),
                    "height": st.integers(1, 512),
                    "channels": st.just(3),
                    "mean": st.lists(st.floats(-9, 9), min_size=3, max_size=3),
                }
            ),
            "output": st.fixed_dictionaries({"kind": st.just("logits"), "temperature": st.floats(0.1, 10)}),
        }
    )
)
def test_a_card_survives_its_own_json_and_yaml(document: dict[str, Any]) -> None:
    card = parse_card(document)
    assert parse_card(card.canonical_json()) == card
    assert parse_card(card.canonical_json()).canonical_json() == card.canonical_json()
    assert parse_card(yaml.safe_dump(document, allow_unicode=True)) == card


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(CardError, match="name"):
        parse_card('{"name": "\\ud800", "task": "t", "modality": "text"}')
    with pytest.raises(CardError, match="description"):
        parse_card('{"name": "a", "task": "t", "modality": "text", "description": "\\ud800"}')
