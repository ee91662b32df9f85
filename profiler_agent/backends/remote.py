"""A model on a running server that speaks the Open Inference Protocol, version 2 (docs/remote-servers.md).

Triton, KServe, MLServer and OpenVINO Model Server do, over gRPC ("grpc://HOST:PORT/MODEL") and over HTTP
("http://HOST:PORT/MODEL"). Load goes to loopback unless the owner of the agent allows a host (`check_target`). What is
measured is the server with the way to it and back: encoding and decoding the tensors count.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.backends._feeds import check_feed
from profiler_agent.backends._remote_connection import Connection, RemoteModelFacts
from profiler_agent.backends._remote_target import Target, allowed_by_environment, check_target
from profiler_agent.backends.base import CompiledModel, CompileFacts, CompileRequest, Feed, Probe
from profiler_agent.errors import BackendUnavailable, WrongOutput
from profiler_agent.work import Precision

__all__ = ["BACKEND", "RemoteModel", "check_target"]


class RemoteModel:
    """One connection to one model on a server."""

    def __init__(self, connection: Connection, described: RemoteModelFacts, facts: CompileFacts) -> None:
        self._connection = connection
        self.inputs = tuple(tensor.spec() for tensor in described.inputs)
        self.outputs = tuple(tensor.spec() for tensor in described.outputs)
        self.facts = facts

    def run(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        """Sends the tensors, waits for the answer. A server that declares no inputs gets the feed as it is."""
        if self.inputs:
            check_feed(feed, self.inputs)
        outputs = self._connection.infer(feed)
        missing = [spec.name for spec in self.outputs if spec.name not in outputs]
        if missing:
            raise WrongOutput(f"the answer lacks the output {', '.join(map(repr, missing))}")
        return outputs

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


class RemoteBackend:
    """See the module."""

    name = "remote"
    formats: tuple[str, ...] = ()

    def probe(self) -> Probe:
        """Always available; whether a target answers is known once a job names it."""
        allowed = ", ".join(("loopback", *allowed_by_environment()))
        try:
            import grpc  # noqa: PLC0415
        except ImportError as error:
            return Probe(available=False, detail=f"gRPC cannot be imported ({error}); pip install grpcio")
        return Probe(
            available=True,
            detail=f"Open Inference Protocol over gRPC and HTTP; sends load to {allowed}",
            version=f"v2, grpcio {grpc.__version__}",
            devices=("remote",),
            precisions=(Precision.FP32,),
        )

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Connects, and asks for the model's inputs and outputs.

        Raises:
            Unreachable: the target is no address, or nothing answers there.
            BackendUnavailable: load must not be sent there, or something is asked for that the server decides.
            CompileFailed: the server has no such model.
        """
        variant = request.variant
        own = [variant.mode, variant.device if variant.device != "remote" else ""]
        own += [variant.precision] if variant.precision is not Precision.FP32 else []
        if any(own):
            raise BackendUnavailable(
                f"a remote server cannot be told {', '.join(filter(None, own))}: it decides on precision, mode and"
                " device itself; ask for fp32 and name no other"
            )
        target = check_target(request.remote_target)
        start = time.perf_counter_ns()
        connection = _connect(target)
        try:
            described = connection.describe()
            facts = CompileFacts(
                compile_ns=0,
                load_ns=time.perf_counter_ns() - start,
                from_cache=False,
                device="remote",
                size_bytes=0,
                details=_details(target, described),
            )
            return RemoteModel(connection, described, facts)
        except BaseException:
            connection.close()
            raise


def _connect(target: Target) -> Connection:
    # Imported here: only what is used, and grpc is slow to import.
    if target.scheme == "grpc":
        from profiler_agent.backends._remote_grpc import GrpcConnection  # noqa: PLC0415

        return GrpcConnection(target)
    from profiler_agent.backends._remote_http import HttpConnection  # noqa: PLC0415

    return HttpConnection(target)


def _details(target: Target, described: RemoteModelFacts) -> dict[str, Any]:
    details = {
        "target": str(target),
        "server": described.server,
        "platform": described.platform,
        "extensions": ", ".join(described.extensions),
    }
    return {name: value for name, value in details.items() if value}


BACKEND = RemoteBackend()
