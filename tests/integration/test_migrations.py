"""The schema goes up, down and up again on both engines, and is the one that the program's tables describe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import search_service.storage.schema as schema_module
from search_service.domain.errors import InvalidArgument, Unavailable
from search_service.storage.engines import make_engine, masked
from search_service.storage.schema import StorageNotMigrated, downgrade, migrate, migrations_folder
from search_service.storage.sql import open_database
from tests.catalogue import a_model, put_models


@pytest.fixture
def empty_postgres(postgres_server: str) -> Iterator[str]:
    """URL of a database of its own, without tables."""
    admin = make_engine(postgres_server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE migrations")
    yield sa.make_url(postgres_server).set(database="migrations").render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE migrations WITH (FORCE)")
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables; the SQLite file, and its folder, do not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/msearch.db"
    found: str = request.getfixturevalue("empty_postgres")
    return found


def tables(url: str) -> set[str]:
    engine = make_engine(url)
    names = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return names


def test_up_down_and_up_again(url: str) -> None:
    migrate(url)
    full = tables(url)
    assert {"models", "datasets", "signatures", "feature_spaces", "requests", "changes"} <= full
    database = open_database(url)
    put_models(database, a_model())
    database.close()
    downgrade(url, "base")
    assert tables(url) == {"alembic_version"}
    migrate(url)
    migrate(url)
    assert tables(url) == full
    database = open_database(url)
    with database.begin() as work:
        assert list(work.models.scan()) == []
        assert work.changes.last() == 0
    database.close()


def test_the_migrations_make_the_tables_of_the_program(url: str) -> None:
    migrate(url)
    engine = make_engine(url)
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()))
        config.attributes["connection"] = connection
        command.check(config)  # raises if autogenerate would change anything
        connection.rollback()
        connection.exec_driver_sql("ALTER TABLE models ADD COLUMN surprise TEXT")
        with pytest.raises(Exception, match="surprise"):
            command.check(config)
    engine.dispose()


def test_an_empty_database_is_refused_with_the_command_that_helps(url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageNotMigrated) as caught:
        open_database(url)
    assert f"msearch-service migrate --database {masked(url)}" in caught.value.message
    assert not (tmp_path / "new").exists(), "looking creates nothing"


def test_an_unknown_schema_is_refused(url: str) -> None:
    migrate(url)
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StorageNotMigrated, match="upgrade msearch"):
        open_database(url)
    with pytest.raises(InvalidArgument, match="9999"):
        migrate(url)


def test_several_processes_may_migrate_at_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [url] * 4))
    open_database(url).close()


def test_a_failed_migration_leaves_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), broken)
    first = broken / "versions" / "0001_catalogue.py"
    first.write_text(
        first.read_text().replace(
            '    op.create_table(\n        "requests"',
            '    op.execute("nonsense")\n    op.create_table(\n        "requests"',
        )
    )
    with monkeypatch.context() as patch:
        patch.setattr(schema_module, "migrations_folder", lambda: broken)
        with pytest.raises(sa.exc.DBAPIError, match="nonsense"):
            migrate(url)
    assert tables(url) == set()
    migrate(url)


def test_passwords_are_never_shown() -> None:
    url = "postgresql://user:geheim@127.0.0.1:1/db?password=geheim"
    for act in (migrate, open_database):
        with pytest.raises(Unavailable) as caught:
            act(url)
        assert "geheim" not in caught.value.message
        assert "127.0.0.1" in caught.value.message
    for bad in ("mysql://user:geheim@host/db", "postgresql//user:geheim@host"):
        with pytest.raises(InvalidArgument) as refused:
            migrate(bad)
        assert "geheim" not in refused.value.message


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        open_database(url)
