"""Prunes what is old: experiments that have ended, profiles that nobody looks at, jobs that nothing refers to.

In that order, since an experiment keeps its profiles and its jobs, and a profile keeps its job. Each step is a few
small units of work, so that no writer waits long; any replica may do it, and two at once do no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from search_service.domain.errors import NotFound
from search_service.domain.experiments import ExperimentState
from search_service.domain.ports import UnitOfWork
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.experiments import see_experiment
from search_service.usecases.uploads import drop_unused_blob

AT_ONCE = 500
"""Rows that one unit of work deletes."""

_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what has ended is kept; None for ever."""

    experiments: timedelta | None = None
    profiles: timedelta | None = None
    jobs: timedelta | None = None

    @classmethod
    def of_days(cls, *, experiments: int, profiles: int, jobs: int) -> Retention:
        """From numbers of days, of which 0 stands for ever."""
        kept = {"experiments": experiments, "profiles": profiles, "jobs": jobs}
        return cls(**{name: timedelta(days=days) for name, days in kept.items() if days})


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many of each were deleted."""

    experiments: int = 0
    profiles: int = 0
    jobs: int = 0


def prune(work: Experimenting, keep: Retention) -> Pruned:
    """Deletes what is older than it is to be kept.

    Never deleted are the current profile of a series (the newest VALID one of a model, variant, load and host class), a
    profile or a job that an experiment refers to, a job of which a profile is left, and whatever has not ended.
    """
    now = work.profiling.clock()
    pruned = Pruned(
        experiments=0 if keep.experiments is None else _prune_experiments(work, now - keep.experiments),
        profiles=0 if keep.profiles is None else _bit_by_bit(work, _profiles_before(now - keep.profiles)),
        jobs=0 if keep.jobs is None else _bit_by_bit(work, _jobs_before(now - keep.jobs)),
    )
    if pruned.profiles:
        work.registry.committed()
        _drop_unused_forms(work)
    return pruned


def _drop_unused_forms(work: Experimenting) -> None:
    """What agents have made of models, where no profile names it any more."""
    while True:
        with work.profiling.database.begin() as unit:
            digests = unit.forms.delete_unused(AT_ONCE)
            unit.commit()
        for digest in digests:
            drop_unused_blob(work.registry, digest)
        if len(digests) < AT_ONCE:
            return


def _prune_experiments(work: Experimenting, before: datetime) -> int:
    old: list[str] = []
    after: tuple[str, ...] | None = None
    with work.profiling.database.begin() as unit:
        while True:
            page = unit.experiments.page(after, _PAGE)
            old += [item.id for item in page.items if item.created_at < before and not item.asking]
            after = page.after
            if after is None:
                break
    return sum(_delete_if_ended(work, experiment_id, before) for experiment_id in old)


def _delete_if_ended(work: Experimenting, experiment_id: str, before: datetime) -> bool:
    with work.profiling.database.begin() as unit:
        try:
            seen = see_experiment(unit, unit.experiments.lock(experiment_id))
        except NotFound:
            return False  # another replica was faster
        if seen.state is ExperimentState.RUNNING or seen.ended_at is None or seen.ended_at >= before:
            return False
        unit.experiments.delete(experiment_id)
        unit.commit()
    return True


def _bit_by_bit(work: Experimenting, delete: Callable[[UnitOfWork], int]) -> int:
    total = 0
    while True:
        with work.profiling.database.begin() as unit:
            deleted = delete(unit)
            unit.commit()
        total += deleted
        if deleted < AT_ONCE:
            return total


def _profiles_before(before: datetime) -> Callable[[UnitOfWork], int]:
    return lambda unit: unit.profiles.delete(unit.profiles.outdated(before, AT_ONCE))


def _jobs_before(before: datetime) -> Callable[[UnitOfWork], int]:
    return lambda unit: unit.jobs.delete_outdated(before, AT_ONCE)
