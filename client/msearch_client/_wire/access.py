"""Messages of tokens to the client's types, and the requests for them."""

from __future__ import annotations

from datetime import datetime

from msearch.v1 import access_service_pb2 as pb
from msearch_client._tokens import NewToken, Role, Token
from msearch_client._wire.jobs import read_enum
from msearch_client._wire.times import time_from_proto, time_to_proto

ROLE_TO_PROTO: dict[Role, pb.Role.ValueType] = {
    Role.READER: pb.ROLE_READER,
    Role.PUBLISHER: pb.ROLE_PUBLISHER,
    Role.AGENT: pb.ROLE_AGENT,
    Role.ADMIN: pb.ROLE_ADMIN,
}
ROLE_FROM_PROTO = {number: role for role, number in ROLE_TO_PROTO.items()}


def token_from_proto(message: pb.Token) -> Token:
    """A token without its secret."""
    return Token(
        id=message.id,
        name=message.name,
        role=read_enum(message.role, ROLE_FROM_PROTO, "role"),
        created_at=time_from_proto(message.create_time),
        expires_at=time_from_proto(message.expire_time) if message.HasField("expire_time") else None,
        revoked_at=time_from_proto(message.revoke_time) if message.HasField("revoke_time") else None,
    )


def new_token_from_proto(message: pb.CreateTokenResponse) -> NewToken:
    """A token with its secret."""
    return NewToken(token=token_from_proto(message.token), secret=message.secret)


def create_token(name: str, role: Role, expires_at: datetime | None) -> pb.CreateTokenRequest:
    """A new token."""
    end = None if expires_at is None else time_to_proto(expires_at)
    return pb.CreateTokenRequest(name=name, role=ROLE_TO_PROTO[role], expire_time=end)


def list_tokens() -> pb.ListTokensRequest:
    """All tokens."""
    return pb.ListTokensRequest()


def revoke_token(token: str) -> pb.RevokeTokenRequest:
    """A token that is no longer to count."""
    return pb.RevokeTokenRequest(token=token)
