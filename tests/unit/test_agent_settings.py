"""The agent's settings, and what its connection makes of them."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
import pytest

from profiler_agent.connection import LONGEST_PAUSE_S, Backoff, Connection, lease_is_lost, reason_of
from profiler_agent.settings import Settings, SettingsError, TlsFiles, read_settings
from tests.scripted_agent_service import LEASE_LOST, ScriptedService, refuse, serving


def test_flags_win_over_variables() -> None:
    variables = {
        "MSEARCH_SERVER": "there:1",
        "MSEARCH_TOKEN": "t",
        "MSEARCH_AGENT_NAME": "n",
        "MSEARCH_AGENT_DIR": "/d",
    }
    found = read_settings(environment=variables)
    assert (found.server, found.token, found.name, found.data_dir) == ("there:1", "t", "n", Path("/d"))
    assert read_settings(server="here:2", environment=variables).server == "here:2"
    assert read_settings(environment={}).name


@pytest.mark.parametrize("name", ["..", ".", "../../etc", "a/b", "/", "\x00", "node-7.example"])
def test_an_agents_job_folders_stay_below_its_own(name: str, tmp_path: Path) -> None:
    settings = Settings(server="s:1", name=name, data_dir=tmp_path)
    assert settings.work.resolve().parent == tmp_path / "work"


def test_labels_tokens_and_files_are_checked(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("from-file\n")
    assert read_settings(labels=["rack=7", "a=b=c"], environment={}).labels == {"rack": "7", "a": "b=c"}
    assert read_settings(token_file=secret, environment={}).token == "from-file"
    for wrong, words in (
        ({"labels": ["rack"]}, "KEY=VALUE"),
        ({"labels": ["=7"]}, "KEY=VALUE"),
        ({"token": "x", "token_file": secret}, "either"),
        ({"token_file": tmp_path / "none"}, "is no file"),
        ({"price_table": tmp_path}, "is no file"),
        ({"capacity": 0}, "at least 1"),
        ({"tls_files": TlsFiles(certificate=secret)}, "both"),
    ):
        with pytest.raises(SettingsError, match=words):
            read_settings(environment={}, **wrong)  # type: ignore[arg-type]


def test_a_token_does_not_travel_unprotected(tmp_path: Path) -> None:
    settings = Settings(server="192.0.2.1:1", name="one", data_dir=tmp_path, token="secret")
    with pytest.raises(SettingsError, match="unprotected") as caught:
        Connection(settings)
    assert "secret" not in str(caught.value)
    Connection(settings, insecure_token=True).close()


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    tls = TlsFiles(authority=tmp_path / "none.pem")
    with pytest.raises(SettingsError, match=r"none\.pem"):
        Connection(Settings(server="localhost:1", name="one", data_dir=tmp_path, tls=tls))


def test_pauses_grow_to_a_limit_with_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    stopping = threading.Event()
    monkeypatch.setattr(stopping, "wait", pauses.append)
    backoff = Backoff(stopping)
    for _ in range(12):
        backoff.wait()
    backoff.reset()
    backoff.wait()
    for number, pause in enumerate(pauses[:12]):
        whole = min(0.2 * 2**number, LONGEST_PAUSE_S)
        assert whole / 2 <= pause <= whole
    assert pauses[12] <= 0.2
    assert len(set(pauses)) == 13


@pytest.mark.parametrize(
    ("trouble", "lost", "reason"),
    [
        (LEASE_LOST, True, "LEASE_LOST"),
        (refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"), True, "JOB_NOT_FOUND"),
        (refuse(grpc.StatusCode.NOT_FOUND, "SAMPLE_NOT_FOUND"), False, "SAMPLE_NOT_FOUND"),
        (refuse(grpc.StatusCode.NOT_FOUND), False, ""),
        (refuse(grpc.StatusCode.UNAVAILABLE), False, ""),
    ],
)
def test_only_the_reason_says_that_a_lease_is_lost(trouble: object, lost: bool, reason: str, tmp_path: Path) -> None:
    from msearch.v1 import agent_service_pb2 as agents

    service = ScriptedService()
    service.troubles["RenewLease"].append(trouble)  # type: ignore[arg-type]
    with serving(service) as address:
        connection = Connection(Settings(server=address, name="one", data_dir=tmp_path))
        with pytest.raises(grpc.RpcError) as caught:
            connection.call(connection.stub.RenewLease, agents.RenewLeaseRequest())
        connection.close()
    assert (lease_is_lost(caught.value), reason_of(caught.value)) == (lost, reason)
