"""The agent's settings: one frozen value, read once, from flags and from variables that begin with MSEARCH_."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "MSEARCH_"


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the authority that signed the service's certificate, and this agent's own pair for mutual TLS."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set.

    `artifact_root`: folder below which external artifacts named by a file:// address may be read; None refuses them.
    `idle_exit_s`: end after so long without a job; 0 never. `once`: end after one job. `release_on_stop`: give a
    running job back on SIGTERM instead of finishing it; `grace_s`: give it back so long after SIGTERM, 0 never.
    `largest_form_bytes`: the service is asked to keep made files up to that size; 0 for none.
    """

    server: str
    name: str
    data_dir: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: int = 1
    token: str = ""
    tls: TlsFiles | None = None
    price_table: Path | None = None
    artifact_root: Path | None = None
    once: bool = False
    idle_exit_s: float = 0.0
    release_on_stop: bool = False
    grace_s: float = 0.0
    cache_bytes: int = 20 << 30
    largest_form_bytes: int = 1 << 30
    log_format: str = "console"

    @property
    def artifacts(self) -> Path:
        """Where artifacts are kept by digest."""
        return self.data_dir / "artifacts"

    @property
    def compiled(self) -> Path:
        """Where backends keep what they compiled."""
        return self.data_dir / "compiled"

    @property
    def work(self) -> Path:
        """Where this agent's jobs have their folders; other agents may share the folder above it."""
        return self.data_dir / "work" / (re.sub(r"[^\w.-]", "-", self.name).strip(".") or "agent")


def read_settings(
    *,
    server: str | None = None,
    name: str | None = None,
    labels: Sequence[str] = (),
    capacity: int = 1,
    data_dir: Path | None = None,
    token: str | None = None,
    token_file: Path | None = None,
    tls: bool = False,
    tls_files: TlsFiles | None = None,
    price_table: Path | None = None,
    artifact_root: Path | None = None,
    once: bool = False,
    idle_exit_s: float = 0.0,
    release_on_stop: bool = False,
    grace_s: float = 0.0,
    largest_form_mib: int = 1024,
    log_format: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from flags, then from the environment.

    Raises:
        SettingsError: a value cannot be used.
    """
    files = tls_files or TlsFiles()
    if (files.certificate is None) != (files.key is None):
        raise SettingsError("a certificate and its key belong together: give both --tls-cert and --tls-key")
    if capacity < 1:
        raise SettingsError(f"the capacity must be at least 1, not {capacity}")
    for what, file in (("price table", price_table), ("token file", token_file)):
        if file is not None and not file.is_file():
            raise SettingsError(f"the {what} {file} is no file")
    return Settings(
        server=server or environment.get(f"{PREFIX}SERVER") or "localhost:50051",
        name=name or environment.get(f"{PREFIX}AGENT_NAME") or socket.gethostname(),
        data_dir=(data_dir or _default_data_dir(environment)).expanduser().absolute(),
        labels=dict(_read_label(text) for text in labels),
        capacity=capacity,
        token=_read_token(token, token_file, environment),
        tls=files if tls or files != TlsFiles() else None,
        price_table=None if price_table is None else price_table.absolute(),
        artifact_root=None if artifact_root is None else artifact_root.absolute(),
        once=once,
        idle_exit_s=idle_exit_s,
        release_on_stop=release_on_stop,
        grace_s=grace_s,
        largest_form_bytes=largest_form_mib << 20,
        log_format=log_format or environment.get(f"{PREFIX}LOG_FORMAT") or "console",
    )


def _default_data_dir(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get(f"{PREFIX}AGENT_DIR"):
        return Path(chosen)
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "msearch-agent"


def _read_label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise SettingsError(f"a label must read KEY=VALUE, not {text!r}")
    return key, value


def _read_token(token: str | None, token_file: Path | None, environment: Mapping[str, str]) -> str:
    if token is not None and token_file is not None:
        raise SettingsError("give either --token or --token-file")
    if token_file is not None:
        return token_file.read_text(encoding="utf-8").strip()
    return token or environment.get(f"{PREFIX}TOKEN", "")
