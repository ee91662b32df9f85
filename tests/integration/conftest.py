"""A service of a module's own, as a process, and the two ways to call it. A module may have its own of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from msearch_client import Client
from msearch_client.cli import app
from tests.integration.commands import Run
from tests.service_process import running_service


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service without data."""
    with running_service(tmp_path_factory.mktemp("service")) as address:
        yield address


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Client]:
    """A client of it."""
    with Client(server) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(server: str) -> Run:
    """Calls the command line in this process, for that service."""

    def call(*words: Any, width: int = 120, code: int = 0, address: str = server) -> Result:
        environment = {"MSEARCH_SERVER": address, "COLUMNS": str(width), "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}
        result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
        return result

    return call
