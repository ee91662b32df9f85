"""Arguments that all calls with a target share, collected to be handed on, under the names that the calls have."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypedDict

from msearch_client._catalogue import Filter, Modality
from msearch_client._searching import OrderBy


class ReadingOptions(TypedDict, total=False):
    """How the data is read."""

    modality: Modality | str | None
    column: str | None
    ignore: Collection[str]
    limit_rows: int | None


class TargetOptions(ReadingOptions, total=False):
    """How it is read, which models may take part, and in which order they stand."""

    filter: Filter | None
    order_by: OrderBy
