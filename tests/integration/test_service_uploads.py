"""Artifacts on their way in and out: nothing half-uploaded is ever visible, nothing in use is ever lost."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2
from search_service.artifacts import spooling
from search_service.domain.ports import Database
from tests.service_in_process import Running, card, chunk, header, refused, register, service_in_process, upload
from tests.small_zoo import make_card, write_net


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    """On each kind of database."""
    with service_in_process(tmp_path, database, largest_artifact_bytes=str(1 << 20)) as service:
        yield service


@pytest.fixture
def net(tmp_path: Path) -> bytes:
    write_net(tmp_path / "net.onnx")
    return (tmp_path / "net.onnx").read_bytes()


def onnx_card(name: str) -> str:
    return json.dumps(make_card(name))


def send(running: Running, name: str, data: bytes, **announced: object) -> types_pb2.Model:
    fields = {"digest": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)} | announced
    parts = [data[:100], b"", data[100:]]
    messages = [header(onnx_card(name), upload=upload(**fields)), *map(chunk, parts)]
    return running.registry.RegisterModel(iter(messages)).model


def nothing_is_left(running: Running, folder: Path) -> bool:
    files = [path for path in (folder / "blobs").rglob("*") if path.is_file()]
    return not files and running.registry.ListModels(rpb.ListModelsRequest()).total_size == 0


def wait_until(condition: Callable[[], bool]) -> None:
    finished = threading.Event()
    for _ in range(200):
        if condition():
            return
        finished.wait(0.05)
    raise AssertionError("it did not come true in ten seconds")


def test_an_upload_is_inspected_stored_and_downloaded(running: Running, net: bytes) -> None:
    model = send(running, "m", net)
    assert (model.artifact.format, model.artifact.digest) == ("onnx", hashlib.sha256(net).hexdigest())
    assert [tensor.name for tensor in model.inputs] == ["rows"]
    assert [dimension.WhichOneof("extent") for dimension in model.inputs[0].shape] == ["symbol", "size"]
    messages = list(running.registry.DownloadArtifact(rpb.DownloadArtifactRequest(model=rpb.ModelReference(name="m"))))
    assert messages[0].artifact == model.artifact
    assert b"".join(message.chunk for message in messages[1:]) == net


def test_a_shared_artifact_goes_with_its_last_model(running: Running, net: bytes, tmp_path: Path) -> None:
    first, second = send(running, "m1", net), send(running, "m2", net)
    running.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(id=first.id)))
    assert running.blobs.exists(first.artifact.digest)
    running.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(id=second.id)))
    assert nothing_is_left(running, tmp_path)


@pytest.mark.parametrize(
    ("announced", "code", "reason"),
    [
        ({"digest": "ab" * 32}, "INVALID_ARGUMENT", "DIGEST_MISMATCH"),
        ({"size_bytes": 150}, "INVALID_ARGUMENT", "DIGEST_MISMATCH"),
        ({"size_bytes": 5000}, "INVALID_ARGUMENT", "DIGEST_MISMATCH"),
        ({"size_bytes": 0}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"size_bytes": -1}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"digest": "not a digest"}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"size_bytes": 2 << 20}, "RESOURCE_EXHAUSTED", "TOO_LARGE"),
    ],
)
def test_a_wrong_announcement_leaves_nothing(
    running: Running, net: bytes, tmp_path: Path, announced: dict[str, object], code: str, reason: str
) -> None:
    with refused() as caught:
        send(running, "m", net, **announced)
    assert (caught[0].code, caught[0].reason) == (code, reason)
    assert nothing_is_left(running, tmp_path)


def test_too_many_bytes_are_refused_before_the_rest_arrives(running: Running) -> None:
    sent = []

    def messages() -> Iterator[rpb.RegisterModelRequest]:
        yield header(onnx_card("m"), upload=upload("ab" * 32, 10))
        for number in range(10_000):
            sent.append(number)
            yield chunk(b"x" * 100_000)

    with refused() as caught:
        running.registry.RegisterModel(messages())
    assert caught[0].reason == "DIGEST_MISMATCH"
    assert len(sent) < 10_000


@pytest.mark.parametrize("data", [b"not onnx at all" * 20, b"\x08\x07" * 300])
def test_an_unreadable_artifact_leaves_nothing(running: Running, tmp_path: Path, data: bytes) -> None:
    with refused() as caught:
        send(running, "m", data)
    assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_ARTIFACT")
    assert nothing_is_left(running, tmp_path)


def test_a_truncated_artifact_and_one_that_contradicts_its_card(running: Running, net: bytes, tmp_path: Path) -> None:
    with refused() as caught:
        send(running, "m", net[: len(net) // 2])
    assert caught[0].reason == "INVALID_ARTIFACT"
    wrong = make_card("m")
    wrong["input"]["columns"] = wrong["input"]["columns"][:2]
    announced = upload(hashlib.sha256(net).hexdigest(), len(net))
    with refused() as caught:
        running.registry.RegisterModel(iter([header(json.dumps(wrong), upload=announced), chunk(net)]))
    assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_ARTIFACT")
    assert "input.columns" in caught[0].fields
    assert nothing_is_left(running, tmp_path)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [chunk(b"x")],
        [header(card("m")), header(card("m"))],
        [header(card("m")), chunk(b"x")],
        [header(card("m")), rpb.RegisterModelRequest()],
        [header(onnx_card("m"), upload=upload("ab" * 32, 3)), chunk(b"x"), header(card("m"))],
    ],
    ids=["empty", "chunk first", "two headers", "chunk without upload", "empty message", "late header"],
)
def test_a_malformed_stream_leaves_nothing(
    running: Running, tmp_path: Path, messages: list[rpb.RegisterModelRequest]
) -> None:
    with refused() as caught:
        running.registry.RegisterModel(iter(messages))
    assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert nothing_is_left(running, tmp_path)


def test_a_chunk_that_is_too_large_is_refused(running: Running, tmp_path: Path) -> None:
    with refused() as caught:
        running.registry.RegisterModel(
            iter([header(onnx_card("m"), upload=upload("ab" * 32, 1 << 20)), chunk(bytes(3 << 20))])
        )
    assert (caught[0].code, caught[0].reason) == ("RESOURCE_EXHAUSTED", "TOO_LARGE")
    assert nothing_is_left(running, tmp_path)


def test_where_the_bytes_are_must_be_said_once_and_clearly(running: Running) -> None:
    external = register(
        running, onnx_card("external"), external=types_pb2.Artifact(uri="https://example.org/m.onnx", digest="AB" * 32)
    )
    assert (external.artifact.uri, external.artifact.digest) == ("https://example.org/m.onnx", "ab" * 32)
    with refused() as caught:
        list(running.registry.DownloadArtifact(rpb.DownloadArtifactRequest(model=rpb.ModelReference(id=external.id))))
    assert (caught[0].code, caught[0].reason) == ("NOT_FOUND", "ARTIFACT_NOT_FOUND")
    assert "https://example.org/m.onnx" in caught[0].message
    wrong = {
        "location": lambda: register(running, onnx_card("m")),
        "external.uri": lambda: register(running, onnx_card("m"), external=types_pb2.Artifact(format="onnx")),
        "external.format": lambda: register(
            running, card("m"), external=types_pb2.Artifact(format="onnx", uri="s3://x")
        ),
        "artifact.format": lambda: register(running, card("m"), upload=upload("ab" * 32, 3)),
    }
    for field, call in wrong.items():
        with refused() as caught:
            call()
        assert set(caught[0].fields) == {field}


def test_a_cancelled_upload_leaves_nothing(running: Running, net: bytes, tmp_path: Path) -> None:
    arrived = threading.Event()

    def messages() -> Iterator[rpb.RegisterModelRequest]:
        yield header(onnx_card("m"), upload=upload(hashlib.sha256(net).hexdigest(), len(net)))
        yield chunk(net[:100])
        arrived.set()
        threading.Event().wait(30)

    call = running.registry.RegisterModel.future(messages())
    assert arrived.wait(10)
    wait_until(lambda: any((tmp_path / "blobs").rglob("*")))
    call.cancel()
    wait_until(lambda: nothing_is_left(running, tmp_path))
    assert send(running, "m", net).name == "m"


def test_an_upload_whose_deadline_passes_leaves_nothing(running: Running, net: bytes, tmp_path: Path) -> None:
    def messages() -> Iterator[rpb.RegisterModelRequest]:
        yield header(onnx_card("m"), upload=upload(hashlib.sha256(net).hexdigest(), len(net)))
        yield chunk(net[:100])
        threading.Event().wait(2)

    with pytest.raises(grpc.RpcError) as error:
        running.registry.RegisterModel(messages(), timeout=0.5)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: nothing_is_left(running, tmp_path))


def test_a_repeated_upload_needs_no_bytes(running: Running, net: bytes) -> None:
    announced = upload(hashlib.sha256(net).hexdigest(), len(net))
    first = header(onnx_card("m"), upload=announced, request_id="r")
    model = running.registry.RegisterModel(iter([first, chunk(net)])).model
    assert running.registry.RegisterModel(iter([first])).model == model


def test_uploads_and_deletions_of_the_same_bytes_never_lose_them(running: Running, net: bytes) -> None:
    """Models over one artifact come and go at once: while any is registered, its bytes can be read."""
    missing: list[str] = []

    def churn(number: int) -> None:
        for turn in range(6):
            model = send(running, f"m{number}-{turn}", net)
            request = rpb.DownloadArtifactRequest(model=rpb.ModelReference(id=model.id))
            try:
                if b"".join(message.chunk for message in running.registry.DownloadArtifact(request)) != net:
                    missing.append(model.name)
            except grpc.RpcError as error:
                missing.append(f"{model.name}: {error.details()}")
            running.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(id=model.id)))

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []
    assert not running.blobs.exists(hashlib.sha256(net).hexdigest())


class FullDisk(io.RawIOBase):
    """A file that has no room left."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("buffer_bytes", [1, 1 << 20], ids=["found by write", "found by flush"])
def test_a_disk_too_full_to_inspect_is_unavailable(
    running: Running, net: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffer_bytes: int
) -> None:
    full = io.BufferedWriter(FullDisk(), buffer_bytes)
    monkeypatch.setattr(spooling.tempfile, "TemporaryFile", lambda **where: full)
    with refused() as caught:
        send(running, "m", net)
    assert (caught[0].code, caught[0].reason) == ("UNAVAILABLE", "STORAGE_UNAVAILABLE")
    assert "the disk of the service's data folder is full" in caught[0].message
    assert nothing_is_left(running, tmp_path)
