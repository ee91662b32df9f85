"""What only real databases do: other processes, large lists, lost servers, values they cannot store."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

import search_service.storage.session as session_module
from search_service.domain.catalog import Filter
from search_service.domain.errors import InvalidArgument, Reason, Unavailable
from search_service.domain.ports import Database
from search_service.storage.engines import make_engine
from search_service.storage.schema import migrate
from search_service.storage.sql import SqlDatabase, open_database
from tests.catalogue import a_dataset, a_model, a_signature, put_models, put_space
from tests.databases import running_postgres

CHILD = """
import sys
from search_service.storage.sql import open_database
from tests.catalogue import a_model, put_models
database = open_database(sys.argv[1])
for n in range(25):
    put_models(database, a_model(f"{sys.argv[2]}-{n}"))
"""


def test_several_processes_write_one_database(sql_url: str) -> None:
    root = Path(__file__).parents[2]
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, sql_url, str(n)], cwd=root, stderr=subprocess.PIPE)
        for n in range(3)
    ]
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors.decode()
    database = open_database(sql_url)
    with database.begin() as work:
        assert work.changes.last() == 75
        assert [change.sequence for change in work.changes.since(0, 100)] == list(range(1, 76))
        assert work.models.page(Filter(), None, 1).total == 75
    database.close()


def test_lists_longer_than_an_engine_binds_are_cut(sql_database: Database) -> None:
    space = put_space(sql_database)
    signature = a_signature(space)
    with sql_database.begin() as work:
        work.models.add(a_model("m7"))
        work.datasets.add(a_dataset("d7", signature), [signature])
        work.commit()
    many = 40_000  # SQLite binds 32,766 values, PostgreSQL 65,535
    with sql_database.begin() as work:
        assert set(work.models.get_many([f"m{n}" for n in range(many)])) == {"m7"}
        assert work.datasets.names([f"d{n}" for n in range(many)]) == {"d7": "d7"}
        assert set(work.datasets.signatures_in(space.digest, [f"d{n}" for n in range(many)])) == {"d7"}


def test_signatures_are_scanned_in_batches(sql_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "BATCH_ROWS", 7)
    space = put_space(sql_database)
    with sql_database.begin() as work:
        for n in range(50):
            signature = a_signature(space, str(n).encode())
            work.datasets.add(a_dataset(f"d{n}", signature), [signature])
        work.commit()
    with sql_database.begin() as work:
        assert sorted(work.datasets.scan_signatures()) == sorted(
            (f"d{n}", space.digest, str(n).encode()) for n in range(50)
        )


def test_the_writer_that_waits_too_long_is_told_to_retry(sql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two databases stand for two processes: they share no lock inside this one."""
    monkeypatch.setattr("search_service.storage.engines.LOCK_TIMEOUT_S", 1)
    monkeypatch.setattr(session_module, "LOCK_TIMEOUT_S", 1)
    first, second = open_database(sql_url), open_database(sql_url)
    with first.begin() as holder:
        holder.models.add(a_model("a", name="wanted"))
        for database in (first, second):
            with database.begin() as work, pytest.raises(Unavailable) as caught:
                work.models.add(a_model("b", name="wanted"))
            assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
        holder.commit()
    put_models(second, a_model("b"))
    first.close()
    second.close()


def test_after_an_accident_a_unit_of_work_only_ends(sql_database: Database) -> None:
    with sql_database.begin() as work:
        work.models.add(a_model("before"))
        with pytest.raises(InvalidArgument, match="cannot be stored"):
            work.models.add(a_model("b", description="\ud800"))
        with pytest.raises(RuntimeError, match="failed before"):
            work.models.add(a_model("after"))
        with pytest.raises(RuntimeError, match="failed before"):
            work.commit()
    with sql_database.begin() as work:
        assert list(work.models.scan()) == []


def test_postgresql_refuses_nul_characters(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with database.begin() as work, pytest.raises(InvalidArgument, match="cannot be stored"):
        work.models.add(a_model("b", description="\x00"))
    database.close()


def test_a_database_that_stops_answering_is_unavailable() -> None:
    with running_postgres() as url:
        migrate(url)
        database: SqlDatabase = open_database(url)
        with database.begin() as work:
            work.models.add(a_model("a"))
            admin = make_engine(url)
            with admin.begin() as connection:
                connection.execute(
                    sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                )
            admin.dispose()
            with pytest.raises(Unavailable) as caught:
                work.commit()
            assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
        put_models(database, a_model("a"))  # a fresh connection
    with database.begin() as work, pytest.raises(Unavailable):
        work.models.get("a")
    with pytest.raises(Unavailable):
        open_database(url)
    database.close()


def test_connections_come_back_whatever_happens(sql_url: str) -> None:
    database = open_database(sql_url)

    def fail() -> None:
        with database.begin() as work:
            work.models.add(a_model())
            next(work.models.scan())
            raise ZeroDivisionError

    for _ in range(200):  # more than the pool lends
        with pytest.raises(ZeroDivisionError):
            fail()
    put_models(database, a_model())
    database.close()


def test_readers_do_not_wait_for_a_writer(sql_url: str) -> None:
    database = open_database(sql_url)
    put_models(database, a_model("a"))
    read = threading.Event()

    def reader() -> None:
        with database.begin() as work:
            assert work.models.matching_ids(Filter(text="digits")) == {"a"}
        read.set()

    with database.begin() as work:
        work.models.delete("a")
        thread = threading.Thread(target=reader)
        thread.start()
        assert read.wait(timeout=60)
        thread.join()
    database.close()


def test_sqlite_runs_as_configured(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        assert found == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 10_000}
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    engine.dispose()


def test_the_word_index_of_sqlite_follows_every_change(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    put_models(database, *(a_model(f"m{n}") for n in range(20)))
    with database.begin() as work:
        for n in range(0, 20, 2):
            work.models.delete(f"m{n}")
        for n in range(1, 20, 4):
            work.models.replace(a_model(f"m{n}", description="Something else"), 1)
        work.commit()
    database.close()
    engine = make_engine(sqlite_url)
    with engine.begin() as connection:
        # Raises "database disk image is malformed" where index and table differ.
        connection.exec_driver_sql("INSERT INTO model_words (model_words, rank) VALUES ('integrity-check', 1)")
    engine.dispose()


def test_a_full_disk_is_named(sqlite_url: str) -> None:
    """A limit on the pages of the file stands for the disk."""
    database = open_database(sqlite_url)
    with database._engine.connect() as connection:  # the pool lends it again
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    with database.begin() as work, pytest.raises(Unavailable, match="its disk is full") as caught:
        work.models.add(a_model(description="x" * 1_000_000))
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    database.close()


def test_a_database_that_may_only_be_read_is_named(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    with database.begin() as work, pytest.raises(Unavailable, match="let the service write") as caught:
        work.models.add(a_model())
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    database.close()
