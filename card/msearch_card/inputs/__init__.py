"""Makes a card's `input` executable: Arrow rows in, the model's tensors out. One file per kind of input."""

from __future__ import annotations

import importlib

import pyarrow as pa

from msearch_card.card import Card
from msearch_card.errors import InputError
from msearch_card.inputs.base import ONLY_INPUT, Prepared

__all__ = ["ONLY_INPUT", "Prepared", "prepare"]


def prepare(card: Card, batch: pa.RecordBatch) -> Prepared:
    """The input tensors of the rows of `batch`. Rows that cannot be read are skipped and counted.

    Raises:
        InputError: the card has no `input`, a column is missing or has a wrong type, or a file that the card names
            cannot be read.
    """
    if card.input is None:
        raise InputError(f"the card of {card.identity} has no input, so its tensors cannot be prepared")
    adapter = importlib.import_module(f"{__name__}.{card.input.kind}")
    prepared: Prepared = adapter.prepare(card.input, batch, card.base)
    return prepared
