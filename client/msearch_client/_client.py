"""The client: one object, every call a method."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import grpc

from msearch_client._models import ModelCalls
from msearch_client._searching import SearchCalls
from msearch_client._settings import read_settings
from msearch_client._transport import Transport


class Client(SearchCalls, ModelCalls, AbstractContextManager["Client"]):
    """A connection to a search service, safe to share between threads.

    Used as a context manager, or closed with `close()`:

        with Client("localhost:50051") as client:
            print(client.search("sample.parquet"))

    Reads are repeated after UNAVAILABLE, and so are writes, whose request id makes that safe; nothing else is, and
    nothing beyond its deadline.

    Args:
        server: "host:port"; None takes MSEARCH_SERVER, then `server` of the config file, then localhost:50051.
        timeout_s: deadline of a call over all its attempts; None takes MSEARCH_TIMEOUT_S, then the config file, then
            30. An upload or download has 1 s a MiB more.
        retries: how often a call is repeated at most.
        channel_options: gRPC channel options that replace the client's own.
        channel: a channel to use instead of opening one, say with TLS; it stays open when the client closes.

    Raises:
        LocalError: a setting is wrong.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        timeout_s: float | None = None,
        retries: int = 3,
        channel_options: Mapping[str, Any] | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        settings = read_settings(server, timeout_s)
        self._transport = Transport(
            settings.server.value,
            timeout_s=settings.timeout_s.value,
            retries=retries,
            channel_options=channel_options,
            channel=channel,
        )

    @property
    def server(self) -> str:
        """The address of the service."""
        return self._transport.server

    def close(self) -> None:
        """Closes the connection; calls in flight are cancelled."""
        self._transport.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.server!r})"
