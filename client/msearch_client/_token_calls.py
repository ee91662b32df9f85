"""The client's calls about bearer tokens."""

from __future__ import annotations

from datetime import datetime

from msearch_client._tokens import NewToken, Role, Token, parse_role
from msearch_client._transport import Transport
from msearch_client._wire import access as wire


class TokenCalls:
    """Create, list and revoke tokens; for admins."""

    _transport: Transport

    def create_token(self, name: str, role: Role | str, *, expires_at: datetime | None = None) -> NewToken:
        """Makes a token. Its secret is in this answer and nowhere else: the service keeps only a hash.

        Args:
            name: for people, unique.
            role: what it allows.
            expires_at: when it ends, None for never; a time without a zone is taken for this machine's.

        Raises:
            LocalError: there is no such role.
            AlreadyExistsError: the name is taken.
            PermissionDeniedError: the caller is no admin.
        """
        # Not repeated after UNAVAILABLE: the first answer may have been lost with its secret.
        request = wire.create_token(name, parse_role(role), expires_at)
        answer = self._transport.call(self._transport.access.CreateToken, request, repeatable=False)
        return wire.new_token_from_proto(answer)

    def list_tokens(self) -> tuple[Token, ...]:
        """All tokens by name, without their secrets.

        Raises:
            PermissionDeniedError: the caller is no admin.
        """
        answer = self._transport.call(self._transport.access.ListTokens, wire.list_tokens())
        return tuple(wire.token_from_proto(item) for item in answer.tokens)

    def revoke_token(self, token: str | Token) -> Token:
        """Revokes a token, by name or id: calls with it are refused from then on.

        Raises:
            NotFoundError: there is no such token.
            PermissionDeniedError: the caller is no admin.
        """
        request = wire.revoke_token(token if isinstance(token, str) else token.id)
        return wire.token_from_proto(self._transport.call(self._transport.access.RevokeToken, request).token)
