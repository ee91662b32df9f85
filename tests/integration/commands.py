"""How tests call the command line."""

from __future__ import annotations

from collections.abc import Callable

from typer.testing import Result

Run = Callable[..., Result]
"""Runs a command against the module's service, and checks its exit code: `run("query", "--data", path, code=1)`."""
