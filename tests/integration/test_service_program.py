"""The program itself, as a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1.registry_service_pb2_grpc import RegistryServiceStub
from search_service.__main__ import app
from search_service.settings import SettingsError, read_settings
from search_service.storage import downgrade, migrate
from tests.service_in_process import card, chunk, header, service_in_process, upload
from tests.small_zoo import make_card, write_net

ROOT = Path(__file__).parents[2]
SOURCES = os.pathsep.join(str(ROOT / folder) for folder in (".", "protos", "sketch", "card", "client"))


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "search_service", *arguments]


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": SOURCES, **variables}


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running program and its address."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    flags = ["--listen", "127.0.0.1:0", "--data-dir", str(folder / "data"), "--ready-file", str(ready)]
    process = subprocess.Popen(
        program("serve", *flags, *arguments), env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        while not ready.exists():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.05)
        yield process, ready.read_text().strip()
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def test_a_fresh_folder_is_enough_and_what_is_registered_stays(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, address):
        with grpc.insecure_channel(address) as channel:
            registry = RegistryServiceStub(channel)
            model = registry.RegisterModel(iter([header(card("m"))])).model
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        events = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert [event["event"] for event in events] == [
        "catalogue_loaded",
        "service_started",
        "model_registered",
        "service_stopping",
        "service_stopped",
    ]
    assert events[1]["address"] == address
    assert events[2]["request_id"]
    assert not (tmp_path / "ready").exists()
    with serving(tmp_path) as (_, address), grpc.insecure_channel(address) as channel:
        again = RegistryServiceStub(channel).GetModel(rpb.GetModelRequest(model=rpb.ModelReference(name="m")))
        assert again.model == model


def test_a_service_killed_during_an_upload_leaves_nothing(tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    data = (tmp_path / "net.onnx").read_bytes()
    announced = header(
        json.dumps(make_card("m")), upload=upload(hashlib.sha256(data).hexdigest(), len(data)), request_id="r"
    )
    with serving(tmp_path) as (process, address), grpc.insecure_channel(address) as channel:

        def messages() -> Iterator[rpb.RegisterModelRequest]:
            yield announced
            yield chunk(data[:100])
            while not any((tmp_path / "data" / "blobs").rglob("*")):
                time.sleep(0.02)
            process.kill()

        with pytest.raises(grpc.RpcError) as error:
            RegistryServiceStub(channel).RegisterModel(messages())
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    with serving(tmp_path) as (_, address), grpc.insecure_channel(address) as channel:
        registry = RegistryServiceStub(channel)
        assert registry.ListModels(rpb.ListModelsRequest()).total_size == 0
        model = registry.RegisterModel(iter([announced, chunk(data)])).model
        parts = registry.DownloadArtifact(rpb.DownloadArtifactRequest(model=rpb.ModelReference(id=model.id)))
        assert b"".join(part.chunk for part in parts) == data


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program(*arguments), env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )


def test_an_old_database_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    migrate(url)
    downgrade(url, "base")
    outcome = run("serve", "--database", url, "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path))
    assert outcome.returncode == 1
    assert f"msearch-service migrate --database {url}" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert run("migrate", "--database", url).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["serve", "--listen", "0.0.0.0:0"], {}, "--insecure-listen-anywhere"),
        (["serve", "--listen", "nonsense"], {}, "MSEARCH_LISTEN"),
        (["serve"], {"MSEARCH_THREADS": "many"}, "MSEARCH_THREADS"),
        (["migrate", "--database", "mysql://x"], {}, "mysql://x"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    outcome = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)], env=variables)
    assert outcome.exit_code == 1
    assert message in outcome.stderr


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        outcome = run("serve", "--listen", running.service.address, "--data-dir", str(tmp_path / "other"))
        assert outcome.returncode == 1
        assert f"cannot listen on {running.service.address}" in outcome.stderr


def test_an_order_by_no_known_score_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MSEARCH_DEFAULT_ORDER"), service_in_process(tmp_path, default_order="x:1"):
        pass


def test_flags_win_over_variables_and_variables_over_defaults(tmp_path: Path) -> None:
    variables = {"MSEARCH_LISTEN": "127.0.0.1:1", "MSEARCH_THREADS": "3", "MSEARCH_DATA_DIR": str(tmp_path)}
    settings = read_settings(variables, listen="[::1]:2")
    assert (settings.listen, settings.threads, settings.retrieved) == ("[::1]:2", 3, 1000)
    assert settings.database == f"sqlite:///{tmp_path / 'msearch.db'}"
    assert settings.listens_on_loopback
    assert not read_settings({}, listen="10.0.0.1:5").listens_on_loopback
    assert not read_settings({}, listen="[::]:5").listens_on_loopback
    with pytest.raises(SettingsError, match="MSEARCH_LOG_FORMAT"):
        read_settings({"MSEARCH_LOG_FORMAT": "xml"})
