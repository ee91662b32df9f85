"""Every example of docs/model-card.md is a card, by the parser and by the published schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from msearch_card import card_schema, parse_card

PAGE = Path(__file__).parents[2] / "docs" / "model-card.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
KINDS = {"image", "text", "tabular", "time_series", "pairs", "embedding"}


@pytest.mark.parametrize("text", EXAMPLES, ids=[yaml.safe_load(text)["name"] for text in EXAMPLES])
def test_an_example_is_a_card(text: str) -> None:
    card = parse_card(text)
    assert parse_card(card.canonical_json()) == card


@pytest.mark.parametrize("text", EXAMPLES, ids=[yaml.safe_load(text)["name"] for text in EXAMPLES])
def test_an_example_follows_the_schema(text: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    validator = jsonschema.Draft202012Validator(card_schema())
    validator.validate(yaml.safe_load(text))
    validator.validate(json.loads(parse_card(text).canonical_json()))
    assert not validator.is_valid(yaml.safe_load(text) | {"nmae": "x"})


def test_every_kind_has_an_example() -> None:
    cards = [parse_card(text) for text in EXAMPLES]
    assert {card.input.kind for card in cards if card.input is not None} == KINDS
    assert any(card.artifact.format == "none" for card in cards)
