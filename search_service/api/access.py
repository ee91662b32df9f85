"""The servicer of tokens."""

from __future__ import annotations

import grpc
import structlog

from msearch.v1 import access_service_pb2 as pb
from msearch.v1 import access_service_pb2_grpc
from search_service.api.authentication import Tokens
from search_service.api.wire.access import read_end, write_token
from search_service.api.wire.enums import read_role
from search_service.usecases import tokens as usecases
from search_service.usecases.fields import invalid

_log = structlog.get_logger()


class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """See access_service.proto; method by method. `remembered` is told of each change."""

    def __init__(self, access: usecases.Access, remembered: Tokens) -> None:
        self._access = access
        self._remembered = remembered

    def CreateToken(self, request: pb.CreateTokenRequest, context: grpc.ServicerContext) -> pb.CreateTokenResponse:
        role = read_role(request.role, "role")
        token, secret = usecases.create_token(self._access, request.name, role, read_end(request))
        self._remembered.forget()
        _log.info("token_created", id=token.id, name=token.name, role=token.role.value)
        return pb.CreateTokenResponse(token=write_token(token), secret=secret)

    def ListTokens(self, request: pb.ListTokensRequest, context: grpc.ServicerContext) -> pb.ListTokensResponse:
        return pb.ListTokensResponse(tokens=[write_token(token) for token in usecases.list_tokens(self._access)])

    def RevokeToken(self, request: pb.RevokeTokenRequest, context: grpc.ServicerContext) -> pb.RevokeTokenResponse:
        if not request.token:
            raise invalid("token", "must hold the id or the name of a token")
        token = usecases.revoke_token(self._access, request.token)
        self._remembered.forget()
        _log.info("token_revoked", id=token.id, name=token.name)
        return pb.RevokeTokenResponse(token=write_token(token))
