"""The state machine of tests/properties/test_job_states.py on SQLite and PostgreSQL, over two replicas in turn."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import cycle

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from search_service.domain.ports import Database, UnitOfWork
from search_service.storage.engines import make_engine
from search_service.storage.sql import open_database
from tests.properties.test_job_states import JobStates


class Replicas:
    """Each unit of work on the next of two connections pools, as calls to two replicas."""

    def __init__(self, url: str) -> None:
        self._databases = [open_database(url), open_database(url)]
        self._turns = cycle(self._databases)

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        return next(self._turns).begin()

    def close(self) -> None:
        for database in self._databases:
            database.close()


@pytest.mark.slow
def test_the_states_of_jobs_on_sql(sql_url: str) -> None:
    class OnSql(JobStates):
        def open_database(self) -> Database:
            engine = make_engine(sql_url)
            with engine.begin() as connection:
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                for table in ("leases", "jobs", "agents", "profiles", "size_records", "user_usage", "scheduler_state"):
                    connection.execute(sa.text(f"DELETE FROM {table}"))
            engine.dispose()
            return Replicas(sql_url)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OnSql,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
