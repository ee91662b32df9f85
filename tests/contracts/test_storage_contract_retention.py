"""Every database finds what is old, and keeps what is still needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from search_service.domain.errors import NotFound
from search_service.domain.experiments import Cell, Experiment
from search_service.domain.jobs import Job, JobFilter, JobState
from search_service.domain.ports import Database
from search_service.domain.profiling import InvalidReason, Profile, ProfileFilter
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.retention import Pruned, Retention, prune
from tests.catalogue import NOW
from tests.profiling_at_work import AtWork
from tests.profiling_objects import a_job, a_load, a_profile, a_variant, put_jobs, put_profiles

DAY = timedelta(days=1)
OLD, RECENT = NOW - 40 * DAY, NOW - 3 * DAY
MONTH = Retention.of_days(experiments=30, profiles=30, jobs=30)


def ended(id: str, at: Any = OLD, **fields: Any) -> Job:
    return replace(a_job(id, now=OLD), state=JobState.SUCCEEDED, ended_at=at, **fields)


def broken(id: str, **fields: Any) -> Profile:
    values = {"reasons": (InvalidReason("disturbed", "load 3"),), "created_at": OLD}
    return a_profile(id, **(values | fields))


def put_experiment(database: Database, id: str, *cells: Cell, **fields: Any) -> None:
    values = {"digest": id, "name": "", "document": "{}", "submitted_by": "", "created_at": OLD}
    with database.begin() as unit:
        unit.experiments.add(Experiment(id=id, **(values | fields)), cells)  # type: ignore[arg-type]
        unit.commit()


def a_cell(position: int = 0, **fields: Any) -> Cell:
    return Cell(position=position, model_name="", model_id="", variant=a_variant(), load=a_load(), **fields)


def pruned(database: Database, keep: Retention = MONTH) -> Pruned:
    work = Experimenting(
        profiling=AtWork(database).profiling,
        registry=SimpleNamespace(committed=lambda: None),  # type: ignore[arg-type]  # all that is used
        canonical_models=None,  # type: ignore[arg-type]
        optimiser=None,  # type: ignore[arg-type]
    )
    return prune(work, keep)


def left(database: Database) -> tuple[set[str], set[str]]:
    """Ids of the profiles and of the jobs that are there."""
    with database.begin() as unit:
        profiles = unit.profiles.page(ProfileFilter(include_invalid=True), None, 100).items
        jobs = [job_id for job_id in ("free", "given", "named", "recent", "waiting", "of cell") if there(unit, job_id)]
    return {profile.id for profile in profiles}, set(jobs)


def there(unit: Any, job_id: str) -> bool:
    try:
        unit.jobs.get(job_id)
    except NotFound:
        return False
    return True


def test_profiles_are_pruned_but_for_current_recent_and_referred_ones(database: Database) -> None:
    put_profiles(
        database,
        a_profile("superseded", created_at=OLD),
        a_profile("current", created_at=OLD),
        broken("broken"),
        broken("recent", created_at=RECENT),
        broken("named"),
        broken("of a cell's job", job_id="of cell"),
        a_profile("elsewhere", created_at=OLD, host_class="gpu"),
    )
    put_experiment(database, "exp", a_cell(0, profile_id="named"), a_cell(1, job_id="of cell"), a_cell(2), asking=True)
    put_jobs(database, ended("of cell"))
    kept = {"current", "recent", "named", "of a cell's job", "elsewhere"}
    with database.begin() as unit:
        assert list(unit.profiles.outdated(NOW - 30 * DAY, 9)) == ["superseded", "broken"], "the oldest first"
        assert list(unit.profiles.outdated(NOW - 30 * DAY, 1)) == ["superseded"]
    assert pruned(database) == Pruned(profiles=2)
    assert left(database)[0] == kept
    assert pruned(database) == Pruned()


def test_jobs_are_pruned_but_for_unfinished_recent_and_referred_ones(database: Database) -> None:
    put_jobs(
        database, ended("free"), ended("given"), ended("recent", RECENT), ended("of cell"),
        a_job("waiting", now=OLD),
    )  # fmt: skip
    put_profiles(database, a_profile("current", created_at=OLD, job_id="given"))
    put_experiment(database, "exp", a_cell(0, job_id="of cell"), a_cell(1), asking=True)
    assert pruned(database) == Pruned(jobs=1)
    assert left(database)[1] == {"given", "recent", "waiting", "of cell"}
    put_jobs(database, ended("free", RECENT))
    with database.begin() as unit:
        assert unit.jobs.page(JobFilter(), None, 9).items[0].id == "free", "numbers go on"


def test_an_experiment_goes_before_what_it_refers_to(database: Database) -> None:
    put_jobs(
        database,
        ended("given"),
        ended("of cell", experiment_id="ended"),
        ended("recent", RECENT, experiment_id="ended lately"),
    )
    put_profiles(database, a_profile("current", created_at=OLD, job_id="given"), broken("old", job_id="of cell"))
    put_experiment(database, "ended", a_cell(0, job_id="of cell"))
    put_experiment(database, "ended lately", a_cell(0, job_id="recent"))
    put_experiment(database, "new", a_cell(0, profile_id="current"), created_at=RECENT)
    # `recent` and its cell stay; the experiment that ended, its INVALID profile and then its job go.
    assert pruned(database) == Pruned(experiments=1, profiles=1, jobs=1)
    with database.begin() as unit:
        assert [item.id for item in unit.experiments.page(None, 9).items] == ["new", "ended lately"]
    assert left(database) == ({"current"}, {"given", "recent"})


@pytest.mark.parametrize("fields", [{"asking": True}, {}])
def test_a_running_experiment_is_never_pruned(database: Database, fields: dict[str, Any]) -> None:
    put_jobs(database, a_job("waiting", now=OLD, experiment_id="running"))
    put_experiment(database, "running", a_cell(0, job_id="waiting"), **fields)
    assert pruned(database) == Pruned()


def test_without_retention_everything_stays(database: Database) -> None:
    put_jobs(database, ended("free"))
    put_profiles(database, broken("old"))
    put_experiment(database, "ended")
    assert Retention.of_days(experiments=0, profiles=0, jobs=0) == Retention()
    assert pruned(database, Retention()) == Pruned()
    assert pruned(database) == Pruned(experiments=1, profiles=1, jobs=1)
