"""Backends by name: every module beside this one with a module-level `BACKEND`, and entry points "msearch.backends"."""

from __future__ import annotations

from functools import cache

from profiler_agent.backends._cache import adopt_entries, digest_of
from profiler_agent.backends.base import Backend, Feed
from profiler_agent.errors import BackendUnavailable
from profiler_agent.plugins import find_plugins

__all__ = ["Backend", "Feed", "adopt_entries", "digest_of", "find_backend", "find_backends"]


@cache
def find_backends() -> dict[str, Backend]:
    """All backends by name, available here or not."""
    return find_plugins(__name__, __path__, "BACKEND", "msearch.backends")


def find_backend(name: str) -> Backend:
    """The backend of that name. Raises BackendUnavailable, naming those there are."""
    found = find_backends()
    if name not in found:
        raise BackendUnavailable(f"there is no backend {name!r}; known are {', '.join(found)}")
    return found[name]
