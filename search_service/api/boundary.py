"""What happens around every call: a request id, and errors that become statuses. The servicers know of neither."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NoReturn

import grpc
import structlog
from structlog.contextvars import bound_contextvars

from search_service.api.errors import defect, refusal
from search_service.api.wrapping import Answer, AnswerStream, Wrapping
from search_service.domain.errors import DomainError

REQUEST_ID_KEY = "x-request-id"
_LONGEST_REQUEST_ID = 128

_log = structlog.get_logger()


class Boundary(Wrapping):
    """Wraps the methods of services whose full names begin with `prefix`."""

    def __init__(self, prefix: str = "/msearch.") -> None:
        super().__init__()
        self._prefix = prefix

    def wraps(self, method: str) -> bool:
        return method.startswith(self._prefix)

    def around(self, behaviour: Answer, method: str) -> Answer:
        name = name_of(method)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            request_id = find_request_id(context)
            with bound_contextvars(request_id=request_id):
                try:
                    return behaviour(request, context)
                except Exception as error:  # noqa: BLE001 - the boundary: nothing may pass it unmapped
                    end_call(context, error, name, request_id)

        return answer

    def around_stream(self, behaviour: AnswerStream, method: str) -> AnswerStream:
        name = name_of(method)

        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            request_id = find_request_id(context)
            with bound_contextvars(request_id=request_id):
                try:
                    yield from behaviour(request, context)
                except Exception as error:  # noqa: BLE001 - as above
                    end_call(context, error, name, request_id)

        return answer


def name_of(method: str) -> str:
    """The last part of a full name: "Search" of "/msearch.v1.SearchService/Search"."""
    return method.rpartition("/")[2]


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
