"""`version` and `config`: what runs here, and where its settings come from."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed_version

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


def config(*, server: Server = None, json: Json = False) -> None:
    """Show the settings in force and where each comes from.

    Settings are read from options, then from the variables MSEARCH_SERVER and MSEARCH_TIMEOUT_S, then from the config
    file (keys server and timeout_s), which MSEARCH_CONFIG may name.
    """
    settings = _settings.read_settings(server)
    values = {"server": settings.server, "timeout_s": settings.timeout_s}
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
        + [{"setting": name, "value": f"{item.value}", "comes from": item.origin} for name, item in values.items()]
    )
