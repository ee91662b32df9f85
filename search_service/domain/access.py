"""Tokens and what their roles allow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a token allows; the meaning of each is in access_service.proto."""

    READER = "reader"
    PUBLISHER = "publisher"
    AGENT = "agent"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token. Only the SHA-256 of its secret is known.

    A plain hash is right here: a secret is 256 bits of chance, so there is nothing to guess that a slow, salted hash
    would protect, and a fast one lets every call look its token up by an index.
    """

    id: str
    name: str
    role: Role
    secret_digest: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether calls with it are accepted at that time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a call, by the token it carries."""

    token_id: str
    name: str
    role: Role
