"""The client: one object, every call a method."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import grpc

from msearch_client._agent_calls import AgentCalls
from msearch_client._analysis_calls import AnalysisCalls
from msearch_client._channels import Security
from msearch_client._drifting import DriftCalls
from msearch_client._ensembling import EnsembleCalls
from msearch_client._experiment_calls import ExperimentCalls
from msearch_client._exporting import ExportCalls
from msearch_client._labelling_calls import LabellingCalls
from msearch_client._recommending import RecommendCalls
from msearch_client._settings import read_settings
from msearch_client._token_calls import TokenCalls
from msearch_client._transport import Transport
from msearch_client._validating import ValidationCalls


class Client(
    RecommendCalls,
    ValidationCalls,
    ExportCalls,
    AnalysisCalls,
    DriftCalls,
    LabellingCalls,
    EnsembleCalls,
    AgentCalls,
    ExperimentCalls,
    TokenCalls,
    AbstractContextManager["Client"],
):
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
        channel: a channel to use instead of opening one; it stays open when the client closes. Whether a token may
            travel on it is then the caller's judgement.
        tls: whether to use TLS; None takes MSEARCH_TLS, then `tls` of the config file, then whether a file for TLS is
            named.
        ca: PEM file with the authorities to trust (MSEARCH_TLS_CA, `tls_ca`); None trusts those that gRPC trusts.
        cert: PEM file with the certificate to show, for mutual TLS (MSEARCH_TLS_CERT, `tls_cert`).
        key: PEM file with its private key (MSEARCH_TLS_KEY, `tls_key`).
        token: bearer token (MSEARCH_TOKEN, `token`).
        insecure: send the token without TLS to another machine too (MSEARCH_INSECURE, `insecure`).

    Raises:
        LocalError: a setting is wrong, or the token would travel unprotected.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        timeout_s: float | None = None,
        retries: int = 3,
        channel_options: Mapping[str, Any] | None = None,
        channel: grpc.Channel | None = None,
        tls: bool | None = None,
        ca: str | os.PathLike[str] | None = None,
        cert: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
        token: str | None = None,
        insecure: bool | None = None,
    ) -> None:
        settings = read_settings(server, timeout_s, tls=tls, ca=ca, cert=cert, key=key, token=token, insecure=insecure)
        self._transport = Transport(
            settings.server.value,
            timeout_s=settings.timeout_s.value,
            retries=retries,
            channel_options=channel_options,
            channel=channel,
            security=Security(
                tls=settings.tls.value,
                ca=settings.tls_ca.value,
                cert=settings.tls_cert.value,
                key=settings.tls_key.value,
                token=settings.token.value,
                insecure=settings.insecure.value,
            ),
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
