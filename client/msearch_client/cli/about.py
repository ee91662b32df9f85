"""`version` and `config`: what runs here, and where its settings come from."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed_version
from pathlib import Path

from msearch_client import _settings
from msearch_client.cli.options import Json, Server
from msearch_client.cli.output import print_fields, print_json, print_table
from msearch_sketch.signature import FORMAT_VERSION, SKETCHER_VERSION


def version(*, json: Json = False) -> None:
    """Show the versions of this program and of what it is built on."""
    versions = {
        "msearch": installed_version("msearch"),
        "sketcher": str(SKETCHER_VERSION),
        "signature format": str(FORMAT_VERSION),
        "python": platform.python_version(),
        "grpc": installed_version("grpcio"),
    }
    if json:
        print_json({name.replace(" ", "_"): value for name, value in versions.items()})
    else:
        print_fields(versions)


def _shown(name: str, setting: _settings.Setting) -> _settings.Setting:
    """The setting as it may be shown."""
    value = setting.value
    if name == "token":
        value = "set" if value else None
    return _settings.Setting(str(value) if isinstance(value, Path) else value, setting.origin)


def config(*, server: Server = None, json: Json = False) -> None:
    """Show the settings in force and where each comes from.

    Settings are read from options, then from variables (MSEARCH_ and the name in capitals), then from the config file,
    which MSEARCH_CONFIG may name. The token itself is never shown.
    """
    settings = _settings.read_settings(server)
    values = {name: _shown(name, getattr(settings, name)) for name in _settings.KEYS}
    if json:
        print_json(
            {
                "config_file": str(settings.config_file),
                "config_file_exists": settings.config_file.exists(),
                **{name: {"value": item.value, "origin": item.origin} for name, item in values.items()},
            }
        )
        return
    found = "" if settings.config_file.exists() else " (does not exist)"
    print_table(
        [{"setting": "config file", "value": f"{settings.config_file}{found}", "comes from": ""}]
        + [{"setting": name, "value": _words(item.value), "comes from": item.origin} for name, item in values.items()]
    )


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not set" if value is None else f"{value}"
