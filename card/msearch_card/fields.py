"""Types of the card's fields: what a string, a number, a name may be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.functional_validators import AfterValidator


class Part(BaseModel):
    """A part of the card: immutable, extra keys refused, only finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_max_length=20_000)


def _no_control_characters(text: str) -> str:
    # A NUL cannot be stored by PostgreSQL, and the others have no meaning in a name.
    for character in text:
        if ord(character) < 32 and character not in "\n\t\r":
            raise ValueError(f"must not contain the control character U+{ord(character):04X}")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _integer_as_text(value: Any) -> Any:
    # YAML reads `version: 1` and `classes: [0, 1]` as integers; their spelling is not in doubt.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, AfterValidator(_no_control_characters)]
"""Free text, at most 20,000 characters."""

Label = Annotated[
    str,
    Field(min_length=1, max_length=500),
    AfterValidator(_no_control_characters),
    AfterValidator(_not_blank),
    BeforeValidator(_integer_as_text, json_schema_input_type=str | int),
]
"""A short text that is not blank; an integer is taken as its digits."""

_NAME_PART = "[A-Za-z0-9_][A-Za-z0-9._-]*"
Name = Annotated[str, Field(pattern=rf"^{_NAME_PART}(/{_NAME_PART})*$", max_length=200)]
"""Letters, digits, dot, underscore and hyphen, in parts divided by slashes; at most 200.

No part begins with a dot or a hyphen, so that a name is neither a path out of a folder nor an option of a command.
"""

Version = Annotated[
    str,
    Field(pattern=r"^[^@\s]{1,100}$"),
    AfterValidator(_no_control_characters),
    BeforeValidator(_integer_as_text, json_schema_input_type=str | int),
]
"""At most 100 characters without "@" and white space."""

Whole = Annotated[int, Strict()]
Extent = Annotated[int, Strict(), Field(ge=1, le=1 << 20)]
"""Number of elements along an axis."""

Number = Annotated[float, Strict()]
Positive = Annotated[float, Strict(), Field(gt=0)]
Flag = Annotated[bool, Strict()]
