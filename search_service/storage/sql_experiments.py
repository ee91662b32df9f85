"""Experiments in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from search_service.domain.catalog import Page
from search_service.domain.experiments import Cell, Experiment
from search_service.storage import refusals
from search_service.storage.experiment_rows import cell_of, cell_values, experiment_of, experiment_values
from search_service.storage.experiment_tables import IS_ASKING, experiment_cells, experiments
from search_service.storage.paging import Position, newest_keys
from search_service.storage.profiling_tables import profiles
from search_service.storage.session import Session

_BY_ID = sa.select(experiments).where(experiments.c.id == sa.bindparam("experiment_id"))
_LOCKED = _BY_ID.with_for_update()
_BY_DIGEST = sa.select(experiments).where(experiments.c.digest == sa.bindparam("wanted"))
_ASKING = sa.select(experiments.c.id).where(IS_ASKING).order_by(experiments.c.number)
_CELLS = (
    sa.select(experiment_cells)
    .join(experiments, experiment_cells.c.experiment_number == experiments.c.number)
    .where(experiments.c.id == sa.bindparam("experiment_id"))
    .order_by(experiment_cells.c.position)
)
_OPEN = (
    sa.select(experiment_cells.c.position)
    .join(experiments, experiment_cells.c.experiment_number == experiments.c.number)
    .where(
        experiments.c.id == sa.bindparam("experiment_id"),
        experiment_cells.c.job_id == "",
        experiment_cells.c.profile_id == "",
    )
    .limit(1)
)
_NAMED = sa.select(experiment_cells.c.profile_id)
_GIVEN = sa.select(profiles.c.id).where(
    profiles.c.job_id.in_(sa.select(experiment_cells.c.job_id).where(experiment_cells.c.job_id != ""))
)
_CHANGE_CELL = sa.update(experiment_cells).where(
    experiment_cells.c.experiment_number == sa.bindparam("of_experiment"),
    experiment_cells.c.position == sa.bindparam("at"),
)
_CHANGED = ("model_id", "job_id", "profile_id", "spec")


class SqlExperiments:
    """The experiments as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, experiment: Experiment, cells: Sequence[Cell]) -> None:
        number = self._session.insert_new(experiments, experiment_values(experiment))
        if number is None:
            raise refusals.experiment_known(experiment.digest)
        if cells:
            self._session.write(sa.insert(experiment_cells), [cell_values(cell, number) for cell in cells])

    def get(self, experiment_id: str) -> Experiment:
        found = self._session.rows(_BY_ID, {"experiment_id": experiment_id})
        if not found:
            raise refusals.experiment_not_found(experiment_id)
        return experiment_of(found[0])

    def find(self, digest: str) -> Experiment:
        found = self._session.rows(_BY_DIGEST, {"wanted": digest})
        if not found:
            raise refusals.experiment_not_found(digest)
        return experiment_of(found[0])

    def lock(self, experiment_id: str) -> Experiment:
        found = self._session.lock_rows(_LOCKED, {"experiment_id": experiment_id})
        if not found:
            raise refusals.experiment_not_found(experiment_id)
        return experiment_of(found[0])

    def replace(self, experiment: Experiment, cells: Sequence[Cell] = ()) -> None:
        values = experiment_values(experiment)
        del values["digest"]
        found = self._session.lock_rows(_LOCKED, {"experiment_id": experiment.id})
        if not found:
            raise refusals.experiment_not_found(experiment.id)
        number = found[0].number
        self._session.write(sa.update(experiments).where(experiments.c.number == number), values)
        if cells:
            rows = [cell_values(cell, number) for cell in cells]
            changes = [
                {"of_experiment": number, "at": row["position"], **{name: row[name] for name in _CHANGED}}
                for row in rows
            ]
            self._session.write(_CHANGE_CELL, changes)

    def cells(self, experiment_id: str) -> Sequence[Cell]:
        return [cell_of(row) for row in self._session.rows(_CELLS, {"experiment_id": experiment_id})]

    def page(self, after: Position | None, size: int) -> Page[Experiment]:
        keys = newest_keys(self._session, experiments, [], after=after, size=size)
        numbers = [int(key) for (key,) in keys.items]
        found = {
            row.number: row for row in self._session.rows_in(sa.select(experiments), experiments.c.number, numbers)
        }
        items = tuple(experiment_of(found[number]) for number in numbers if number in found)
        return Page(items, keys.total, keys.after)

    def asking(self) -> Sequence[str]:
        return [row.id for row in self._session.rows(_ASKING)]

    def has_open(self, experiment_id: str) -> bool:
        return bool(self._session.rows(_OPEN, {"experiment_id": experiment_id}))

    def referred(self, profile_ids: Sequence[str]) -> frozenset[str]:
        named = self._session.rows_in(_NAMED, experiment_cells.c.profile_id, profile_ids)
        given = self._session.rows_in(_GIVEN, profiles.c.id, profile_ids)
        return frozenset(row[0] for rows in (named, given) for row in rows)

    def delete(self, experiment_id: str) -> None:
        found = self._session.lock_rows(_LOCKED, {"experiment_id": experiment_id})
        if not found:
            raise refusals.experiment_not_found(experiment_id)
        self._session.write(sa.delete(experiments).where(experiments.c.number == found[0].number))
