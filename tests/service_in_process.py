"""The service behind a real socket, in the test's own process, on whatever database and blob store a test brings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import types_pb2
from msearch.v1.access_service_pb2_grpc import AccessServiceStub
from msearch.v1.agent_service_pb2_grpc import AgentServiceStub
from msearch.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from msearch.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from msearch.v1.profiling_service_pb2_grpc import ProfilingServiceStub
from msearch.v1.registry_service_pb2_grpc import RegistryServiceStub
from msearch.v1.search_service_pb2_grpc import SearchServiceStub
from msearch_sketch.signature import Signature
from search_service.api.service import Service
from search_service.artifacts.cards import Cards
from search_service.artifacts.spooling import SpooledInspection
from search_service.benchmarking.canonical_models import GeneratedModels
from search_service.benchmarking.optimiser import OptunaOptimiser
from search_service.domain.graph_counts import CountGraphs
from search_service.domain.ports import BlobStore, Database
from search_service.domain.ranking import Score
from search_service.index import InvertedIndex
from search_service.scores import find_scores
from search_service.settings import read_settings
from search_service.storage import MemoryDatabase, open_blob_store


@dataclass(frozen=True)
class Running:
    """A service that answers, and stubs to call it with."""

    service: Service
    channel: grpc.Channel
    registry: RegistryServiceStub
    search: SearchServiceStub
    profiling: ProfilingServiceStub
    agents: AgentServiceStub
    evaluation: EvaluationServiceStub
    access: AccessServiceStub
    benchmarks: BenchmarkServiceStub
    database: Database
    blobs: BlobStore


@contextmanager
def service_in_process(
    folder: Path,
    database: Database | None = None,
    blobs: BlobStore | None = None,
    scores: dict[str, Score] | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    count_graphs: CountGraphs | None = None,
    **settings: str,
) -> Iterator[Running]:
    """Starts the service on a free port and stops it afterwards. `credentials` are those of the channel."""
    database = database or MemoryDatabase()
    blobs = blobs or open_blob_store(str(folder / "blobs"))
    service = Service(
        read_settings({}, data_dir=folder, listen="127.0.0.1:0", grace_s="1", **settings),
        database=database,
        blobs=blobs,
        index=InvertedIndex(),
        scores=find_scores() if scores is None else scores,
        cards=Cards(),
        inspect=lambda: SpooledInspection(folder),
        canonical_models=GeneratedModels(),
        optimiser=OptunaOptimiser(),
        count_graphs=count_graphs,
    )
    service.start()
    try:
        with open_channel(service.address, credentials) as channel:
            yield Running(
                service=service,
                channel=channel,
                registry=RegistryServiceStub(channel),
                search=SearchServiceStub(channel),
                profiling=ProfilingServiceStub(channel),
                agents=AgentServiceStub(channel),
                evaluation=EvaluationServiceStub(channel),
                access=AccessServiceStub(channel),
                benchmarks=BenchmarkServiceStub(channel),
                database=database,
                blobs=blobs,
            )
    finally:
        service.stop()


def open_channel(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """A channel, in the clear without credentials."""
    if credentials is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, credentials)


@dataclass(frozen=True)
class Refusal:
    """What a failed call said."""

    code: str
    reason: str
    message: str
    fields: dict[str, str]
    request_id: str


@contextmanager
def refused() -> Iterator[list[Refusal]]:
    """Catches the failure of one call; the list holds it afterwards."""
    caught: list[Refusal] = []
    try:
        yield caught
    except grpc.RpcError as error:
        caught.append(read_refusal(error))
    assert caught, "the call was answered"


def refusal(call: Callable[[], object]) -> Refusal:
    """What the call fails with."""
    with refused() as caught:
        call()
    return caught[0]


def read_refusal(error: grpc.RpcError) -> Refusal:
    """The machine-readable part of an error."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error}"
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    assert info.domain == "msearch"
    fields = {violation.field: violation.description for violation in bad.field_violations}
    return Refusal(error.code().name, info.reason, status.message, fields, info.metadata["request_id"])


def card(name: str, version: str = "1", **fields: Any) -> str:
    """A card of a hosted model for embeddings."""
    values = {"name": name, "version": version, "task": "classification", "modality": "embedding", **fields}
    return json.dumps(values)


def new_dataset(name: str, *signatures: Signature, version: str = "", **fields: Any) -> rpb.NewDataset:
    """A dataset of embeddings."""
    encoded = [types_pb2.Signature(data=signature.encoded) for signature in signatures]
    fields = {"modality": types_pb2.MODALITY_EMBEDDING, **fields}
    return rpb.NewDataset(name=name, version=version, signatures=encoded, **fields)


def header(card_json: str, **fields: Any) -> rpb.RegisterModelRequest:
    """The first message of a registration."""
    return rpb.RegisterModelRequest(header=rpb.RegisterModelRequest.Header(card_json=card_json, **fields))


def register(running: Running, card_json: str, **fields: Any) -> types_pb2.Model:
    """Registers a model without an upload."""
    return running.registry.RegisterModel(iter([header(card_json, **fields)])).model


def upload(digest: str, size_bytes: int) -> rpb.RegisterModelRequest.Upload:
    """Announces an upload."""
    return rpb.RegisterModelRequest.Upload(digest=digest, size_bytes=size_bytes)


def chunk(data: bytes) -> rpb.RegisterModelRequest:
    """A further message of a registration."""
    return rpb.RegisterModelRequest(chunk=data)


def ask(signature: Signature, **options: Any) -> spb.SearchRequest:
    """A search."""
    return spb.SearchRequest(
        signature=types_pb2.Signature(data=signature.encoded), options=spb.RankingOptions(**options)
    )


def names(ranking: spb.Ranking) -> list[str]:
    """Names of the candidates, best first."""
    return [candidate.model.name for candidate in ranking.candidates]
