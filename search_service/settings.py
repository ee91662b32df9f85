"""The service's settings: one frozen value, read once, from flags and from variables that begin with MSEARCH_."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "MSEARCH_"
LOG_FORMATS = ("json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; each field is the variable MSEARCH_ and its name in capitals.

    `database` and `blobs` are URLs and default to places in `data_dir`. `default_order` reads "score" or
    "score:weight,score:weight". `retrieved` is the number of candidates for which other scores than adaptivity are
    computed when they decide the order. Each answered search is logged at the level debug.
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
    signature_cache_bytes: int = 256 << 20
    grace_s: int = 10

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        host = self.listen.rpartition(":")[0].strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or self.listen.startswith("unix:")

    @property
    def uses_default_database(self) -> bool:
        """Whether the database is the local file in the data folder."""
        return self.database == default_database(self.data_dir)


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
        signature_cache_bytes=integer("signature_cache_bytes", lowest=0),
        grace_s=integer("grace_s", lowest=0),
    )


_DEFAULTS = Settings(data_dir=Path(), database="", blobs="")


def _default_data_dir(variables: Mapping[str, str]) -> Path:
    return Path(variables.get("XDG_DATA_HOME") or "~/.local/share") / "msearch"


def _check_listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) <= 65_535):
        raise SettingsError(f"{PREFIX}LISTEN must read host:port, such as 127.0.0.1:50051, not {value!r}")
    return value


def _check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingsError(f"{PREFIX}{name} must be {', '.join(allowed[:-1])} or {allowed[-1]}, not {value!r}")
    return value
