"""Fixtures that several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from search_service.domain.ports import Database
from search_service.storage.memory import MemoryDatabase
from search_service.storage.schema import migrate
from search_service.storage.sql import open_database
from tests.databases import empty, migrated_sqlite, running_postgres, sqlite_copy

# A busy machine is slow at anything, so no property fails for time. "ci" draws the same examples on every run.
settings.register_profile("msearch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("msearch"), derandomize=True, database=None, print_blob=True)
settings.load_profile("msearch")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a running PostgreSQL server with an empty database."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> str:
    """URL of a migrated PostgreSQL database; whoever uses it leaves rows behind."""
    migrate(postgres_server)
    return postgres_server


@pytest.fixture
def postgres_url(migrated_postgres: str) -> str:
    """URL of a migrated PostgreSQL database without rows."""
    empty(migrated_postgres)
    return migrated_postgres


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file without rows, to copy."""
    return migrated_sqlite(tmp_path_factory.mktemp("sqlite") / "template.db")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a migrated SQLite file without rows."""
    return sqlite_copy(sqlite_template, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database on each SQL engine."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of each kind."""
    opened: Database
    if request.param == "memory":
        opened = MemoryDatabase()
    else:
        opened = open_database(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield opened
    opened.close()


@pytest.fixture
def sql_database(sql_url: str) -> Iterator[Database]:
    """An empty database on each SQL engine."""
    opened = open_database(sql_url)
    yield opened
    opened.close()
