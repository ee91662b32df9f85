"""Token ids from a Hugging Face `tokenizer.json`, by the `tokenizers` library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_card.carried_files import unpack_file
from msearch_card.encodings import TokenizerEncoding
from msearch_card.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Ids, attention mask (1 for a token, 0 for padding) and type ids; each [n, length] int64."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    types: NDArray[np.int64]


def tokenise(texts: Sequence[str], encoding: TokenizerEncoding, base: Path | None) -> Tokens:
    """Encodes each text with the special tokens of the file, cut and padded to `encoding.length`.

    Padding uses the token, id and side that the file declares; without a declaration id 0, on the right.

    The card's own copy of the file goes before one in its folder.

    Raises:
        InputError: the library is not installed, the card neither carries the file nor has a folder, or the file cannot
            be read.
    """
    if encoding.content is not None:
        tokenizer = _carried(encoding.content, encoding.file, encoding.length)
    elif base is None:
        raise InputError(
            f"the card neither carries its tokenizer file {encoding.file!r} (input.encoding.file) nor is its folder"
            " known: register the model from the card's file, read the card with load_card, or give parse_card its base"
        )
    else:
        path = base / encoding.file
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError as error:
            raise InputError(f"cannot read the tokenizer file {path} (input.encoding.file): {error.strerror}") from None
        tokenizer = _load(path, changed_ns, encoding.length)
    encoded = tokenizer.encode_batch(list(texts))
    parts = (np.array([getattr(one, part) for one in encoded], np.int64).reshape(len(texts), encoding.length)
             for part in ("ids", "attention_mask", "type_ids"))  # fmt: skip
    return Tokens(*parts)


@lru_cache(maxsize=8)
def _load(path: Path, changed_ns: int, length: int) -> Any:  # noqa: ARG001 - a changed file is loaded anew
    return _ready(lambda kind: kind.from_file(str(path)), str(path), length)


@lru_cache(maxsize=8)
def _carried(content: str, name: str, length: int) -> Any:
    return _ready(lambda kind: kind.from_buffer(unpack_file(content)), name, length)


def _ready(read: Callable[[Any], Any], name: str, length: int) -> Any:
    """The tokenizer, set to cut and pad."""
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise InputError(f"{name} needs the package tokenizers: pip install 'msearch[tokenizers]'") from None
    try:
        tokenizer = read(Tokenizer)
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        raise InputError(f"{name} (input.encoding.file) is not a tokenizer.json: {error}") from None
    padding = {key: value for key, value in (tokenizer.padding or {}).items() if key in _PADDING}
    tokenizer.enable_padding(**(padding | {"length": length}))
    tokenizer.enable_truncation(length)
    return tokenizer


_PADDING = ("direction", "pad_id", "pad_type_id", "pad_token")
