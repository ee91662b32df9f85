"""Where the service is and how to reach it: an argument, then a variable, then the config file, then the default."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msearch_client._errors import LocalError

DEFAULT_SERVER = "localhost:50051"
DEFAULT_TIMEOUT_S = 30.0
TEXTS = ("server", "tls_ca", "tls_cert", "tls_key", "token")
SWITCHES = ("tls", "insecure")
KEYS = ("server", "timeout_s", "tls", "tls_ca", "tls_cert", "tls_key", "token", "insecure")

_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it comes from, in words."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a client needs to know before it calls. Files of keys and certificates are paths, or None."""

    config_file: Path
    server: Setting
    timeout_s: Setting
    tls: Setting
    tls_ca: Setting
    tls_cert: Setting
    tls_key: Setting
    token: Setting
    insecure: Setting


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The config file: MSEARCH_CONFIG, or msearch/config.toml in the platform's folder for configuration."""
    if chosen := environment.get("MSEARCH_CONFIG"):
        return Path(chosen)
    if sys.platform == "win32":
        folder = Path(environment.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "msearch" / "config.toml"


def read_settings(
    server: str | None = None,
    timeout_s: float | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    tls: bool | None = None,
    ca: str | os.PathLike[str] | None = None,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    token: str | None = None,
    insecure: bool | None = None,
) -> Settings:
    """Settings in force, explicit values first. TLS is on where a certificate or an authority is named.

    Raises:
        LocalError: the config file or a variable cannot be understood.
    """
    stored = _read_config(config_path(environment), named="MSEARCH_CONFIG" in environment)
    files = {
        name: _path(_choose(name, given, None, environment, stored))
        for name, given in (("tls_ca", ca), ("tls_cert", cert), ("tls_key", key))
    }
    named = next((item for item in files.values() if item.value is not None), None)
    implied = Setting(False, "default") if named is None else Setting(True, f"a file of TLS is named ({named.origin})")
    chosen_tls = _choose("tls", tls, None, environment, stored)
    return Settings(
        config_file=stored.path,
        server=_choose("server", server, DEFAULT_SERVER, environment, stored),
        timeout_s=_seconds(_choose("timeout_s", timeout_s, DEFAULT_TIMEOUT_S, environment, stored)),
        tls=implied if chosen_tls.value is None else _switch("tls", chosen_tls),
        token=_choose("token", token, "", environment, stored),
        insecure=_switch("insecure", _choose("insecure", insecure, False, environment, stored)),
        **files,
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    path: Path
    values: Mapping[str, Any]


def _choose(key: str, given: Any, default: Any, environment: Mapping[str, str], stored: _Stored) -> Setting:
    variable = f"MSEARCH_{key.upper()}"
    if given is not None:
        return Setting(given, "argument")
    if environment.get(variable):
        return Setting(environment[variable], f"variable {variable}")
    if key in stored.values:
        return Setting(stored.values[key], f"file {stored.path}")
    return Setting(default, "default")


def _path(setting: Setting) -> Setting:
    return setting if setting.value is None else Setting(Path(setting.value).expanduser(), setting.origin)


def _switch(name: str, setting: Setting) -> Setting:
    value = setting.value if isinstance(setting.value, bool) else _SWITCH.get(str(setting.value).lower())
    if value is None:
        raise LocalError(f"{name} must be true or false, not {setting.value!r} ({setting.origin})")
    return Setting(value, setting.origin)


def _seconds(setting: Setting) -> Setting:
    try:
        seconds = float(setting.value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise LocalError(f"timeout_s must be a number of seconds above 0, not {setting.value!r} ({setting.origin})")
    return Setting(seconds, setting.origin)


def _read_config(path: Path, *, named: bool) -> _Stored:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if named:
            raise LocalError(f"MSEARCH_CONFIG names {path}, which does not exist") from None
        return _Stored(path, {})
    except OSError as error:
        raise LocalError(f"cannot read the config file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise LocalError(f"the config file {path} is not UTF-8 text (byte {error.start})") from None
    try:
        stored = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LocalError(f"the config file {path} is not TOML: {error}") from None
    for key, value in stored.items():
        if key not in KEYS:
            raise LocalError(f"the config file {path} has the unknown key {key!r}", hint=f"known: {', '.join(KEYS)}")
        if key in TEXTS and not isinstance(value, str):
            shown = "another value" if key == "token" else repr(value)
            raise LocalError(f"{key} must be a string in the config file {path}, not {shown}")
        if key in SWITCHES and not isinstance(value, bool):
            raise LocalError(f"{key} must be true or false in the config file {path}, not {value!r}")
    return _Stored(path, stored)
