"""What happens around every call: a request id, and errors that become statuses. The servicers know of neither."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeAlias

import grpc
import structlog
from structlog.contextvars import bound_contextvars

from search_service.api.errors import defect, refusal
from search_service.domain.errors import DomainError

REQUEST_ID_KEY = "x-request-id"
_LONGEST_REQUEST_ID = 128

_log = structlog.get_logger()

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stubs only


class Boundary(grpc.ServerInterceptor):
    """Wraps the methods of services whose full names begin with `prefix`."""

    def __init__(self, prefix: str = "/msearch.") -> None:
        self._prefix = prefix
        self._wrapped: dict[str, _Handler] = {}

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], _Handler | None], details: grpc.HandlerCallDetails
    ) -> _Handler | None:
        wrapped = self._wrapped.get(details.method)
        if wrapped is not None:
            return wrapped
        handler = continuation(details)
        if handler is None or not details.method.startswith(self._prefix):
            return handler
        wrapped = self._wrapped[details.method] = _wrap(handler, details.method.rpartition("/")[2])
        return wrapped


def _wrap(handler: _Handler, method: str) -> _Handler:
    serializers = (handler.request_deserializer, handler.response_serializer)
    if handler.stream_unary is not None:
        return grpc.stream_unary_rpc_method_handler(_answer_once(handler.stream_unary, method), *serializers)
    if handler.unary_stream is not None:
        return grpc.unary_stream_rpc_method_handler(_answer_stream(handler.unary_stream, method), *serializers)
    if handler.unary_unary is not None:
        return grpc.unary_unary_rpc_method_handler(_answer_once(handler.unary_unary, method), *serializers)
    raise TypeError(f"{method} streams both ways, which no method of msearch does")


def _answer_once(behaviour: Callable[[Any, Any], Any], method: str) -> Callable[[Any, grpc.ServicerContext], Any]:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        request_id = find_request_id(context)
        with bound_contextvars(request_id=request_id):
            try:
                return behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - the boundary: nothing may pass it unmapped
                end_call(context, error, method, request_id)

    return answer


def _answer_stream(
    behaviour: Callable[[Any, Any], Iterator[Any]], method: str
) -> Callable[[Any, grpc.ServicerContext], Iterator[Any]]:
    def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        request_id = find_request_id(context)
        with bound_contextvars(request_id=request_id):
            try:
                yield from behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - as above
                end_call(context, error, method, request_id)

    return answer


def end_call(context: grpc.ServicerContext, error: Exception, method: str, request_id: str) -> NoReturn:
    """Ends the call with the status of that error; always raises."""
    if not context.is_active():
        # The caller has gone (cancelled, or its deadline passed): the error is a consequence, and nobody listens.
        _log.info("call_cancelled", method=method)
        context.abort(grpc.StatusCode.CANCELLED, "the call was cancelled")
    if isinstance(error, DomainError):
        _log.info("call_refused", method=method, reason=error.reason.value, message=error.message)
        context.abort_with_status(refusal(error, request_id))
    _log.error("call_failed", method=method, exc_info=error)
    context.abort_with_status(defect(request_id))


def find_request_id(context: grpc.ServicerContext) -> str:
    """The caller's, where it is fit for a log line, or a fresh one."""
    for key, value in context.invocation_metadata():
        if key == REQUEST_ID_KEY and isinstance(value, str) and 0 < len(value) <= _LONGEST_REQUEST_ID:
            if value.isascii() and value.isprintable():
                return value
            break
    return secrets.token_hex(8)
