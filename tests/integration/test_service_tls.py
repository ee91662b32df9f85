"""TLS and mutual TLS over a real socket, and the rule on where the service may listen."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typer.testing import CliRunner

from msearch.v1 import search_service_pb2 as spb
from msearch.v1.search_service_pb2_grpc import SearchServiceStub
from search_service.__main__ import app
from search_service.settings import Settings, SettingsError, TlsFiles, check_exposure, read_settings
from tests.certificates import Authority, Signed
from tests.service_in_process import Running, open_channel, service_in_process


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Signed:
    return authority.sign("server")


def files(server: Signed, **more: Path) -> dict[str, str]:
    paths = {"listen_tls_cert": server.certificate, "listen_tls_key": server.key} | more
    return {name: str(path) for name, path in paths.items()}


def trusting(authority: Authority, caller: Signed | None = None) -> grpc.ChannelCredentials:
    """Credentials of a caller who trusts the authority and may show a certificate of its own."""
    certificate, key = caller.pems if caller else (None, None)
    return grpc.ssl_channel_credentials(authority.certificate.read_bytes(), key, certificate)


def ask(address: str, credentials: grpc.ChannelCredentials | None) -> spb.ListScoresResponse:
    with open_channel(address, credentials) as channel:
        response: spb.ListScoresResponse = SearchServiceStub(channel).ListScores(spb.ListScoresRequest(), timeout=10)
        return response


def refused_handshake(address: str, credentials: grpc.ChannelCredentials | None) -> bool:
    with pytest.raises(grpc.RpcError) as caught:
        ask(address, credentials)
    return caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_calls_are_answered_over_tls_and_not_without(tmp_path: Path, authority: Authority, server: Signed) -> None:
    with service_in_process(tmp_path, credentials=trusting(authority), **files(server)) as running:
        assert running.search.ListScores(spb.ListScoresRequest()).scores
        health = health_pb2_grpc.HealthStub(running.channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        assert refused_handshake(running.service.address, None)
        stranger = Authority(tmp_path, "stranger")
        assert refused_handshake(running.service.address, trusting(stranger))


def test_old_versions_of_tls_are_not_spoken(tmp_path: Path, authority: Authority, server: Signed) -> None:
    def version_with(address: str, newest: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.set_alpn_protocols(["h2"])
        context.set_ciphers("ALL:@SECLEVEL=0")  # or the caller itself would not speak old versions
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
        host, _, port = address.rpartition(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host) as s,
        ):
            return s.version()

    with service_in_process(tmp_path, credentials=trusting(authority), **files(server)) as running:
        assert version_with(running.service.address, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        with pytest.warns(DeprecationWarning, match="TLS"), pytest.raises(ssl.SSLError) as caught:
            version_with(running.service.address, ssl.TLSVersion.TLSv1_1)
        # The server ended it, whether or not it said why; NO_PROTOCOLS_AVAILABLE would be the caller's own refusal.
        assert caught.value.reason in ("TLSV1_ALERT_PROTOCOL_VERSION", "UNEXPECTED_EOF_WHILE_READING")


@pytest.fixture
def mutual(tmp_path: Path, authority: Authority, server: Signed) -> Iterator[tuple[Running, Signed]]:
    """A service that asks its callers for certificates, and one that it accepts."""
    caller = authority.sign("caller")
    settings = files(server, listen_tls_client_ca=authority.certificate)
    with service_in_process(tmp_path, credentials=trusting(authority, caller), **settings) as running:
        yield running, caller


def test_mutual_tls_lets_in_who_has_a_certificate(mutual: tuple[Running, Signed]) -> None:
    running, _ = mutual
    assert running.search.ListScores(spb.ListScoresRequest()).scores


def test_mutual_tls_refuses_who_has_none(mutual: tuple[Running, Signed], authority: Authority) -> None:
    running, _ = mutual
    assert refused_handshake(running.service.address, trusting(authority))
    assert refused_handshake(running.service.address, None)


def test_mutual_tls_refuses_a_certificate_of_another_authority(
    mutual: tuple[Running, Signed], authority: Authority, tmp_path: Path
) -> None:
    running, _ = mutual
    stranger = Authority(tmp_path, "stranger").sign("burglar")
    assert refused_handshake(running.service.address, trusting(authority, stranger))


def shown_certificate(address: str) -> str:
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)))


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path, authority: Authority, server: Signed) -> None:
    with service_in_process(tmp_path, credentials=trusting(authority), **files(server)) as running:
        before = shown_certificate(running.service.address)
        renewed = authority.sign("renewed")
        server.certificate.write_bytes(renewed.certificate.read_bytes())
        # The key is still the old one: half a renewal changes nothing, and nobody is turned away.
        assert shown_certificate(running.service.address) == before
        assert ask(running.service.address, trusting(authority)).scores
        server.key.write_bytes(renewed.key.read_bytes())
        after = shown_certificate(running.service.address)
        assert after != before
        assert after.split() == renewed.certificate.read_text().split()
        assert ask(running.service.address, trusting(authority)).scores
        server.key.unlink()
        assert shown_certificate(running.service.address) == after


BROKEN = {
    "no such certificate": ({"listen_tls_cert": "missing.pem"}, "MSEARCH_LISTEN_TLS_CERT: "),
    "no such key": ({"listen_tls_key": "missing.pem"}, "MSEARCH_LISTEN_TLS_KEY: "),
    "no such authority": ({"listen_tls_client_ca": "missing.pem"}, "MSEARCH_LISTEN_TLS_CLIENT_CA: "),
    "key of another certificate": ({"listen_tls_key": "other.key"}, "its own private key"),
    "certificate is no PEM": ({"listen_tls_cert": "noise"}, "give a PEM certificate"),
    "key is no PEM": ({"listen_tls_key": "noise"}, "without a password"),
    "key has a password": ({"listen_tls_cert": "locked.pem", "listen_tls_key": "locked.key"}, "without a password"),
    "authority is no PEM": ({"listen_tls_client_ca": "noise"}, "MSEARCH_LISTEN_TLS_CLIENT_CA"),
    "authority is empty": ({"listen_tls_client_ca": "empty"}, "MSEARCH_LISTEN_TLS_CLIENT_CA"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_cannot_be_used_are_named_before_anything_starts(
    tmp_path: Path, authority: Authority, server: Signed, case: str
) -> None:
    authority.sign("other")
    authority.sign("locked", password=b"secret")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    (tmp_path / "empty").write_bytes(b"")
    changed, problem = BROKEN[case]
    settings = files(server) | {name: str(tmp_path / path) for name, path in changed.items()}
    with pytest.raises(SettingsError, match=problem), service_in_process(tmp_path, **settings):
        pass


def settings_for(listen: str, **values: str) -> Settings:
    return read_settings({}, listen=listen, **values)


CERTIFIED = {"listen_tls_cert": "c.pem", "listen_tls_key": "k.pem"}
MUTUAL = CERTIFIED | {"listen_tls_client_ca": "ca.pem"}


@pytest.mark.parametrize("values", [{}, {"require_tokens": "always"}])
def test_without_tls_only_loopback_is_listened_on(values: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"there is no TLS: give --tls-cert and --tls-key.*--insecure-listen"):
        check_exposure(settings_for("0.0.0.0:1", **values))
    for loopback in ("127.0.0.1:1", "[::1]:1", "localhost:1", "127.9.9.9:1"):
        assert check_exposure(settings_for(loopback, **values)) == settings_for(loopback, **values)
    assert check_exposure(settings_for("0.0.0.0:1", **values), insecure_anywhere=True).tls is None


def test_with_tls_somebody_must_sign_in() -> None:
    with pytest.raises(SettingsError, match="nobody has to sign in: require tokens, or certificates with --tls-client"):
        check_exposure(settings_for("10.0.0.1:1", require_tokens="never", **CERTIFIED))
    assert check_exposure(settings_for("10.0.0.1:1", require_tokens="never", **MUTUAL)).require_tokens == "never"
    assert check_exposure(settings_for("10.0.0.1:1", **CERTIFIED)).require_tokens == "always"
    assert check_exposure(settings_for("10.0.0.1:1", **MUTUAL)).require_tokens == "always"
    assert check_exposure(settings_for("127.0.0.1:1", **CERTIFIED)).require_tokens == "auto"
    insecure = check_exposure(settings_for("10.0.0.1:1", **CERTIFIED), insecure_anywhere=True)
    assert insecure.require_tokens == "auto"


def test_tls_settings_come_together() -> None:
    with pytest.raises(SettingsError, match="MSEARCH_LISTEN_TLS_KEY is missing"):
        read_settings({"MSEARCH_LISTEN_TLS_CERT": "c.pem"})
    with pytest.raises(SettingsError, match="MSEARCH_LISTEN_TLS_CERT is missing"):
        read_settings({"MSEARCH_LISTEN_TLS_CLIENT_CA": "ca.pem"})
    with pytest.raises(SettingsError, match="MSEARCH_REQUIRE_TOKENS"):
        read_settings({"MSEARCH_REQUIRE_TOKENS": "sometimes"})
    read = read_settings({"MSEARCH_LISTEN_TLS_CERT": "c.pem", "MSEARCH_LISTEN_TLS_KEY": "k.pem"})
    assert read.tls == TlsFiles(certificate=Path("c.pem"), key=Path("k.pem"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "there is no TLS"),
        (["--tls-cert", "{cert}", "--tls-key", "{key}", "--require-tokens", "never"], "nobody has to sign in"),
        (["--tls-cert", "{cert}"], "MSEARCH_LISTEN_TLS_KEY is missing"),
    ],
)
def test_the_program_refuses_to_listen_anywhere(tmp_path: Path, server: Signed, words: list[str], problem: str) -> None:
    given = [word.format(cert=server.certificate, key=server.key) for word in words]
    outcome = CliRunner().invoke(app, ["serve", "--listen", "0.0.0.0:0", "--data-dir", str(tmp_path), *given], env={})
    assert outcome.exit_code == 1
    assert problem in outcome.stderr
