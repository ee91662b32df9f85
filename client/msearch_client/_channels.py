"""Opens the channel to the service: plain or TLS, and never with a token where others could read it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from msearch_client._errors import LocalError

LARGEST_MESSAGE_BYTES = 64 << 20
GRPC_SCHEMES = ("unix", "unix-abstract", "dns", "ipv4", "ipv6", "vsock", "xds")

CHANNEL_OPTIONS: dict[str, int] = {
    "grpc.max_receive_message_length": LARGEST_MESSAGE_BYTES,
    "grpc.max_send_message_length": LARGEST_MESSAGE_BYTES,
    # A service that restarts is found again within a retry; the default waits a second and more.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.keepalive_time_ms": 60_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How a channel is protected. Paths are PEM files; without `ca` the authorities that gRPC trusts count."""

    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    token: str = ""
    insecure: bool = False

    def __repr__(self) -> str:
        return f"Security(tls={self.tls}, token={'set' if self.token else 'none'})"


UNPROTECTED = Security()


def open_channel(server: str, options: Mapping[str, Any], security: Security) -> grpc.Channel:
    """A channel to `server`.

    Raises:
        LocalError: the address is malformed, a PEM file cannot be used, or a token would travel unprotected.
    """
    check_server(server)
    check_token(security.token)
    chosen = CHANNEL_OPTIONS | dict(options)
    local = is_local(server)
    if local:
        # A proxy set for the outside world cannot reach this machine's own ports.
        chosen = {"grpc.enable_http_proxy": 0} | chosen
    if security.tls:
        return grpc.secure_channel(server, _credentials(security), options=list(chosen.items()))
    if security.ca or security.cert or security.key:
        raise LocalError("files for TLS are named, but TLS is switched off", hint="leave the files out, or TLS on")
    if security.token and not local and not security.insecure:
        raise LocalError(
            f"the token is not sent to {server} without TLS, where others could read it",
            hint="turn TLS on with MSEARCH_TLS=1 or Client(tls=True); if the network itself is safe, say so with "
            "MSEARCH_INSECURE=1 or Client(insecure=True)",
        )
    return grpc.insecure_channel(server, options=list(chosen.items()))


def is_local(server: str) -> bool:
    """Whether calls to this address stay on this machine: a loopback address, "localhost" or a Unix socket."""
    scheme, colon, rest = server.partition(":")
    if colon and scheme in GRPC_SCHEMES:
        if scheme in ("unix", "unix-abstract"):
            return True
        server = rest.rpartition("/")[2]
    host = re.sub(r":\d+$", "", server) if not server.startswith("[") else server[1:].partition("]")[0]
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_server(server: str) -> None:
    """Checks the form of an address.

    Raises:
        LocalError: it is neither host:port nor a gRPC target such as unix:/path or dns:///host:port.
    """
    scheme, _, _ = server.partition(":")
    if scheme in GRPC_SCHEMES:
        return
    host, _, port = server.rpartition(":")
    if not host or "/" in server or not port.isdigit() or not 0 < int(port) < 65536:
        raise LocalError(
            f"the server address {server!r} is not of the form host:port", hint="for example localhost:50051"
        )


def check_token(token: str) -> None:
    """Checks that a token can travel as metadata, without showing it.

    Raises:
        LocalError: it holds spaces, or characters beyond ASCII.
    """
    if token and not re.fullmatch(r"[!-~]+", token):
        raise LocalError("the token holds characters that no token has", hint="copy it again, without spaces or quotes")


def _credentials(security: Security) -> grpc.ChannelCredentials:
    if (security.cert is None) != (security.key is None):
        given, missing = ("cert", "key") if security.key is None else ("key", "cert")
        raise LocalError(f"mutual TLS needs both certificate and key, and only the {given} is given",
                         hint=f"set MSEARCH_TLS_{missing.upper()} or Client({missing}=...) too")  # fmt: skip
    return grpc.ssl_channel_credentials(
        root_certificates=_read_pem(security.ca, "CERTIFICATE"),
        private_key=_read_pem(security.key, "PRIVATE KEY"),
        certificate_chain=_read_pem(security.cert, "CERTIFICATE"),
    )


def _read_pem(path: Path | None, kind: str) -> bytes | None:
    """The bytes of a PEM file. gRPC itself would only fail at the first call, without naming the file."""
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LocalError(f"cannot read {path}: {error.strerror or error}") from None
    if b"-----BEGIN " not in data or f"{kind}-----".encode() not in data:
        raise LocalError(
            f"{path} is not a PEM file with a {kind.lower()}", hint="it must hold a line -----BEGIN ...-----"
        )
    return data
