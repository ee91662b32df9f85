"""The service's settings: one frozen value, read once, from flags and from variables that begin with MSEARCH_."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

PREFIX = "MSEARCH_"
LOG_FORMATS = ("json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")
TOKEN_RULES = ("auto", "always", "never")


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files of the server's certificate with its chain, of its key, and of the authorities that sign callers'."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that are given."""
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; each field is the variable MSEARCH_ and its name in capitals.

    `database` and `blobs` are URLs and default to places in `data_dir`. `default_order` reads "score" or
    "score:weight,score:weight". `retrieved` is the number of candidates for which other scores than adaptivity are
    computed when they decide the order. Each answered search is logged at the level debug. `tls` comes from
    MSEARCH_LISTEN_TLS_CERT, MSEARCH_LISTEN_TLS_KEY and MSEARCH_LISTEN_TLS_CLIENT_CA (the client's names lack LISTEN).
    `require_tokens` is "always", "never", or "auto": once a token was ever created. `lease_s`: seconds after which an
    agent that does not renew loses its job. `refit_every_s`: seconds between two looks whether the accuracy predictor
    is to be fitted anew; 0 leaves that to RefitPredictor. `evaluation_sample_quota_bytes`: what the evaluation samples
    of one token may take together; 0 sets no limit. `keep_experiments_days`, `keep_profiles_days` and `keep_jobs_days`:
    days after which what has ended is pruned (docs/operating.md); 0 keeps it for ever.
    """

    data_dir: Path
    database: str
    blobs: str
    listen: str = "127.0.0.1:50051"
    default_order: str = "adaptivity"
    log_format: str = "json"
    log_level: str = "info"
    threads: int = 32
    retrieved: int = 1000
    largest_artifact_bytes: int = 8 << 30
    largest_search_rows: int = 10_000_000
    largest_search_bytes: int = 8 << 30
    evaluation_sample_quota_bytes: int = 8 << 30
    signature_cache_bytes: int = 256 << 20
    grace_s: int = 10
    tls: TlsFiles | None = None
    require_tokens: str = "auto"
    lease_s: int = 30
    refit_every_s: int = 60
    keep_experiments_days: int = 0
    keep_profiles_days: int = 0
    keep_jobs_days: int = 0

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        host = self.listen.rpartition(":")[0].strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or self.listen.startswith("unix:")


def default_database(data_dir: Path) -> str:
    """The local SQLite file."""
    return f"sqlite:///{data_dir / 'msearch.db'}"


def read_settings(environment: Mapping[str, str] | None = None, **flags: str | Path | None) -> Settings:
    """Settings from the environment; a flag that is not None wins.

    Raises:
        SettingsError: a value cannot be used.
    """
    variables = os.environ if environment is None else environment
    given = {name: str(value) for name, value in flags.items() if value is not None}

    def text(name: str, default: str) -> str:
        return given.get(name) or variables.get(PREFIX + name.upper()) or default

    def integer(name: str, lowest: int = 1) -> int:
        default: int = getattr(_DEFAULTS, name)
        value = text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            raise SettingsError(f"{PREFIX}{name.upper()} must be a whole number, not {value!r}") from None
        if number < lowest:
            raise SettingsError(f"{PREFIX}{name.upper()} must be at least {lowest}, not {number}")
        return number

    data_dir = Path(text("data_dir", str(_default_data_dir(variables)))).expanduser().absolute()
    return Settings(
        data_dir=data_dir,
        database=text("database", default_database(data_dir)),
        blobs=text("blobs", f"file://{data_dir / 'blobs'}"),
        listen=_check_listen(text("listen", _DEFAULTS.listen)),
        default_order=text("default_order", _DEFAULTS.default_order),
        log_format=_check_one_of("LOG_FORMAT", text("log_format", _DEFAULTS.log_format), LOG_FORMATS),
        log_level=_check_one_of("LOG_LEVEL", text("log_level", _DEFAULTS.log_level), LOG_LEVELS),
        threads=integer("threads"),
        retrieved=integer("retrieved"),
        largest_artifact_bytes=integer("largest_artifact_bytes"),
        largest_search_rows=integer("largest_search_rows"),
        largest_search_bytes=integer("largest_search_bytes"),
        evaluation_sample_quota_bytes=integer("evaluation_sample_quota_bytes", lowest=0),
        signature_cache_bytes=integer("signature_cache_bytes", lowest=0),
        grace_s=integer("grace_s", lowest=0),
        lease_s=integer("lease_s"),
        refit_every_s=integer("refit_every_s", lowest=0),
        keep_experiments_days=integer("keep_experiments_days", lowest=0),
        keep_profiles_days=integer("keep_profiles_days", lowest=0),
        keep_jobs_days=integer("keep_jobs_days", lowest=0),
        tls=_check_tls(*(text(name, "") for name in ("listen_tls_cert", "listen_tls_key", "listen_tls_client_ca"))),
        require_tokens=_check_one_of("REQUIRE_TOKENS", text("require_tokens", _DEFAULTS.require_tokens), TOKEN_RULES),
    )


def check_exposure(settings: Settings, *, insecure_anywhere: bool = False) -> Settings:
    """The settings with which the service may listen where they say.

    Beyond loopback it needs TLS, and callers that sign in: with tokens, which "auto" then always requires, or, where
    the settings say that tokens are never required, with a certificate. `insecure_anywhere` lifts both.

    Raises:
        SettingsError: other machines could reach a service without TLS, or without a sign-in.
    """
    if settings.listens_on_loopback or insecure_anywhere:
        return settings
    reached = f"{settings.listen} can be reached by other machines"
    otherwise = "listen on 127.0.0.1, or say --insecure-listen-anywhere if a trusted network is all around"
    if settings.tls is None:
        raise SettingsError(f"{reached}, and there is no TLS: give --tls-cert and --tls-key, {otherwise}")
    if settings.require_tokens == "never" and settings.tls.client_ca is None:
        raise SettingsError(
            f"{reached}, and nobody has to sign in: require tokens, or certificates with --tls-client-ca, {otherwise}"
        )
    return replace(settings, require_tokens="always") if settings.require_tokens == "auto" else settings


_DEFAULTS = Settings(data_dir=Path(), database="", blobs="")


def _default_data_dir(variables: Mapping[str, str]) -> Path:
    return Path(variables.get("XDG_DATA_HOME") or "~/.local/share") / "msearch"


def _check_listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) <= 65_535):
        raise SettingsError(f"{PREFIX}LISTEN must read host:port, such as 127.0.0.1:50051, not {value!r}")
    return value


def _check_tls(certificate: str, key: str, client_ca: str) -> TlsFiles | None:
    if not (certificate or key or client_ca):
        return None
    for value, name in ((certificate, "LISTEN_TLS_CERT"), (key, "LISTEN_TLS_KEY")):
        if not value:
            raise SettingsError(f"{PREFIX}{name} is missing: TLS needs a certificate and its key")
    cert_file, key_file, ca_file = (Path(value).expanduser() for value in (certificate, key, client_ca))
    return TlsFiles(certificate=cert_file, key=key_file, client_ca=ca_file if client_ca else None)


def _check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingsError(f"{PREFIX}{name} must be {', '.join(allowed[:-1])} or {allowed[-1]}, not {value!r}")
    return value
