"""Which objects stand on a page: exact totals and keyset positions by (name, version, id)."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from search_service.domain.catalog import Page
from search_service.storage.session import Session

Position = tuple[str, ...]


def page_keys(
    session: Session,
    table: sa.Table,
    conditions: Sequence[sa.ColumnElement[bool]],
    *,
    after: Position | None,
    size: int,
    key: Sequence[str] = ("name", "version", "id"),
) -> Page[Position]:
    """The keys of the `size` rows that follow `after` and satisfy all conditions, and how many satisfy them at all.

    The key's columns must be unique together and indexed in that order.
    """
    columns = [table.c[name] for name in key]
    total = session.rows(sa.select(sa.func.count()).select_from(table).where(*conditions))[0][0]
    query = sa.select(*columns).where(*conditions).order_by(*columns).limit(size + 1)
    if after is not None:
        query = query.where(sa.tuple_(*columns) > sa.tuple_(*after))
    found = [tuple(row) for row in session.rows(query)]
    taken = tuple(found[:size])
    return Page(taken, total, taken[-1] if len(found) > size else None)
