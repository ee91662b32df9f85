"""Tokens, without their secrets."""

from __future__ import annotations

from datetime import datetime

from msearch.v1 import access_service_pb2 as pb
from search_service.api.wire.enums import ROLE_TO_PROTO
from search_service.api.wire.times import read_time, write_optional_time, write_time
from search_service.domain.access import Token


def write_token(token: Token) -> pb.Token:
    return pb.Token(
        id=token.id,
        name=token.name,
        role=ROLE_TO_PROTO[token.role],
        create_time=write_time(token.created_at),
        expire_time=write_optional_time(token.expires_at),
        revoke_time=write_optional_time(token.revoked_at),
    )


def read_end(message: pb.CreateTokenRequest) -> datetime | None:
    """None where the token never ends. Raises InvalidArgument for a time that is none."""
    return read_time(message.expire_time, "expire_time") if message.HasField("expire_time") else None
