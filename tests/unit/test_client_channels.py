"""How the client connects: TLS, mutual TLS, tokens, and where it refuses to send one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from msearch_client import Client, LocalError, UnauthenticatedError, UnavailableError
from msearch_client._channels import Security, is_local, open_channel
from msearch_client._settings import read_settings
from tests.certificates import Authority, Signed
from tests.scripted_service import Script, scripted_service

LOCAL = ["localhost:1", "LOCALHOST:1", "127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "unix:/tmp/s", "unix-abstract:s",
         "dns:///localhost:1", "ipv4:127.0.0.1:1"]  # fmt: skip
ELSEWHERE = ["example.org:1", "10.0.0.1:1", "127.example.org:1", "localhost.example.org:1", "[2001:db8::1]:1",
             "dns:///example.org:1", "ipv4:10.0.0.1:1", "0.0.0.0:1"]  # fmt: skip


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SERVER", "TOKEN", "TLS", "TLS_CA", "TLS_CERT", "TLS_KEY", "INSECURE", "CONFIG"):
        monkeypatch.delenv(f"MSEARCH_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing-here"))


@pytest.mark.parametrize("server", LOCAL)
def test_addresses_of_this_machine(server: str) -> None:
    assert is_local(server)


@pytest.mark.parametrize("server", ELSEWHERE)
def test_addresses_of_other_machines(server: str) -> None:
    assert not is_local(server)


@pytest.mark.parametrize("server", ELSEWHERE)
def test_a_token_does_not_travel_in_the_clear(server: str) -> None:
    with pytest.raises(LocalError, match="without TLS") as caught:
        Client(server, token="msearch_hush")
    assert "MSEARCH_TLS=1" in caught.value.hint
    assert "hush" not in caught.value.message + caught.value.hint
    Client(server, token="msearch_hush", insecure=True).close()
    Client(server, token="msearch_hush", tls=True).close()
    Client(server).close()


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "tökén"])
def test_a_token_that_is_none_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(LocalError, match="characters that no token has") as caught:
        Client("localhost:1", token=token)
    assert token not in str(caught.value.to_dict())
    assert token not in repr(Security(token=token))


def test_every_kind_of_call_carries_the_token() -> None:
    script = Script()
    with scripted_service(script) as address, Client(address, token="msearch_t") as client:
        client.list_agents()
        client.list_tokens()
        client.list_profiles().to_dicts()
    assert script.tokens_seen == ["Bearer msearch_t"] * 3


def test_without_a_token_nothing_is_sent() -> None:
    script = Script()
    with scripted_service(script) as address, Client(address) as client:
        client.list_agents()
    assert script.tokens_seen == [""]


def test_a_refused_token_is_an_error_of_its_own() -> None:
    script = Script()
    script.failures["ListAgents"] = (16, "UNAUTHENTICATED", "the token is revoked")
    refused = pytest.raises(UnauthenticatedError, match="the token is revoked")
    with scripted_service(script) as address, Client(address, token="msearch_t") as client, refused as caught:
        client.list_agents()
    assert "MSEARCH_TOKEN" in caught.value.hint


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def caller(authority: Authority) -> Signed:
    return authority.sign("caller")


@pytest.fixture(scope="module")
def secured(authority: Authority) -> Iterator[str]:
    """A service that speaks TLS."""
    certificate, key = authority.sign("service").pems
    with scripted_service(Script(), grpc.ssl_server_credentials([(key, certificate)])) as address:
        yield address


@pytest.fixture(scope="module")
def mutual(authority: Authority) -> Iterator[str]:
    """A service that wants a certificate of its callers."""
    certificate, key = authority.sign("service").pems
    trusted = authority.certificate.read_bytes()
    credentials = grpc.ssl_server_credentials([(key, certificate)], trusted, require_client_auth=True)
    with scripted_service(Script(), credentials) as address:
        yield address


def test_tls_with_an_authority_of_ones_own(secured: str, authority: Authority) -> None:
    with Client(secured, ca=authority.certificate, token="msearch_t") as client:
        assert client.list_agents() == ()


def test_tls_from_variables_and_from_the_config_file(
    secured: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSEARCH_TLS_CA", str(authority.certificate))
    with Client(secured) as client:
        assert client.list_agents() == ()
    monkeypatch.delenv("MSEARCH_TLS_CA")
    config = tmp_path / "config.toml"
    config.write_text(f'server = "{secured}"\ntls = true\ntls_ca = "{authority.certificate}"\n', encoding="utf-8")
    monkeypatch.setenv("MSEARCH_CONFIG", str(config))
    with Client() as client:
        assert client.list_agents() == ()


def test_mutual_tls(mutual: str, authority: Authority, caller: Signed) -> None:
    with Client(mutual, ca=authority.certificate, cert=caller.certificate, key=caller.key) as client:
        assert client.list_agents() == ()
    with Client(mutual, ca=authority.certificate, retries=0, timeout_s=10) as client, pytest.raises(UnavailableError):
        client.list_agents()


def test_a_stranger_is_not_trusted(secured: str, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    refused = pytest.raises(UnavailableError, match="certificate is not trusted here")
    with Client(secured, ca=stranger.certificate, retries=0, timeout_s=10) as client, refused as caught:
        client.list_agents()
    assert "MSEARCH_TLS_CA" in caught.value.hint


def test_a_plain_client_of_a_secured_service_is_told_of_tls(secured: str) -> None:
    with Client(secured, retries=0, timeout_s=10) as client, pytest.raises(UnavailableError) as caught:
        client.list_agents()
    assert "MSEARCH_TLS" in caught.value.hint


def test_a_secured_client_of_a_plain_service_is_told_of_tls() -> None:
    options: dict[str, Any] = {"tls": True, "retries": 0, "timeout_s": 10}
    refused = pytest.raises(UnavailableError, match="does not speak TLS")
    with scripted_service(Script()) as address, Client(address, **options) as client, refused as caught:
        client.list_agents()
    assert "MSEARCH_TLS" in caught.value.hint


def test_files_that_cannot_be_used_are_named(tmp_path: Path, caller: Signed, authority: Authority) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello", encoding="utf-8")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"ca": tmp_path / "none.pem"}, r"cannot read .*none\.pem"),
        ({"ca": text}, r"notes\.txt is not a PEM file with a certificate"),
        ({"cert": caller.certificate}, "only the cert is given"),
        ({"key": caller.key}, "only the key is given"),
        ({"cert": caller.certificate, "key": caller.certificate}, "is not a PEM file with a private key"),
        ({"ca": authority.certificate, "tls": False}, "TLS is switched off"),
    ]
    for options, problem in cases:
        with pytest.raises(LocalError, match=problem):
            Client("localhost:1", **options)


def test_a_channel_that_was_handed_in_is_the_callers_judgement() -> None:
    script = Script()
    with (
        scripted_service(script) as address,
        grpc.insecure_channel(address) as channel,
        Client("example.org:1", channel=channel, token="msearch_t") as client,
    ):
        client.list_agents()
    assert script.tokens_seen == ["Bearer msearch_t"]


def test_settings_of_tls_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    settings = read_settings(
        environment={"MSEARCH_TLS_CA": "~/ca.pem", "MSEARCH_TOKEN": "t", "MSEARCH_INSECURE": "yes"}
    )
    assert settings.tls.value is True
    assert "MSEARCH_TLS_CA" in settings.tls.origin
    assert settings.tls_ca.value == Path.home() / "ca.pem"
    assert (settings.token.value, settings.insecure.value) == ("t", True)
    assert read_settings(environment={"MSEARCH_TLS": "0", "MSEARCH_TLS_CA": "x"}).tls.value is False
    with pytest.raises(LocalError, match="tls must be true or false, not 'perhaps'"):
        read_settings(environment={"MSEARCH_TLS": "perhaps"})
    config = tmp_path / "config.toml"
    for line, problem in [("token = 5", "token must be a string"), ("tls = 'yes'", "tls must be true or false")]:
        config.write_text(line, encoding="utf-8")
        with pytest.raises(LocalError, match=problem):
            read_settings(environment={"MSEARCH_CONFIG": str(config)})


def test_options_of_a_channel_replace_the_clients_own() -> None:
    with open_channel("localhost:1", {"grpc.keepalive_time_ms": 1}, Security()) as channel:
        assert isinstance(channel, grpc.Channel)
