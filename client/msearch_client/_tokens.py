"""Bearer tokens: who may do what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from msearch_client._errors import LocalError
from msearch_client._records import Record


class Role(StrEnum):
    """What a token allows.

    A reader searches and reads; a publisher also registers, changes and deletes, and submits jobs; an agent makes
    agent calls about its own leases and nothing else; an admin does everything.
    """

    READER = "reader"
    PUBLISHER = "publisher"
    AGENT = "agent"
    ADMIN = "admin"


def parse_role(text: str) -> Role:
    """The role of that name.

    Raises:
        LocalError: there is no such role.
    """
    try:
        return Role(text.lower())
    except ValueError:
        raise LocalError(f"role {text!r} is unknown", hint=f"known: {', '.join(Role)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Record):
    """A token without its secret. `expires_at` is None if it never ends, `revoked_at` if it was not revoked."""

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken(Record):
    """A token that was just made, with its secret: what callers send, shown this once. Its repr leaves it out."""

    token: Token
    secret: str = field(repr=False)
