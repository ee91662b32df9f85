"""From a document to a `Card`: YAML or JSON in, a card or an error that names every wrong field out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msearch_card.card import Card
from msearch_card.errors import CardError, DocumentError
from msearch_card.reading import LARGEST_DOCUMENT_BYTES as LARGEST_CARD_BYTES
from msearch_card.reading import DocumentReader

__all__ = ["LARGEST_CARD_BYTES", "load_card", "parse_card"]

_READER = DocumentReader(Card, "the model card")


def parse_card(text_or_mapping: str | bytes | Mapping[str, Any], *, base: str | Path | None = None) -> Card:
    """Reads a card from YAML or JSON text, or from a mapping. Relative file names of the card refer to `base`.

    Raises:
        CardError: the text is neither, a key stands twice, or a field is wrong; `fields` names each.
    """
    try:
        card = _READER.parse(text_or_mapping)
    except DocumentError as error:
        raise CardError(error.message, error.fields) from None
    return card if base is None else card.with_base(base)


def load_card(path: str | Path) -> Card:
    """Reads a card from a file; its relative file names refer to the file's folder.

    Raises:
        CardError: the file cannot be read, or as for `parse_card`; the message begins with the path.
    """
    path = Path(path)
    try:
        text = _READER.read(path)
    except DocumentError as error:
        raise CardError(error.message, error.fields) from None
    try:
        return parse_card(text, base=path.parent)
    except CardError as error:
        raise CardError(f"{path}: {error.message}", error.fields) from None
