"""The gate before every call: who calls, and may they? The servicers find the answer in `present_caller`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from structlog.contextvars import bound_contextvars

from search_service.api.authentication import NOBODY, Tokens, acting_for
from search_service.api.boundary import end_call, find_request_id, name_of
from search_service.api.permissions import OPEN, allows, roles_allowed
from search_service.api.wrapping import Answer, AnswerStream, Wrapping
from search_service.domain.access import Caller
from search_service.domain.errors import PermissionDenied

AUTHORIZATION_KEY = "authorization"


class Gate(Wrapping):
    """Lets a call pass whose token allows it; stands outside of everything else, whatever the service.

    The check runs in the call's own thread: interceptors run in the one thread that hands out calls, which must not
    wait for a database.
    """

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens

    def wraps(self, method: str) -> bool:
        return not method.startswith(OPEN)

    def around(self, behaviour: Answer, method: str) -> Answer:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            caller = self._admit(context, method)
            if caller is NOBODY:
                return behaviour(request, context)
            with acting_for(caller), bound_contextvars(caller=caller.name):
                return behaviour(request, context)

        return answer

    def around_stream(self, behaviour: AnswerStream, method: str) -> AnswerStream:
        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            caller = self._admit(context, method)
            with acting_for(caller), bound_contextvars(caller=caller.name):
                yield from behaviour(request, context)

        return answer

    def _admit(self, context: grpc.ServicerContext, method: str) -> Caller:
        """The caller, who may make this call; otherwise ends the call."""
        try:
            if not self._tokens.required():
                return NOBODY
            values = [value for key, value in context.invocation_metadata() if key == AUTHORIZATION_KEY]
            caller = self._tokens.identify([value for value in values if isinstance(value, str)])
            if not allows(caller.role, method):
                roles = " or ".join(role.value for role in roles_allowed(method))
                raise PermissionDenied(
                    f"the token {caller.name!r} has the role {caller.role.value}, and {name_of(method)} needs "
                    f"{roles}: use another token"
                )
            return caller
        except Exception as error:  # noqa: BLE001 - nothing may pass unmapped, and nobody may pass on a failure
            request_id = find_request_id(context)
            with bound_contextvars(request_id=request_id):
                end_call(context, error, name_of(method), request_id)
