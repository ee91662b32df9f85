"""Where the zoo keeps its files."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def cache_folder() -> Path:
    """`MSEARCH_CACHE`, by default `.cache/msearch` in the project."""
    return Path(os.environ.get("MSEARCH_CACHE") or PROJECT / ".cache" / "msearch").absolute()


def archive_folder() -> Path:
    """Where downloaded archives lie."""
    return cache_folder() / "archives"


def zoo_folder() -> Path:
    """Where the built zoo lies: manifest.yaml, and one folder per workload."""
    return cache_folder() / "zoo"
