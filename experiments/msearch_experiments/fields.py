"""Types of the fields of a benchmark file: where one value is enough, a list of them makes a grid."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

Item = TypeVar("Item")

MOST_VALUES = 1_000
"""Values of one list."""


class _ValueOrList:
    """Reads a value as the list of it, and says so in the JSON schema."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        of_list = handler(schema)
        return {"anyOf": [of_list["items"], of_list]}


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


OneOrMore: TypeAlias = Annotated[tuple[Item, ...], Field(min_length=1, max_length=MOST_VALUES), _ValueOrList()]
"""One value or a list of them."""

Count = Annotated[int, Strict(), Field(ge=1)]
Positive = Annotated[float, Field(gt=0, strict=True)]
NotNegative = Annotated[float, Field(ge=0, strict=True)]

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""Name of an arrival pattern, of a family, of a quantity."""

Backend = Annotated[
    Word, BeforeValidator(lambda value: "null" if value is None else value, json_schema_input_type=str | None)
]
"""Name of a backend. YAML reads the name of the backend null as no value at all, which is what is meant."""

Mode = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,39}(:[A-Za-z0-9_.,=+-]{1,200})?)?$")]
Device = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,19}(:[0-9]{1,3})?)?$")]
HostClass = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]{0,200}$")]
Server = Annotated[str, Field(pattern=r"^(grpc|http)://[^/\s@]+:[0-9]{1,5}/\S+$", max_length=2000)]
ModelName = Annotated[str, Field(pattern=r"^[^@\s]{1,200}(@[^@\s]{1,100})?$")]
