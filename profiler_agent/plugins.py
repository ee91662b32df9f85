"""Plug-ins: one file each beside their package's `__init__`, or an entry point of another distribution."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any


def find_plugins(package: str, path: Iterable[str], attribute: str, group: str) -> dict[str, Any]:
    """By name, what the modules of a package hold under `attribute`, and what the entry points of `group` load.

    Modules whose names begin with an underscore are left alone: they import runtimes. An entry point of the same name
    replaces the package's own.
    """
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(path):
        if module.name.startswith("_"):
            continue
        plugin = getattr(importlib.import_module(f"{package}.{module.name}"), attribute, None)
        if plugin is not None:
            found[plugin.name] = plugin
    for entry in entry_points(group=group):
        plugin = entry.load()
        found[plugin.name] = plugin
    return dict(sorted(found.items()))
