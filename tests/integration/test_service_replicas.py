"""Two services on one PostgreSQL and one blob store."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from msearch.v1 import registry_service_pb2 as rpb
from search_service.storage import open_blob_store, open_database
from tests.service_in_process import (
    Running,
    ask,
    card,
    chunk,
    header,
    names,
    new_dataset,
    register,
    service_in_process,
    upload,
)
from tests.signatures import SPACE, family
from tests.small_zoo import make_card, write_net

SIGNATURES = family(np.random.default_rng(12), 3)


@pytest.fixture
def replicas(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    """Each with its own connections, index and caches."""
    first, second = open_database(postgres_url), open_database(postgres_url)
    blobs = str(tmp_path / "blobs")
    with (
        service_in_process(tmp_path, first, open_blob_store(blobs)) as one,
        service_in_process(tmp_path, second, open_blob_store(blobs)) as other,
    ):
        one.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=SPACE.document))
        yield one, other
    first.close()
    second.close()


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within ten seconds; how soon is a matter for the benchmarks."""
    ends = time.monotonic() + 10
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def test_what_one_replica_registers_another_finds(replicas: tuple[Running, Running]) -> None:
    one, other = replicas
    assert names(other.search.Search(ask(SIGNATURES[0])).ranking) == []
    model = register(one, card("m"), new_dataset=new_dataset("d", SIGNATURES[0]))
    assert until(lambda: names(other.search.Search(ask(SIGNATURES[0])).ranking) == ["m"])
    assert other.registry.GetModel(rpb.GetModelRequest(model=rpb.ModelReference(name="m"))).model == model
    other.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(id=model.id)))
    assert names(other.search.Search(ask(SIGNATURES[0])).ranking) == []
    assert until(lambda: names(one.search.Search(ask(SIGNATURES[0])).ranking) == [])


def test_a_request_id_counts_in_every_replica(replicas: tuple[Running, Running]) -> None:
    found: list[str] = []

    def add(running: Running) -> None:
        request = header(card("m"), request_id="same", new_dataset=new_dataset("d", SIGNATURES[0]))
        found.append(running.registry.RegisterModel(iter([request])).model.id)

    threads = [threading.Thread(target=add, args=(replicas[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_replicas_never_lose_bytes_that_a_model_uses(replicas: tuple[Running, Running], tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    data = (tmp_path / "net.onnx").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    lost: list[str] = []

    def churn(running: Running, number: int) -> None:
        for turn in range(8):
            first = header(json.dumps(make_card(f"m{number}-{turn}")), upload=upload(digest, len(data)))
            model = running.registry.RegisterModel(iter([first, chunk(data)])).model
            reference = rpb.ModelReference(id=model.id)
            try:
                parts = running.registry.DownloadArtifact(rpb.DownloadArtifactRequest(model=reference))
                if b"".join(part.chunk for part in parts) != data:
                    lost.append(model.name)
            except grpc.RpcError as error:
                lost.append(f"{model.name}: {error.details()}")
            running.registry.DeleteModel(rpb.DeleteModelRequest(model=reference))

    threads = [threading.Thread(target=churn, args=(replicas[number % 2], number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert not replicas[0].blobs.exists(digest)
