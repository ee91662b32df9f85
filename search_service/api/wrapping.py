"""An interceptor that puts something around the behaviour of methods, in the thread of each call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import grpc

Answer: TypeAlias = Callable[[Any, grpc.ServicerContext], Any]
"""Takes a request, or an iterator of requests, and gives the one response."""

AnswerStream: TypeAlias = Callable[[Any, grpc.ServicerContext], Iterator[Any]]
"""Takes a request, or an iterator of requests, and gives responses."""

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stubs only


class Wrapping(grpc.ServerInterceptor, ABC):
    """Wraps each method once, when it is called for the first time."""

    def __init__(self) -> None:
        self._wrapped: dict[str, _Handler] = {}

    @abstractmethod
    def wraps(self, method: str) -> bool:
        """Whether the method of that full name is to be wrapped."""

    @abstractmethod
    def around(self, behaviour: Answer, method: str) -> Answer:
        """What stands in for a behaviour with one response."""

    @abstractmethod
    def around_stream(self, behaviour: AnswerStream, method: str) -> AnswerStream:
        """What stands in for a behaviour with a stream of responses."""

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], _Handler | None], details: grpc.HandlerCallDetails
    ) -> _Handler | None:
        wrapped = self._wrapped.get(details.method)
        if wrapped is not None:
            return wrapped
        handler = continuation(details)
        if handler is None or not self.wraps(details.method):
            return handler
        wrapped = self._wrapped[details.method] = self._wrap(handler, details.method)
        return wrapped

    def _wrap(self, handler: _Handler, method: str) -> _Handler:
        serializers = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self.around(handler.unary_unary, method), *serializers)
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self.around(handler.stream_unary, method), *serializers)
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self.around_stream(handler.unary_stream, method), *serializers)
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self.around_stream(handler.stream_stream, method), *serializers
            )
        raise TypeError(f"{method} has no behaviour")
