"""The server's side of TLS: reads the files, checks them before the first handshake, and follows their renewal."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from search_service.settings import PREFIX, SettingsError, TlsFiles

_log = structlog.get_logger()


def tls_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that read renewed files by themselves: a connection made after a renewal sees the new certificate.

    With a client CA only callers whose certificate it signed get a connection (mutual TLS).

    Raises:
        SettingsError: a file cannot be read, is not PEM, or the key is not the certificate's.
    """
    follower = _Follower(files)
    credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        follower.first,
        follower.renewed,  # type: ignore[arg-type]  # None keeps the present one, which the stubs do not know
        require_client_authentication=files.client_ca is not None,
    )
    return credentials


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Tells one state of a file from another."""

    changed_ns: int
    size_bytes: int
    inode: int


class _Follower:
    """Reads the files again once one of them has changed; files that do not fit each other yet are left for later."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamps = self._look()
        self._refused: tuple[_Stamp, ...] = ()
        self.first = _read(files)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called at each handshake: the new configuration, or None to keep the present one. Never raises."""
        with self._lock:
            try:
                stamps = self._look()
                if stamps in (self._stamps, self._refused):
                    return None
                configuration = _read(self._files)
            except SettingsError as error:
                # A renewal writes several files; between them they do not fit. The next handshake looks again.
                self._refused = _looked_at(self._files)
                _log.warning("tls_files_refused", problem=str(error))
                return None
            self._stamps = stamps
            _log.info("tls_files_renewed", certificate=str(self._files.certificate))
            return configuration

    def _look(self) -> tuple[_Stamp, ...]:
        stamps = _looked_at(self._files)
        if len(stamps) < len(self._files.paths):
            _read(self._files)  # says which one is missing
        return stamps


def _looked_at(files: TlsFiles) -> tuple[_Stamp, ...]:
    stamps = []
    for path in files.paths:
        try:
            found = path.stat()
        except OSError:
            continue
        stamps.append(_Stamp(found.st_mtime_ns, found.st_size, found.st_ino))
    return tuple(stamps)


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    certificate = _content(files.certificate, "LISTEN_TLS_CERT")
    key = _content(files.key, "LISTEN_TLS_KEY")
    authorities = None if files.client_ca is None else _content(files.client_ca, "LISTEN_TLS_CLIENT_CA")
    _check(files)
    return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=authorities)


def _content(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{PREFIX}{setting}: {path} cannot be read ({error.strerror})") from None


def _check(files: TlsFiles) -> None:
    """Of a bad file gRPC itself says only that the handshake failed, and that to the caller."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # The password: without one, OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(files.certificate, files.key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{PREFIX}LISTEN_TLS_CERT {files.certificate} and {PREFIX}LISTEN_TLS_KEY {files.key} cannot be used "
            f"({_named(error)}): give a PEM certificate, with its chain, and its own private key without a password"
        ) from None
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(
                f"{PREFIX}LISTEN_TLS_CLIENT_CA {files.client_ca} cannot be used ({_named(error)}): "
                "give the PEM certificates of the authorities that sign the callers' certificates"
            ) from None


def _named(error: Exception) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else str(error)
    return (reason or "not PEM").replace("_", " ").lower()
