"""The service as its callers see it: registrations a second, searches a second, time to start with 100,000 sources.

    python -m benchmarks.bench_service [--quick]

Registration and search run over gRPC on loopback against SQLite, client and service on the same machine. A search is
compared with a method on the same server that does nothing, with messages of the same sizes, in alternating rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.report import Report, print_table
from benchmarks.search_sources import DIMENSION, ROWS, SPACE, Universe
from benchmarks.service_under_test import NOTHING, running
from msearch.v1 import registry_service_pb2, registry_service_pb2_grpc, search_service_pb2, search_service_pb2_grpc
from msearch.v1 import types_pb2 as types
from msearch_sketch.signature import Signature
from search_service.domain.catalog import (
    Artifact,
    Dataset,
    FeatureSpace,
    Modality,
    Model,
    SignatureSummary,
    StoredSignature,
)
from search_service.domain.ports import UnitOfWork
from search_service.storage import migrate, open_database

CALLERS = 8
TARGETS = 256  # more than the service keeps decoded, so that each search pays for reading its signature
REPEATED_TARGETS = 32
CACHE = Path(".cache/benchmarks")
Unary = Callable[[bytes], bytes]


def encoded_signatures(count: int, rows: int, stream: int) -> list[bytes]:
    """Encoded signatures of made datasets of the families that the index benchmark uses."""
    chunks = Universe().datasets(count, rows=rows, stream=stream)
    return [complete(signature).encoded for chunk in chunks for signature in chunk.signatures()]


def small_onnx() -> bytes:
    """A linear classifier of ten classes."""
    weights = np.random.default_rng(4).normal(0, 1, (DIMENSION, 10)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", DIMENSION])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def card(name: str) -> str:
    return json.dumps({
        "name": name, "version": "1", "task": "classification", "modality": "embedding", "licence": "MIT",
        "classes": [str(digit) for digit in range(10)], "tags": ["benchmark"],
        "artifact": {"format": "onnx"},
        "input": {"kind": "embedding", "column": "embedding", "length": DIMENSION},
        "output": {"kind": "logits"},
    })  # fmt: skip


def register_models(address: str, signatures: list[bytes], artifact: bytes) -> float:
    """Registers a model per signature, each with an artifact and a dataset of its own; gives the seconds it took."""
    digest = hashlib.sha256(artifact).hexdigest()

    def messages(number: int) -> Iterator[registry_service_pb2.RegisterModelRequest]:
        header = registry_service_pb2.RegisterModelRequest.Header(
            request_id=f"bench-{number}",
            card_json=card(f"model-{number:06d}"),
            new_dataset=registry_service_pb2.NewDataset(
                name=f"dataset-{number:06d}",
                modality=types.MODALITY_EMBEDDING,
                signatures=[types.Signature(data=signatures[number])],
            ),
            upload=registry_service_pb2.RegisterModelRequest.Upload(digest=digest, size_bytes=len(artifact)),
        )
        yield registry_service_pb2.RegisterModelRequest(header=header)
        yield registry_service_pb2.RegisterModelRequest(chunk=artifact)

    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(CALLERS) as pool:
        stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        stub.RegisterFeatureSpace(registry_service_pb2.RegisterFeatureSpaceRequest(document=SPACE.document), timeout=60)
        started = time.perf_counter()
        for _ in pool.map(lambda number: stub.RegisterModel(messages(number), timeout=60), range(len(signatures))):
            pass
        return time.perf_counter() - started


def calls_per_second(call: Unary, requests: list[bytes], seconds: float) -> float:
    """How often `CALLERS` threads get an answer in a second, over about `seconds`."""
    stop = time.perf_counter() + seconds
    done = [0] * CALLERS

    def work(caller: int) -> None:
        for request in itertools.islice(itertools.cycle(requests), caller, None):
            call(request)
            done[caller] += 1
            if time.perf_counter() >= stop:
                return

    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(CALLERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


def compare_search(
    address: str, signatures: list[bytes], rounds: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Searches a second and calls of nothing a second, in alternating rounds."""
    requests = [
        search_service_pb2.SearchRequest(signature=types.Signature(data=data)).SerializeToString()
        for data in signatures
    ]
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, options) as channel:
        search = channel.unary_unary("/msearch.v1.SearchService/Search")
        nothing = channel.unary_unary(NOTHING)
        answer_bytes = len(search(requests[0])).to_bytes(4, "big")
        empty = [answer_bytes + request[4:] for request in requests]
        found, idle = [], []
        for _ in range(rounds):
            idle.append(calls_per_second(nothing, empty, seconds))
            found.append(calls_per_second(search, requests, seconds))
    return found, idle


def fill(folder: Path, count: int) -> None:
    """A database of `count` models with a source each, written through the storage; kept for the next run."""
    done = folder / f"filled-{count}"
    if done.exists():
        return
    for old in folder.glob("*"):
        old.unlink()
    url = f"sqlite:///{folder.absolute() / 'msearch.db'}"
    migrate(url)
    now = datetime.now(UTC)
    database = open_database(url)
    with database.begin() as work:
        work.spaces.add(
            FeatureSpace(
                digest=SPACE.digest,
                document=SPACE.document,
                modality=Modality.EMBEDDING,
                featuriser=SPACE.featuriser,
                dimension=SPACE.dimension,
                schema_digest="",
                description="benchmark",
                created_at=now,
            )
        )
        work.commit()
    numbers = itertools.count()
    for chunk in Universe().datasets(count):
        with database.begin() as work:
            for signature in chunk.signatures():
                _add(work, next(numbers), complete(signature), now)
            work.commit()
    database.close()
    done.touch()


def complete(signature: Signature) -> Signature:
    """With the arrays that the index does not read filled to their usual size, so that the bytes to read are real."""
    cells = ROWS // SPACE.coreset.least_rows
    return replace(
        signature,
        partitions=np.ones((ROWS // SPACE.partitioning.rows, 16, 16), np.uint32),
        centroids=np.ones((cells, DIMENSION), np.int16),
        centroid_weights=np.full(cells, SPACE.coreset.least_rows, np.uint32),
        centroid_classes=np.full(cells, -1, np.int16),
    )


def _add(work: UnitOfWork, number: int, signature: Signature, now: datetime) -> None:
    data = signature.encoded
    summary = SignatureSummary(
        space_digest=SPACE.digest, row_count=signature.row_count, size_bytes=len(data), labelled=False
    )
    dataset = Dataset(
        id=f"dst_{number:08d}", name=f"dataset-{number:08d}", version="1", description="", tags=(), licence="",
        modality=Modality.EMBEDDING, signatures=(summary,), created_at=now, updated_at=now,
    )  # fmt: skip
    model = Model(
        id=f"mdl_{number:08d}", name=f"model-{number:08d}", version="1", description="", licence="MIT", tags=(),
        task="classification", modality=Modality.EMBEDDING, classes=(), metrics=(), parent="",
        artifact=Artifact(format="none", uri="https://models.invalid"), inputs=(), outputs=(), dataset_id=dataset.id,
        card="{}", created_at=now, updated_at=now,
    )  # fmt: skip
    work.datasets.add(dataset, [StoredSignature(summary=summary, data=data)])
    work.models.add(model)


def start_to_first_answer(folder: Path) -> float:
    """Seconds from launching the process to the first ranking."""
    target = complete(next(Universe().datasets(1, rows=500, stream=1)).signatures()[0])
    started = time.perf_counter()
    with running(folder) as address, grpc.insecure_channel(address) as channel:
        stub = search_service_pb2_grpc.SearchServiceStub(channel)
        request = search_service_pb2.SearchRequest(signature=types.Signature(data=target.encoded))
        answer = stub.Search(request, timeout=60, wait_for_ready=True)
        seconds = time.perf_counter() - started
        if not answer.ranking.candidates:
            raise RuntimeError("the first answer is empty")
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; the bars then prove nothing")
    quick = parser.parse_args().quick
    catalogue, registered, rounds, seconds = (100, 1_000, 2, 0.5) if quick else (1_000, 100_000, 5, 3.0)
    report = Report("service", quick=quick)

    sources, targets = encoded_signatures(catalogue, ROWS, stream=0), encoded_signatures(TARGETS, 500, stream=1)
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as address:
        took = register_models(address, sources, small_onnx())
        report.figure("registration", {"models": catalogue, "seconds": took, "signature_bytes": len(sources[0])})
        found, idle = compare_search(address, targets, rounds, seconds)
        again, _ = compare_search(address, targets[:REPEATED_TARGETS], rounds, seconds)
    ratios = [one / other for one, other in zip(found, idle, strict=True)]
    report.figure(
        "search",
        {
            "catalogue": catalogue,
            "searches_per_s": found,
            "nothing_per_s": idle,
            "searches_of_repeated_targets_per_s": again,
        },
    )

    folder = CACHE / f"service-{registered}"
    folder.mkdir(parents=True, exist_ok=True)
    fill(folder, registered)
    starts = [start_to_first_answer(folder) for _ in range(1 if quick else 3)]
    report.figure("start", {"sources": registered, "seconds": starts})

    print_table(
        ["measure", "value"],
        [
            [f"models registered a second ({catalogue:,}, {CALLERS} callers)", f"{catalogue / took:.0f}"],
            [f"searches a second (catalogue of {catalogue:,})", f"{statistics.median(found):.0f}"],
            [f"the same for {REPEATED_TARGETS} targets that keep coming", f"{statistics.median(again):.0f}"],
            ["calls of nothing a second, same message sizes", f"{statistics.median(idle):.0f}"],
            [f"start to first answer with {registered:,} sources, s", f"{statistics.median(starts):.1f}"],
        ],
    )
    report.bar("registrations_per_s", catalogue / took, limit=200, more_is_better=True)
    report.bar("search_to_nothing_ratio", statistics.median(ratios), limit=0.25, more_is_better=True)
    report.bar("start_100k_s", statistics.median(starts), limit=15)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
