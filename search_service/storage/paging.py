"""Which objects stand on a page: exact totals and keyset positions, by (name, version, id) or the newest first."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from search_service.domain.catalog import Page
from search_service.domain.errors import InvalidArgument, Reason
from search_service.storage.session import Session

Position = tuple[str, ...]

_MOST_DIGITS = 18  # of a 64-bit number


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


def newest_keys(
    session: Session,
    table: sa.Table,
    conditions: Sequence[sa.ColumnElement[bool]],
    *,
    after: Position | None,
    size: int,
) -> Page[Position]:
    """As `page_keys`, for objects in the order of their numbers, the newest first. A key is the number as text."""
    number = table.c.number
    total = session.rows(sa.select(sa.func.count()).select_from(table).where(*conditions))[0][0]
    query = sa.select(number).where(*conditions).order_by(number.desc()).limit(size + 1)
    if after is not None:
        query = query.where(number < number_in(after))
    found = [(str(row[0]),) for row in session.rows(query)]
    taken = tuple(found[:size])
    return Page(taken, total, taken[-1] if len(found) > size else None)


def number_in(position: Position) -> int:
    """The number of a position that a page began or ended with. Raises InvalidArgument (INVALID_PAGE_TOKEN)."""
    text = position[0]
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise InvalidArgument(
            "page_token: not a token of this request; take it from the page before", Reason.INVALID_PAGE_TOKEN
        )
    return int(text)
