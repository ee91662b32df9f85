"""The agent's connection to the service: TLS, token, deadlines, backoff, and what an error means."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from msearch.v1.agent_service_pb2_grpc import AgentServiceStub
from profiler_agent.settings import Settings, SettingsError, TlsFiles

CALL_TIMEOUT_S = 15.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
LOOPBACK = ("localhost:", "127.", "[::1]:", "unix:")

_LARGEST_MESSAGE_BYTES = 64 << 20
_LOST_REASONS = frozenset({"LEASE_LOST", "JOB_NOT_FOUND", "AGENT_NOT_FOUND"})
_TRANSIENT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)


class Connection:
    """One channel with the agent's stub. Safe to share between threads."""

    def __init__(self, settings: Settings, *, insecure_token: bool = False) -> None:
        """Raises SettingsError: a PEM file cannot be read, or a token would travel unprotected."""
        options = [
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE_BYTES),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 10_000),
        ]
        self._metadata = [("authorization", f"Bearer {settings.token}")] if settings.token else []
        if settings.tls is not None:
            self._channel = grpc.secure_channel(settings.server, _credentials(settings.tls), options)
        else:
            if settings.token and not (insecure_token or settings.server.startswith(LOOPBACK)):
                raise SettingsError(
                    f"the token would travel to {settings.server} unprotected: use --tls, or say --insecure-token if a "
                    "trusted network is all around"
                )
            self._channel = grpc.insecure_channel(settings.server, options)
        self.stub = AgentServiceStub(self._channel)

    def call(self, method: Any, request: Any, *, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """One call. Raises grpc.RpcError."""
        return method(request, timeout=timeout_s, metadata=self._metadata)

    def begin(self, method: Any, request: Any, *, timeout_s: float) -> Any:
        """One call that can be cancelled: a future."""
        return method.future(request, timeout=timeout_s, metadata=self._metadata)

    def close(self) -> None:
        """Ends the channel; calls in flight are cancelled."""
        self._channel.close()


class Backoff:
    """Pauses that grow from 0.2 s to 30 s, with chance, so that many agents don't come back at once."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._pauses = _pauses()

    def wait(self) -> None:
        """The next pause; shorter if the agent is to stop."""
        self._stopping.wait(next(self._pauses))

    def reset(self) -> None:
        """After a success."""
        self._pauses = _pauses()


def lease_is_lost(error: grpc.RpcError) -> bool:
    """Whether a call about a job was refused because the job is no longer the caller's.

    By the reason: a sample that was deleted meanwhile is NOT_FOUND too, and no loss.
    """
    return reason_of(error) in _LOST_REASONS


def is_transient(error: grpc.RpcError) -> bool:
    """Whether the same call may succeed later."""
    return _code(error) in _TRANSIENT


def is_defect(error: grpc.RpcError) -> bool:
    """Whether the service answered, with a failure of its own that repeating may not mend."""
    return _code(error) in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


def reason_of(error: grpc.RpcError) -> str:
    """The machine-readable reason (error_reason.proto), or ""."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return ""  # the details contradict the status: some proxy rewrote it
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def describe(error: grpc.RpcError) -> str:
    """The error for a log line."""
    return f"{_code(error).name}: {error.details()}"


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    code: grpc.StatusCode = error.code()
    return code


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE_S
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    def read(path: Path | None) -> bytes | None:
        try:
            return None if path is None else path.read_bytes()
        except OSError as error:
            raise SettingsError(f"the TLS file {path} cannot be read: {error.strerror}") from error

    return grpc.ssl_channel_credentials(
        root_certificates=read(files.authority),
        private_key=read(files.key),
        certificate_chain=read(files.certificate),
    )
