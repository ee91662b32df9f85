"""The gRPC server: our services, health and reflection."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from msearch.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    agent_service_pb2,
    agent_service_pb2_grpc,
    benchmark_service_pb2,
    benchmark_service_pb2_grpc,
    evaluation_service_pb2,
    evaluation_service_pb2_grpc,
    profiling_service_pb2,
    profiling_service_pb2_grpc,
    registry_service_pb2,
    registry_service_pb2_grpc,
    search_service_pb2,
    search_service_pb2_grpc,
)
from search_service.api.access import AccessServicer
from search_service.api.agents import AgentServicer
from search_service.api.authentication import Tokens
from search_service.api.benchmarks import BenchmarkServicer
from search_service.api.boundary import Boundary
from search_service.api.evaluation import EvaluationServicer
from search_service.api.gate import Gate
from search_service.api.profiling import ProfilingServicer
from search_service.api.registry import RegistryServicer
from search_service.api.search import SearchServicer
from search_service.api.tls import tls_credentials
from search_service.api.waiting import WaitingRoom
from search_service.settings import TlsFiles
from search_service.usecases.evidence import Evidence
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.profiling import Profiling
from search_service.usecases.refitting import Refitter
from search_service.usecases.registry import Registry
from search_service.usecases.searcher import Searcher
from search_service.usecases.tokens import Access

LARGEST_MESSAGE_BYTES = 16 << 20
"""Most that comes in one message: the report of a job with hundreds of profiles, or a trace of a million arrivals."""

SHARE_OF_WAITING = 4
"""One in so many threads may be taken by watches, and one in so many by agents that wait for a job."""

SERVICES = (
    registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"].full_name,
    search_service_pb2.DESCRIPTOR.services_by_name["SearchService"].full_name,
    profiling_service_pb2.DESCRIPTOR.services_by_name["ProfilingService"].full_name,
    agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"].full_name,
    evaluation_service_pb2.DESCRIPTOR.services_by_name["EvaluationService"].full_name,
    access_service_pb2.DESCRIPTOR.services_by_name["AccessService"].full_name,
    benchmark_service_pb2.DESCRIPTOR.services_by_name["BenchmarkService"].full_name,
)


class Server:
    """Binds at once, serves from `start` on. Port 0 binds a free one; `address` says which.

    `handlers` answer further methods on the same port, threads and limits.

    Raises:
        SettingsError: a file of `tls` cannot be used.
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        registry: Registry,
        searcher: Searcher,
        profiling: Profiling,
        *,
        access: Access,
        experimenting: Experimenting,
        evidence: Evidence,
        refitter: Refitter,
        tokens: Tokens,
        listen: str,
        threads: int,
        tls: TlsFiles | None = None,
        handlers: Sequence[grpc.GenericRpcHandler] = (),
    ) -> None:
        self._health = health.HealthServicer()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads, thread_name_prefix="msearch-call"),
            interceptors=[Gate(tokens), Boundary()],
            options=[
                ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
                ("grpc.max_send_message_length", -1),
                # Two servers on one port would share its calls, which is never meant.
                ("grpc.so_reuseport", 0),
                # A watch or an agent that waits may be silent for minutes; its pings are no abuse.
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                # And a machine that vanished without a word must not keep a thread.
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
            ],
        )
        registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(RegistryServicer(registry), self._server)
        search_service_pb2_grpc.add_SearchServiceServicer_to_server(SearchServicer(searcher), self._server)
        self._watchers = WaitingRoom(threads // SHARE_OF_WAITING)
        self._agents = WaitingRoom(threads // SHARE_OF_WAITING)
        profiling_service_pb2_grpc.add_ProfilingServiceServicer_to_server(
            ProfilingServicer(profiling, self._watchers), self._server
        )
        agent_service_pb2_grpc.add_AgentServiceServicer_to_server(
            AgentServicer(profiling, evidence, self._agents), self._server
        )
        evaluation_service_pb2_grpc.add_EvaluationServiceServicer_to_server(
            EvaluationServicer(evidence, refitter), self._server
        )
        access_service_pb2_grpc.add_AccessServiceServicer_to_server(AccessServicer(access, tokens), self._server)
        benchmark_service_pb2_grpc.add_BenchmarkServiceServicer_to_server(
            BenchmarkServicer(experimenting), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers(tuple(handlers))
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self.address = f"{listen.rpartition(':')[0]}:{self._bind(listen, tls)}"

    def start(self) -> None:
        """Accepts calls and reports healthy."""
        self._server.start()
        for name in ("", *SERVICES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float) -> None:
        """Reports unhealthy, accepts no new call, gives those in progress `grace_s` seconds, and returns."""
        self._health.enter_graceful_shutdown()
        for room in (self._watchers, self._agents):
            room.close()
        self._server.stop(grace_s).wait()

    def _bind(self, listen: str, tls: TlsFiles | None) -> int:
        credentials = None if tls is None else tls_credentials(tls)
        try:
            if credentials is None:
                return self._server.add_insecure_port(listen)
            return self._server.add_secure_port(listen, credentials)
        except RuntimeError:
            raise OSError(f"cannot listen on {listen}: is another program using it, or is it misspelt?") from None
