"""What profiles, and the experiments that ask for them, need of a database; see `ports` for the rest.

The docstrings are the contract; tests/contracts holds every adapter to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from search_service.domain.catalog import Page
from search_service.domain.experiments import Cell, Experiment
from search_service.domain.profiling import Figures, Profile, ProfileFilter


class ProfileStore(Protocol):
    """Profiles. They never change, and go with their model, or when they are deleted.

    Profiles of the same model, variant, load (by its text) and host class form a series. The newest VALID one of a
    series, by the order of commits, is its current one: it says whether the variant is offered.
    """

    def add(self, profiles: Sequence[Profile]) -> None:
        """Adds them in order. Raises NotFound (MODEL_NOT_FOUND) for an unknown model_id; an empty one is fine."""

    def get(self, profile_id: str) -> Profile:
        """The profile with histogram and runs. Raises NotFound (PROFILE_NOT_FOUND)."""

    def get_many(self, profile_ids: Sequence[str], *, whole: bool = False) -> dict[str, Profile]:
        """Those that exist by id, with histogram and runs where `whole`."""

    def page(self, filter: ProfileFilter, after: tuple[str, ...] | None, size: int) -> Page[Profile]:
        """The `size` profiles after the position `after` that pass, newest first, without histogram and runs."""

    def outdated(self, before: datetime, most: int) -> Sequence[str]:
        """Ids of the `most` oldest profiles stored before then that are not current.

        Those are left out to which a cell of an experiment refers, by itself or by its job.
        """

    def delete(self, profile_ids: Sequence[str]) -> int:
        """Removes those that exist, and says how many.

        Where the current one of a series goes, the newest VALID one that is left takes its place.
        """

    def best_candidates(
        self, metrics: Sequence[str], *, model_ids: Sequence[str] | None, load_text: str, host_class: str
    ) -> Sequence[Figures]:
        """The profiles that count in a search, with the values of those measured quantities.

        These are the current profiles whose variant is offered, of the models `model_ids` (None for all models; never
        those without a model), under the load ("" for any) and of the host classes that begin so ("" for any), by
        model and in no particular order within. A quantity that a profile could not measure is None.
        """


class ExperimentStore(Protocol):
    """Experiments and their cells. The digest is unique. Who changes one locks it first, before any job."""

    def add(self, experiment: Experiment, cells: Sequence[Cell]) -> None:
        """Adds both; the cells' positions count from 0. Raises AlreadyExists (NAME_TAKEN) for a known digest."""

    def get(self, experiment_id: str) -> Experiment:
        """Raises NotFound (EXPERIMENT_NOT_FOUND)."""

    def find(self, digest: str) -> Experiment:
        """The experiment of that digest. Raises NotFound (EXPERIMENT_NOT_FOUND)."""

    def lock(self, experiment_id: str) -> Experiment:
        """The experiment as it is, kept with its cells from every other change until this unit of work ends.

        Raises NotFound.
        """

    def replace(self, experiment: Experiment, cells: Sequence[Cell] = ()) -> None:
        """Overwrites the experiment of that id, which this unit of work has locked, and the cells of these positions.

        Its digest stays.
        """

    def cells(self, experiment_id: str) -> Sequence[Cell]:
        """All its cells by position; empty if there is no such experiment."""

    def page(self, after: tuple[str, ...] | None, size: int) -> Page[Experiment]:
        """The `size` experiments after the position `after`, newest first."""

    def asking(self) -> Sequence[str]:
        """Ids of the experiments that are asking, oldest first."""

    def has_open(self, experiment_id: str) -> bool:
        """Whether a cell of it has neither a job nor a profile."""

    def referred(self, profile_ids: Sequence[str]) -> frozenset[str]:
        """Those of the profiles to which a cell of any experiment refers, by itself or by its job."""

    def delete(self, experiment_id: str) -> None:
        """Removes it with its cells. Raises NotFound."""
