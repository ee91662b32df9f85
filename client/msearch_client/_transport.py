"""One channel to the service: deadlines on every call, retries where they are safe, errors as exceptions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import count
from types import TracebackType
from typing import Any, TypeVar

import grpc

from msearch.v1.access_service_pb2_grpc import AccessServiceStub
from msearch.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from msearch.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from msearch.v1.profiling_service_pb2_grpc import ProfilingServiceStub
from msearch.v1.registry_service_pb2_grpc import RegistryServiceStub
from msearch.v1.search_service_pb2_grpc import SearchServiceStub
from msearch_client._channels import UNPROTECTED, Security, check_token, open_channel
from msearch_client._errors import CancelledError, LocalError
from msearch_client._status import to_error

Response = TypeVar("Response")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
SLOWEST_TRANSFER_BYTES_PER_S = 1 << 20
LONGEST_STREAM_S = 600.0
# How a stream ends when the service stops under it.
BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class Transport(AbstractContextManager["Transport"]):
    """A channel to one service. Safe to share between threads.

    `pause` and `chance` are what the waits between attempts use; tests replace them.
    """

    def __init__(
        self,
        server: str,
        *,
        timeout_s: float,
        retries: int,
        channel_options: Mapping[str, Any] | None = None,
        channel: grpc.Channel | None = None,
        security: Security = UNPROTECTED,
        pause: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if not timeout_s > 0:
            raise LocalError(f"the timeout must be above 0 seconds, not {timeout_s!r}")
        if retries < 0:
            raise LocalError(f"the number of retries must be 0 or more, not {retries!r}")
        self.server = server
        self.timeout_s = timeout_s
        self._retries = retries
        self._pause = pause
        self._chance = chance
        self._owns_channel = channel is None
        check_token(security.token)
        self._channel = channel or open_channel(server, channel_options or {}, security)
        self._metadata = (("authorization", f"Bearer {security.token}"),) if security.token else ()
        self.registry = RegistryServiceStub(self._channel)
        self.search = SearchServiceStub(self._channel)
        self.profiling = ProfilingServiceStub(self._channel)
        self.evaluation = EvaluationServiceStub(self._channel)
        self.access = AccessServiceStub(self._channel)
        self.benchmarks = BenchmarkServiceStub(self._channel)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel, unless it was handed in; calls in flight are cancelled."""
        if self._owns_channel:
            self._channel.close()

    def call(self, method: Any, request: Any, *, repeatable: bool = True, timeout_s: float | None = None) -> Any:
        """Calls `method` with one message and returns the answer.

        Args:
            method: a method of one of the stubs that takes one message.
            request: that message.
            repeatable: whether it may be sent again after UNAVAILABLE: a read, or a write with a request id.
            timeout_s: for all attempts together; None takes the transport's own.

        Raises:
            ApiError: the call failed.
        """
        return self._attempt(
            lambda left_s: _wait(method.future(request, timeout=left_s, metadata=self._metadata)), repeatable, timeout_s
        )

    def send(
        self, method: Any, messages: Callable[[], Iterator[Any]], *, repeatable: bool, timeout_s: float | None = None
    ) -> Any:
        """As `call`, for a method that takes a stream. `messages` is called once an attempt.

        Raises:
            ApiError: the call failed. What `messages` raises comes out as it is.
        """

        def once(left_s: float) -> Any:
            outgoing = _Outgoing(messages())
            try:
                answer = _wait(method.future(outgoing, timeout=left_s, metadata=self._metadata))
            except grpc.RpcError:
                outgoing.raise_problem()
                raise
            outgoing.raise_problem()
            return answer

        return self._attempt(once, repeatable, timeout_s)

    def receive(
        self,
        method: Any,
        request: Any,
        consume: Callable[[Iterator[Any]], Response],
        *,
        timeout_s: float | None = None,
    ) -> Response:
        """As `call`, for a method that answers with a stream. `consume` reads one attempt's stream from its beginning.

        Raises:
            ApiError: the call failed. What `consume` raises comes out as it is.
        """

        def once(left_s: float) -> Response:
            stream = method(request, timeout=left_s, metadata=self._metadata)
            try:
                return consume(stream)
            finally:
                stream.cancel()

        return self._attempt(once, True, timeout_s)

    def follow(self, method: Any, request: Any, *, patience_s: float | None = None) -> Iterator[Any]:
        """Yields the messages of a stream that begins with the present state, opening it again whenever it breaks.

        Args:
            method: a method of one of the stubs that answers with a stream.
            request: what it takes.
            patience_s: how long the service may be unavailable before this gives up; None takes the transport's
                timeout.

        Raises:
            ApiError: the call failed, or the service was unavailable for too long.
        """
        patience_s = self.timeout_s if patience_s is None else patience_s
        broken_since: float | None = None
        attempt = 0
        while True:
            stream = None
            try:
                stream = method(request, timeout=LONGEST_STREAM_S, metadata=self._metadata)
                for message in stream:
                    broken_since, attempt = None, 0
                    yield message
                return
            except grpc.RpcError as failure:
                if failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    continue  # nothing changed for a long time; look again
                broken_since = time.monotonic() if broken_since is None else broken_since
                pause_s = _pause_s(attempt, self._chance())
                spent_s = time.monotonic() - broken_since
                if failure.code() not in BROKEN or spent_s + pause_s > patience_s:
                    raise to_error(failure, self.server, patience_s) from failure
                attempt += 1
                self._pause(pause_s)
            except ValueError as error:
                raise _closed(error) from None
            finally:
                if stream is not None:
                    stream.cancel()

    def transfer_timeout_s(self, size_bytes: int) -> float:
        """Time to allow for a call that moves `size_bytes`: the usual timeout and 1 s a MiB."""
        return self.timeout_s + size_bytes / SLOWEST_TRANSFER_BYTES_PER_S

    def _attempt(self, once: Callable[[float], Response], repeatable: bool, timeout_s: float | None) -> Response:
        budget_s = self.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + budget_s
        for attempt in count():
            try:
                return once(max(deadline - time.monotonic(), 0.001))
            except grpc.FutureCancelledError:
                raise CancelledError(f"the call to {self.server} was cancelled") from None
            except grpc.RpcError as failure:
                pause_s = _pause_s(attempt, self._chance())
                retry = repeatable and attempt < self._retries and failure.code() is grpc.StatusCode.UNAVAILABLE
                if not retry or time.monotonic() + pause_s >= deadline:
                    raise to_error(failure, self.server, budget_s) from failure
                self._pause(pause_s)
            except ValueError as error:
                raise _closed(error) from None
        raise AssertionError("count() never ends")


class _Outgoing(Iterator[Any]):
    """A stream of requests that ends early where making one fails, and keeps the problem for the caller.

    grpc iterates in a thread of its own; an exception there would be logged and lost.
    """

    def __init__(self, messages: Iterator[Any]) -> None:
        self._messages = messages
        self._problem: Exception | None = None

    def __next__(self) -> Any:
        try:
            return next(self._messages)
        except StopIteration:
            raise
        except Exception as problem:  # noqa: BLE001 - raised again in the caller's thread
            self._problem = problem
            raise StopIteration from None

    def raise_problem(self) -> None:
        """Raises what went wrong while the messages were made, if anything did."""
        if self._problem is not None:
            raise self._problem


def _wait(call: Any) -> Any:
    """The answer. An interrupt (Ctrl-C) cancels the call, so that the service stops working for nobody."""
    try:
        return call.result()
    except BaseException:
        call.cancel()
        raise


def _pause_s(attempt: int, chance: float) -> float:
    """Exponential backoff with jitter: attempt n waits 0.2 * 2**n seconds, at most 5, times 0.5 to 1.5."""
    return min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S) * (0.5 + chance)


def _closed(error: ValueError) -> Exception:
    """What grpc means when it was called on a channel that was closed before, or the error itself."""
    if "closed" not in str(error).lower():
        return error
    return LocalError("the client is closed", hint="open a new Client; one is used inside `with`")
