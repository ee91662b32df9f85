"""The published JSON schema of the card."""

from __future__ import annotations

from typing import Any

from msearch_card.card import Card


def card_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a card, published as docs/model-card.schema.json.

    It describes shapes and ranges; the checks between fields stand in docs/model-card.md.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Card.model_json_schema()}
