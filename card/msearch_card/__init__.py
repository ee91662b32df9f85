"""The model card: its fields, and the adapters that make it executable. Pure: no network, no runtime."""

from msearch_card.card import Artifact, Card, Metric, Modality, Output
from msearch_card.carrying import carry_files
from msearch_card.errors import CardError, InputError, OutputError, TooLargeToCarry
from msearch_card.parsing import load_card, parse_card
from msearch_card.schema import card_schema

__all__ = [
    "Artifact",
    "Card",
    "CardError",
    "InputError",
    "Metric",
    "Modality",
    "Output",
    "OutputError",
    "TooLargeToCarry",
    "card_schema",
    "carry_files",
    "load_card",
    "parse_card",
]
