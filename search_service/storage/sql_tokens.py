"""Bearer tokens in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from search_service.domain.access import Token
from search_service.storage import refusals
from search_service.storage.profiling_rows import token_of, token_values
from search_service.storage.profiling_tables import tokens
from search_service.storage.session import Session

_ALL = sa.select(tokens).order_by(tokens.c.name)
_BY_ID = sa.select(tokens).where(tokens.c.id == sa.bindparam("token_id"))
_BY_NAME = sa.select(tokens).where(tokens.c.name == sa.bindparam("token_name"))
_BY_DIGEST = sa.select(tokens).where(tokens.c.secret_digest == sa.bindparam("digest"))
_REVOKE = (
    sa.update(tokens)
    .where(tokens.c.id == sa.bindparam("token_id"))
    .values(revoked_at=sa.func.coalesce(tokens.c.revoked_at, sa.bindparam("at", type_=tokens.c.revoked_at.type)))
)


class SqlTokens:
    """The tokens as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token: Token) -> None:
        if self._session.insert_new(tokens, token_values(token)) is None:
            raise refusals.only_name_taken("token", token.name)

    def get(self, token_id: str) -> Token:
        found = self._session.rows(_BY_ID, {"token_id": token_id})
        if not found:
            raise refusals.token_not_found(token_id)
        return token_of(found[0])

    def find(self, name: str) -> Token:
        found = self._session.rows(_BY_NAME, {"token_name": name})
        if not found:
            raise refusals.token_not_found(name)
        return token_of(found[0])

    def by_digest(self, secret_digest: str) -> Token | None:
        found = self._session.rows(_BY_DIGEST, {"digest": secret_digest})
        return token_of(found[0]) if found else None

    def all(self) -> Sequence[Token]:
        return [token_of(row) for row in self._session.rows(_ALL)]

    def revoke(self, token_id: str, at: datetime) -> None:
        if not self._session.write(_REVOKE, {"token_id": token_id, "at": at}):
            raise refusals.token_not_found(token_id)
