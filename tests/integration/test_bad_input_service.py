"""The service as a process when things break: killed callers, a killed service, no room, no right to write."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import yaml

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import types_pb2
from msearch.v1.registry_service_pb2_grpc import RegistryServiceStub
from msearch.v1.search_service_pb2_grpc import SearchServiceStub
from msearch_client import Client, ResourceExhaustedError, UnavailableError
from tests.service_in_process import Refusal, chunk, header, refused, upload
from tests.service_process import service_process
from tests.small_zoo import make_card, make_table, write_net

CLI = [sys.executable, "-c", "from msearch_client.cli import main; main()"]


def files(folder: Path) -> list[str]:
    """Whole artifacts and parts of some, wherever the service keeps them."""
    folders = [folder / "data" / part for part in ("blobs", "incoming")]
    return [path.name for folder in folders for path in folder.rglob("*") if path.is_file()]


def rows(folder: Path) -> dict[str, int]:
    """Rows of each table that a registration fills."""
    tables = ("models", "datasets", "signatures")
    with sqlite3.connect(f"file:{folder / 'data' / 'msearch.db'}?mode=ro", uri=True) as database:
        return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


NOTHING = {"models": 0, "datasets": 0, "signatures": 0}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in a minute"
        time.sleep(0.02)


def write_large_net(path: Path, size_bytes: int) -> None:
    """A sound model with so much weight that its upload takes a while."""
    write_net(path)
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(size_bytes // 4, np.float32), "ballast"))
    path.write_bytes(model.SerializeToString())


def start_upload(folder: Path, address: str) -> subprocess.Popen[str]:
    """msearch-cli in the middle of the upload of a model with its dataset."""
    (folder / "card.yaml").write_text(yaml.safe_dump(make_card("large")), encoding="utf-8")
    write_large_net(folder / "net.onnx", 100 << 20)
    pq.write_table(make_table(0.0), folder / "data.parquet")
    words = ["register", "card.yaml", "--artifact", "net.onnx", "--data", "data.parquet", "--server", address]
    process = subprocess.Popen([*CLI, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: bool(files(folder)) or process.poll() is not None)
    return process


@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_client_that_goes_away_in_an_upload_leaves_nothing(tmp_path: Path, signal_sent: signal.Signals) -> None:
    with service_process(tmp_path) as (_, address):
        client = start_upload(tmp_path, address)
        client.send_signal(signal_sent)
        stdout, stderr = client.communicate(timeout=60)
        assert client.returncode == (-signal.SIGKILL if signal_sent is signal.SIGKILL else 130)
        assert (stdout, "Traceback" in stderr) == ("", False)
        wait_until(lambda: not files(tmp_path))
        assert rows(tmp_path) == NOTHING


@pytest.mark.slow
def test_a_service_that_is_killed_in_an_upload_starts_again(tmp_path: Path) -> None:
    with service_process(tmp_path) as (service, address):
        client = start_upload(tmp_path, address)
        service.kill()
        _, stderr = client.communicate(timeout=60)
        assert client.returncode == 1
        assert stderr.startswith(f"error: no answer from the service at {address}")
    assert rows(tmp_path) == NOTHING
    with service_process(tmp_path) as (_, address), Client(address) as again:
        assert list(again.models()) == []
        model = again.register_model(tmp_path / "card.yaml", artifact=tmp_path / "net.onnx")
        again.download_artifact(model, tmp_path / "copy.onnx")
    assert (tmp_path / "copy.onnx").read_bytes() == (tmp_path / "net.onnx").read_bytes()


def test_a_full_disk_refuses_what_does_not_fit_and_nothing_else(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the artifact does not fit, the database does."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))

    write_large_net(tmp_path / "large.onnx", 8 << 20)
    write_net(tmp_path / "small.onnx")
    with service_process(tmp_path, prepare=limit) as (_, address), Client(address, retries=0) as client:
        with pytest.raises(UnavailableError) as caught:
            client.register_model(make_card("large"), artifact=tmp_path / "large.onnx")
        assert caught.value.reason == "STORAGE_UNAVAILABLE"
        assert (files(tmp_path), rows(tmp_path)) == ([], NOTHING)
        client.register_model(make_card("small"), artifact=tmp_path / "small.onnx")
        assert [model.name for model in client.models()] == ["small"]


def test_an_artifact_above_the_limit_is_refused(tmp_path: Path) -> None:
    write_large_net(tmp_path / "large.onnx", 2 << 20)
    limited = service_process(tmp_path, MSEARCH_LARGEST_ARTIFACT_BYTES=str(1 << 20))
    with limited as (_, address), Client(address) as client:
        with pytest.raises(ResourceExhaustedError) as caught:
            client.register_model(make_card("large"), artifact=tmp_path / "large.onnx")
        assert caught.value.reason == "TOO_LARGE"
        assert (files(tmp_path), rows(tmp_path)) == ([], NOTHING)


STARTS = {
    "data folder is a file": (["--data-dir", "{folder}/file"], "file cannot be used (Not a directory): name another"),
    "data folder below a file": (["--data-dir", "{folder}/file/sub"], "the data folder {folder}/file/sub cannot"),
    "blob folder is a file": (["--blobs", "{folder}/file"], "name another with --blobs or MSEARCH_BLOBS"),
    "ready file below a file": (["--ready-file", "{folder}/file/ready"], "name another with --ready-file"),
    "database below a file": (["--database", "sqlite:///{folder}/file/x.db"], "name another place with --database"),
    "database is another file": (
        ["--database", "sqlite:///{folder}/file"],
        "/file is a file, but not a SQLite database",
    ),
    "no such database": (["--database", "mysql://x/y"], "sqlite:///PATH"),
    "database is down": (["--database", "postgresql://me:secret@127.0.0.1:1/x"], "does not answer"),
    "no address": (["--listen", "nonsense"], "host:port"),
    "address of all": (["--listen", "0.0.0.0:0"], "--insecure-listen-anywhere"),
    "address taken": (["--listen", "{taken}"], "another program"),
}


@pytest.mark.parametrize("case", STARTS)
def test_a_start_that_fails_is_one_line(tmp_path: Path, case: str) -> None:
    words, problem = STARTS[case]
    (tmp_path / "file").write_text("not a database" * 99, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        given = ["--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")]
        given += [word.format(folder=tmp_path, taken=address) for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "search_service", "serve", *given],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert problem.format(folder=tmp_path) in done.stderr
    assert "Errno" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("msearch-service: ")


# What msearch-cli cannot say, over raw stubs.

CALLS: dict[str, tuple[Callable[[RegistryServiceStub, SearchServiceStub], object], str, str]] = {
    "unknown model": (
        lambda registry, _: registry.GetModel(rpb.GetModelRequest(model=rpb.ModelReference(id="mdl_0"))),
        "NOT_FOUND", "MODEL_NOT_FOUND",
    ),
    "unknown dataset": (
        lambda registry, _: registry.DeleteDataset(rpb.DeleteDatasetRequest(dataset=rpb.DatasetReference(id="dts_0"))),
        "NOT_FOUND", "DATASET_NOT_FOUND",
    ),
    "unknown space": (
        lambda registry, _: registry.GetFeatureSpace(rpb.GetFeatureSpaceRequest(digest="ab" * 32)),
        "NOT_FOUND", "FEATURE_SPACE_NOT_FOUND",
    ),
    "page token": (
        lambda registry, _: registry.ListModels(rpb.ListModelsRequest(page_token="made up")),
        "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN",
    ),
    "page token of another list": (
        lambda registry, _: registry.ListDatasets(
            rpb.ListDatasetsRequest(page_token=registry.ListFeatureSpaces(
                rpb.ListFeatureSpacesRequest(page_size=1)).next_page_token)
        ),
        "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN",
    ),
    "page size": (
        lambda registry, _: registry.ListModels(rpb.ListModelsRequest(page_size=-1)),
        "INVALID_ARGUMENT", "INVALID_FIELD",
    ),
    "no signature": (lambda _, search: search.Search(spb.SearchRequest()), "INVALID_ARGUMENT", "INVALID_SIGNATURE"),
    "noise as signature": (
        lambda _, search: search.Search(spb.SearchRequest(signature=types_pb2.Signature(data=bytes(range(256))))),
        "INVALID_ARGUMENT", "INVALID_SIGNATURE",
    ),
    "pickle as artifact": (
        lambda registry, _: registry.RegisterModel(iter([
            header(json.dumps(make_card("m")), upload=upload(hashlib.sha256(b"\x80\x04." * 9).hexdigest(), 27)),
            chunk(b"\x80\x04." * 9),
        ])),
        "INVALID_ARGUMENT", "INVALID_ARTIFACT",
    ),
    "no card": (lambda registry, _: registry.RegisterModel(iter([header("")])), "INVALID_ARGUMENT", "INVALID_CARD"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_calls_that_are_refused(server: str, case: str) -> None:
    call, code, reason = CALLS[case]
    with grpc.insecure_channel(server) as channel:
        registry, search = RegistryServiceStub(channel), SearchServiceStub(channel)
        with refused() as caught:
            call(registry, search)
        answer: Refusal = caught[0]
        assert (answer.code, answer.reason) == (code, reason)
        assert answer.message
        assert registry.ListModels(rpb.ListModelsRequest()).total_size == 0
