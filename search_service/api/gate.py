"""The gate before every call: who calls, and may they? The servicers find the answer in `present_caller`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import grpc
from structlog.contextvars import bound_contextvars

from search_service.api.authentication import NOBODY, Tokens, acting_for
from search_service.api.boundary import end_call, find_request_id
from search_service.api.permissions import OPEN, allows, roles_allowed
from search_service.domain.access import Caller
from search_service.domain.errors import PermissionDenied

AUTHORIZATION_KEY = "authorization"

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stubs only


class Gate(grpc.ServerInterceptor):
    """Lets a call pass whose token allows it; stands outside of everything else, whatever the service.

    The check runs in the call's own thread: interceptors run in the one thread that hands out calls, which must not
    wait for a database.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._wrapped: dict[str, _Handler] = {}

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], _Handler | None], details: grpc.HandlerCallDetails
    ) -> _Handler | None:
        wrapped = self._wrapped.get(details.method)
        if wrapped is not None:
            return wrapped
        handler = continuation(details)
        if handler is None or details.method.startswith(OPEN):
            return handler
        wrapped = self._wrapped[details.method] = self._wrap(handler, details.method)
        return wrapped

    def _wrap(self, handler: _Handler, method: str) -> _Handler:
        serializers = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._once(handler.unary_unary, method), *serializers)
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self._once(handler.stream_unary, method), *serializers)
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._stream(handler.unary_stream, method), *serializers)
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(self._stream(handler.stream_stream, method), *serializers)
        raise TypeError(f"{method} has no behaviour")

    def _once(self, behaviour: Callable[[Any, Any], Any], method: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            caller = self._admit(context, method)
            if caller is NOBODY:
                return behaviour(request, context)
            with acting_for(caller), bound_contextvars(caller=caller.name):
                return behaviour(request, context)

        return answer

    def _stream(
        self, behaviour: Callable[[Any, Any], Iterator[Any]], method: str
    ) -> Callable[[Any, grpc.ServicerContext], Iterator[Any]]:
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
                    f"the token {caller.name!r} has the role {caller.role.value}, and {method.rpartition('/')[2]} "
                    f"needs {roles}: use another token"
                )
            return caller
        except Exception as error:  # noqa: BLE001 - nothing may pass unmapped, and nobody may pass on a failure
            request_id = find_request_id(context)
            with bound_contextvars(request_id=request_id):
                end_call(context, error, method.rpartition("/")[2], request_id)
