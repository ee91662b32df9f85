"""The running service prunes what its settings say, and nothing without them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from search_service.domain.jobs import Job, JobFilter, JobState
from search_service.domain.ports import Database
from search_service.settings import SettingsError, read_settings
from search_service.storage.memory import MemoryDatabase
from tests.profiling_objects import a_job, put_jobs
from tests.service_in_process import service_in_process


def ended(id: str, days_ago: float) -> Job:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    return replace(a_job(id, now=at), state=JobState.SUCCEEDED, ended_at=at)


def is_there(database: Database, job_id: str) -> bool:
    with database.begin() as unit:
        return any(job.id == job_id for job in unit.jobs.page(JobFilter(), None, 9).items)


def test_old_jobs_go_once_the_service_runs(tmp_path: Path) -> None:
    database = MemoryDatabase()
    put_jobs(database, ended("old", 8), ended("recent", 6))
    with service_in_process(tmp_path, database, keep_jobs_days="7"):
        ends = time.monotonic() + 60
        while is_there(database, "old"):
            assert time.monotonic() < ends
            time.sleep(0.05)
    assert is_there(database, "recent")
    with service_in_process(tmp_path, database) as running:
        running.service.upkeep.keep_house()
    assert is_there(database, "recent"), "nothing is pruned unless someone says so"


@pytest.mark.parametrize("name", ["KEEP_EXPERIMENTS_DAYS", "KEEP_PROFILES_DAYS", "KEEP_JOBS_DAYS"])
def test_a_number_of_days_that_cannot_be_is_refused(name: str) -> None:
    assert getattr(read_settings({}), name.lower()) == 0
    assert getattr(read_settings({f"MSEARCH_{name}": "30"}), name.lower()) == 30
    for value in ("-1", "a week", "1.5"):
        with pytest.raises(SettingsError, match=name):
            read_settings({f"MSEARCH_{name}": value})
