"""Puts the files that a card names into the card, so that it can travel alone."""

from __future__ import annotations

from pathlib import Path

from msearch_card.card import Card
from msearch_card.carried_files import pack_file
from msearch_card.encodings import TokenizerEncoding
from msearch_card.errors import CardError, TooLargeToCarry
from msearch_card.input_specs import TextInput


def carry_files(card: Card) -> Card:
    """The card with its tokenizer file inside; any other card, and one that carries it already, as it is.

    A card whose folder is not known stays as it is, too: whoever runs the model then lacks the file, and says so.

    Raises:
        CardError: the file cannot be read or is no JSON object; TooLargeToCarry.
    """
    spec = card.input
    if not isinstance(spec, TextInput) or not isinstance(spec.encoding, TokenizerEncoding):
        return card
    encoding = spec.encoding
    if encoding.content is not None or card.base is None:
        return card
    path = card.base / encoding.file
    try:
        content = pack_file(path.read_bytes())
    except OSError as error:
        raise _refusal(CardError, path, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _refusal(TooLargeToCarry, path, str(error)) from None
    try:
        carrying = TokenizerEncoding.model_validate(encoding.model_dump() | {"content": content})
    except ValueError:
        raise _refusal(CardError, path, "is not a tokenizer.json: it holds no JSON object") from None
    return card.model_copy(update={"input": spec.model_copy(update={"encoding": carrying})}).with_base(card.base)


def _refusal(kind: type[CardError], path: Path, problem: str) -> CardError:
    return kind(f"the tokenizer file {path} (input.encoding.file) {problem}", [("input.encoding.file", problem)])
