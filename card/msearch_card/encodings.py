"""Encodings: how text, pairs and series become numbers, where there is a choice."""

from __future__ import annotations

import json
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from msearch_card.carried_files import LONGEST_TEXT, unpack_file
from msearch_card.fields import Extent, Flag, Label, Part


class RawEncoding(Part):
    """The values as they are: strings for pairs, numbers for series."""

    type: Literal["raw"] = "raw"


class RawTextEncoding(Part):
    """The strings as they are."""

    type: Literal["raw"] = "raw"
    rank: Literal[1, 2] = Field(default=1, description="Axes of the tensor: [n], or [n, 1] as converters often want.")


class TokenizerEncoding(Part):
    """Token ids [n, length] int64 from a Hugging Face `tokenizer.json`, cut and padded to `length`.

    `attention_mask` and `token_types` name the tensors that take the mask and the type ids, where the model has them.
    """

    type: Literal["tokenizer"]
    file: Label = Field(description="Path of the tokenizer.json, relative to the card's folder and within it.")
    length: Extent = Field(description="Tokens per row; longer texts are cut, shorter ones padded.")
    attention_mask: Label | None = Field(default=None, description="Name of the tensor that takes the attention mask.")
    token_types: Label | None = Field(default=None, description="Name of the tensor that takes the token type ids.")
    content: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = Field(
        default=None,
        description="The file itself (zlib, base64), put there when the model is registered: it travels with the card.",
    )

    @field_validator("content")
    @classmethod
    def _a_json_object(cls, content: str | None) -> str | None:
        if content is not None:
            try:
                sound = isinstance(json.loads(unpack_file(content)), dict)
            except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
                sound = False
            if not sound:
                raise ValueError("must hold a tokenizer.json, and is no JSON object")
        return content

    @field_validator("file")
    @classmethod
    def _within_the_folder(cls, file: str) -> str:
        # A card may come from a stranger: it must not make an agent read files outside its own folder.
        for path in (PurePosixPath(file), PureWindowsPath(file)):
            if path.is_absolute() or path.drive or ".." in path.parts:
                raise ValueError("must be a relative path inside the card's folder, without '..'")
        return file


class HashingEncoding(Part):
    """Counts of hashed n-grams [n, features] float32; the same numbers as scikit-learn's HashingVectorizer."""

    type: Literal["hashing"]
    analyser: Literal["word", "char"] = Field(default="word", description="n-grams of words or of characters.")
    ngrams: tuple[Extent, Extent] = Field(default=(1, 1), description="Shortest and longest n-gram.")
    features: Extent = Field(default=4096, description="Number of features.")
    norm: Literal["l1", "l2", "none"] = Field(default="l2", description="Norm that each row is scaled to.")
    lowercase: Flag = Field(default=True, description="Whether the text is turned into lower case first.")
    signed: Flag = Field(
        default=True, description="Whether the hash's sign is the count's sign, so that collisions cancel."
    )

    @field_validator("ngrams")
    @classmethod
    def _ascending(cls, ngrams: tuple[int, int]) -> tuple[int, int]:
        low, high = ngrams
        if low > high:
            raise ValueError(f"must be [shortest, longest], not [{low}, {high}]")
        if high > 16:
            raise ValueError(f"must not exceed 16, not {high}")
        return ngrams


class FeaturiserEncoding(Part):
    """The features that msearch's own sketch uses, in units, [n, d] float32; only data-independent featurisers."""

    type: Literal["featuriser"]
    name: str = Field(pattern=r"^[a-z0-9-]+@[0-9]+$", description='Featuriser as "name@version".')


def _spelled_out(value: Any) -> Any:
    # `encoding: raw` is short for `encoding: {type: raw}`.
    return {"type": value} if isinstance(value, str) else value


_Text = RawTextEncoding | TokenizerEncoding | HashingEncoding | FeaturiserEncoding
_Plain = RawEncoding | FeaturiserEncoding

TextEncoding = Annotated[
    _Text,
    Field(discriminator="type"),
    BeforeValidator(_spelled_out, json_schema_input_type=_Text | Literal["raw", "hashing"]),
]
PlainEncoding = Annotated[
    _Plain,
    Field(discriminator="type"),
    BeforeValidator(_spelled_out, json_schema_input_type=_Plain | Literal["raw"]),
]
