"""What scheduling needs of a database; see `ports` for the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.fairness import Usage
from msearch_scheduling.placement import Backlog
from msearch_scheduling.trust import Record
from search_service.domain.jobs import Job
from search_service.domain.scheduling import Learned, Queued


class JobQueue(Protocol):
    """The pending jobs as the scheduler sees them: a job stands here exactly while the job store has it as pending."""

    def needs(self) -> Mapping[int, frozenset[str]]:
        """What the jobs that wait need, each different set once, by its number."""

    def placed_on(self, agent_id: str) -> Sequence[Queued]:
        """The jobs that wait for that agent, in no particular order."""

    def backlogs(self) -> Mapping[str, Backlog]:
        """By agent how many jobs wait for it, and their estimated work. "" stands for those that wait for none."""

    def first(
        self, needs: Sequence[int], tiers: Sequence[str], *, speed: float, ageing: float, exclusive: bool, most: int
    ) -> Sequence[Queued]:
        """The `most` jobs of those needs and tiers that come first on an agent of that speed, wherever they wait.

        That is by priority, then by estimate / speed - ageing x waited (`msearch_scheduling.ordering`), then by
        number. Jobs of no tier are among them; without `exclusive`, only jobs that hold no device.
        """

    def overtake(self, job: Job, *, started_s: float, seconds: float) -> None:
        """Adds the time that a job ran to what overtook others on its agent (`msearch_scheduling.ordering`).

        Jobs that another unit of work is changing in this very moment are left out, not waited for.
        """

    def stranded(self, agent_ids: Collection[str], most: int) -> Sequence[str]:
        """Ids of at most `most` jobs, oldest first, that wait for none of these agents."""

    def after(self, number: int, most: int) -> Sequence[tuple[int, str]]:
        """Numbers and ids of the `most` jobs that follow that number, oldest first."""


class SchedulingStore(Protocol):
    """What the scheduler has learned. Whoever changes anything of it calls `lock_learned` first, once."""

    def learned(self) -> Learned:
        """What ended jobs have taught about sizes."""

    def lock_learned(self) -> Learned:
        """The same, and all of this store, kept from every other change until this unit of work ends."""

    def put_learned(self, learned: Learned) -> None:
        """Overwrites it."""

    def records(self, keys: Collection[str]) -> Mapping[str, Record]:
        """The errors of estimates kept under these keys, such as "model ID"; an empty record where there are none."""

    def put_records(self, records: Mapping[str, Record]) -> None:
        """Adds or overwrites them."""

    def usages(self, users: Collection[str]) -> Mapping[str, Usage]:
        """What these users have used; nothing for one who is not known."""

    def put_usage(self, user: str, usage: Usage) -> None:
        """Adds or overwrites it."""

    def put_conduct(self, agent_id: str, conduct: Conduct) -> None:
        """Adds or overwrites how an agent has behaved; `AgentStore.members` gives it."""
