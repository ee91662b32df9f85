"""What all results have in common: they are values, and they turn into JSON or a data frame."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from msearch_client._errors import LocalError

if TYPE_CHECKING:
    import pandas as pd


class Record:
    """Base of the frozen dataclasses that calls return."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values: times in ISO 8601, tuples as lists."""
        return {field.name: to_json(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]


def to_json(value: Any) -> Any:
    """JSON values for a field of a record."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def to_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A data frame with one row a dictionary.

    Raises:
        LocalError: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise LocalError("to_pandas() needs pandas", hint="run `pip install pandas`, or use to_dicts()") from None
    return pd.DataFrame(rows)
