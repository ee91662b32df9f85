"""Backends by name: every module beside this one with a module-level `BACKEND`, and entry points "msearch.backends"."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from profiler_agent.backends.base import Backend, Feed
from profiler_agent.errors import BackendUnavailable

__all__ = ["Backend", "Feed", "find_backend", "find_backends"]


@cache
def find_backends() -> dict[str, Backend]:
    """All backends by name, available here or not."""
    found: dict[str, Backend] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):  # these import runtimes
            continue
        backend = getattr(importlib.import_module(f"{__name__}.{module.name}"), "BACKEND", None)
        if backend is not None:
            found[backend.name] = backend
    for entry in entry_points(group="msearch.backends"):
        backend = entry.load()
        found[backend.name] = backend
    return dict(sorted(found.items()))


def find_backend(name: str) -> Backend:
    """The backend of that name. Raises BackendUnavailable, naming those there are."""
    found = find_backends()
    if name not in found:
        raise BackendUnavailable(f"there is no backend {name!r}; known are {', '.join(found)}")
    return found[name]
