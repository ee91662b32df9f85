"""The experiments of the memory database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from search_service.domain.catalog import Page
from search_service.domain.experiments import Cell, Experiment
from search_service.storage import refusals
from search_service.storage.memory_session import MemorySession, Tables
from search_service.storage.memory_stores import Position, newest


class MemoryExperiments:
    """The experiments as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, experiment: Experiment, cells: Sequence[Cell]) -> None:
        tables = self._session.write()
        if any(known.digest == experiment.digest for known in tables.experiments.values()):
            raise refusals.experiment_known(experiment.digest)
        tables.last_experiment_number += 1
        tables.experiment_numbers[experiment.id] = tables.last_experiment_number
        tables.experiments[experiment.id] = experiment
        tables.cells[experiment.id] = tuple(cells)

    def get(self, experiment_id: str) -> Experiment:
        return _found(self._session.read(), experiment_id)

    def find(self, digest: str) -> Experiment:
        for experiment in self._session.read().experiments.values():
            if experiment.digest == digest:
                return experiment
        raise refusals.experiment_not_found(digest)

    def lock(self, experiment_id: str) -> Experiment:
        return _found(self._session.write(), experiment_id)

    def replace(self, experiment: Experiment, cells: Sequence[Cell] = ()) -> None:
        tables = self._session.write()
        tables.experiments[experiment.id] = replace(experiment, digest=_found(tables, experiment.id).digest)
        changed = {cell.position: cell for cell in cells}
        tables.cells[experiment.id] = tuple(changed.get(cell.position, cell) for cell in tables.cells[experiment.id])

    def cells(self, experiment_id: str) -> Sequence[Cell]:
        return self._session.read().cells.get(experiment_id, ())

    def page(self, after: Position | None, size: int) -> Page[Experiment]:
        tables = self._session.read()
        numbers = tables.experiment_numbers
        return newest(list(tables.experiments.values()), lambda item: numbers[item.id], after, size)

    def asking(self) -> Sequence[str]:
        return [item.id for item in self._session.read().experiments.values() if item.asking]

    def has_open(self, experiment_id: str) -> bool:
        return any(not (cell.job_id or cell.profile_id) for cell in self.cells(experiment_id))

    def referred(self, profile_ids: Sequence[str]) -> frozenset[str]:
        tables = self._session.read()
        cells = [cell for members in tables.cells.values() for cell in members]
        named, jobs = {cell.profile_id for cell in cells}, {cell.job_id for cell in cells}
        return frozenset(
            key
            for key in profile_ids
            if key in tables.profiles and (key in named or tables.profiles[key].job_id in jobs)
        )

    def delete(self, experiment_id: str) -> None:
        tables = self._session.write()
        del tables.experiments[_found(tables, experiment_id).id]
        del tables.cells[experiment_id], tables.experiment_numbers[experiment_id]


def _found(tables: Tables, experiment_id: str) -> Experiment:
    experiment = tables.experiments.get(experiment_id)
    if experiment is None:
        raise refusals.experiment_not_found(experiment_id)
    return experiment
