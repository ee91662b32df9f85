"""Use cases of bearer tokens: create, list, revoke, and who makes a call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from search_service.domain.access import Caller, Role, Token
from search_service.domain.errors import NotFound, Unauthenticated
from search_service.domain.ports import Clock, Database, NewId
from search_service.usecases.fields import check_name, invalid

LONGEST_SECRET = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The collaborators of these use cases. `new_secret` gives 256 bits of chance as text."""

    database: Database
    clock: Clock
    new_id: NewId
    new_secret: Callable[[], str]


def create_token(access: Access, name: str, role: Role, expires_at: datetime | None = None) -> tuple[Token, str]:
    """A new token and its secret, which is not kept.

    Raises:
        InvalidArgument: the name is unfit, or the end has passed.
        AlreadyExists: NAME_TAKEN.
    """
    check_name("name", name)
    now = access.clock()
    if expires_at is not None and expires_at <= now:
        raise invalid("expire_time", "must be in the future")
    secret = f"msearch_{access.new_secret()}"
    token = Token(
        id=access.new_id("tok"),
        name=name,
        role=role,
        secret_digest=digest_secret(secret),
        created_at=now,
        expires_at=expires_at,
    )
    with access.database.begin() as unit:
        unit.tokens.add(token)
        unit.commit()
    return token, secret


def list_tokens(access: Access) -> Sequence[Token]:
    """All tokens, by name."""
    with access.database.begin() as unit:
        return unit.tokens.all()


def revoke_token(access: Access, named: str) -> Token:
    """Refuses calls with the token of that id or name from now on; harmless when repeated. Raises NotFound."""
    with access.database.begin() as unit:
        try:
            token = unit.tokens.get(named)
        except NotFound:
            token = unit.tokens.find(named)
        unit.tokens.revoke(token.id, access.clock())
        token = unit.tokens.get(token.id)
        unit.commit()
    return token


def authenticate(access: Access, secret: str) -> Caller:
    """Who calls with that secret.

    Raises:
        Unauthenticated: no token has it, or the token was revoked or is past its end.
    """
    # One message for all three: an unknown caller learns nothing about tokens.
    refusal = Unauthenticated("the token is unknown, revoked or past its end: ask an admin for another one")
    if not 0 < len(secret) <= LONGEST_SECRET:
        raise refusal
    with access.database.begin() as unit:
        token = unit.tokens.by_digest(digest_secret(secret))
    if token is None or not token.holds(access.clock()):
        raise refusal
    return Caller(token_id=token.id, name=token.name, role=token.role)


def digest_secret(secret: str) -> str:
    """The SHA-256 of a secret in hexadecimal digits; see `domain.access.Token` for why it is a plain one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
