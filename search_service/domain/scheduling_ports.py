"""What jobs, agents and their scheduling need of a database; see `ports` for the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.fairness import Usage
from msearch_scheduling.placement import Backlog
from msearch_scheduling.trust import Record
from search_service.domain.catalog import Page
from search_service.domain.jobs import Job, JobFilter
from search_service.domain.profiling import Agent
from search_service.domain.scheduling import Held, Learned, Member, Queued


class JobStore(Protocol):
    """Jobs. Who changes one locks it first, so that no change is lost, in any replica."""

    def add(self, job: Job) -> None:
        """Adds it. Raises NotFound (MODEL_NOT_FOUND) for an unknown model_id; an empty one is fine."""

    def get(self, job_id: str) -> Job:
        """Raises NotFound (JOB_NOT_FOUND)."""

    def revision(self, job_id: str) -> int:
        """The revision of the job, read as cheaply as can be. Raises NotFound."""

    def lock(self, job_id: str) -> Job:
        """The job as it is, kept from every other change until this unit of work ends. Raises NotFound."""

    def replace(self, job: Job) -> None:
        """Overwrites the job of that id, which this unit of work has locked, taken or added; its spec stays."""

    def page(self, filter: JobFilter, after: tuple[str, ...] | None, size: int) -> Page[Job]:
        """The `size` jobs after the position `after` that pass, newest first."""

    def lock_pending(self, job_id: str) -> Job | None:
        """The job, kept from every other change until this unit of work ends, if it is pending.

        None if it is not, or if another unit of work is changing it in this very moment: that is not waited for.
        """

    def delete_outdated(self, before: datetime, most: int) -> int:
        """Removes at most `most` jobs that ended before then, of which no profile is left, and which no cell of an
        experiment refers to; says how many.
        """

    def lease(self, job: Job, agent_id: str, reason: str, now: datetime, duration: timedelta) -> Job:
        """Leases a pending job, which this unit of work has locked, by `domain.jobs.lease`, and gives it.

        No two units of work, in any replica, ever lease one job at once. The fencing token is larger than that of every
        lease given before.
        """

    def held(self) -> Sequence[Held]:
        """All leased jobs, as the scheduler sees them."""

    def tiers_of(self, experiment_id: str) -> Sequence[str]:
        """The tiers that jobs of the experiment are bound to, oldest job first."""

    def held_by(self, agent_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Ids of the jobs leased to each of those agents, oldest first; agents without jobs are left out."""

    def expired(self, now: datetime, limit: int) -> Sequence[str]:
        """Ids of at most `limit` leased jobs whose lease ended by `now`, in no particular order. Locks nothing."""

    def lock_unfinished(self, model_id: str) -> Sequence[Job]:
        """The pending and leased jobs of that model, oldest first, all locked.

        No job of the model can be added before this unit of work ends. Empty if there is no such model.
        """

    def lock_unfinished_of(self, experiment_id: str) -> Sequence[Job]:
        """The pending and leased jobs of that experiment, oldest first, all locked."""


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

    def stranded(self, agent_ids: Collection[str], number: int, most: int) -> Sequence[tuple[int, str]]:
        """As `after`, of the jobs that wait for none of these agents."""

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


class AgentStore(Protocol):
    """Agents. The name is unique."""

    def add(self, agent: Agent) -> None:
        """Adds it. Raises AlreadyExists (NAME_TAKEN)."""

    def get(self, agent_id: str) -> Agent:
        """Raises NotFound (AGENT_NOT_FOUND)."""

    def find(self, name: str) -> Agent:
        """The agent of that name. Raises NotFound (AGENT_NOT_FOUND)."""

    def all(self) -> Sequence[Agent]:
        """All agents, by name."""

    def lock(self, agent_id: str) -> Agent:
        """The agent as it is, kept from every other change until this unit of work ends. Raises NotFound."""

    def replace(self, agent: Agent) -> None:
        """Overwrites the agent of that id, which this unit of work has locked. Its name stays. Raises NotFound."""

    def touch(self, agent_id: str, at: datetime) -> None:
        """Notes that it was heard of, also where a clock was set back since; harmless for an unknown one."""

    def members(self) -> Sequence[Member]:
        """All agents as the scheduler sees them, by name."""

    def is_free(self, agent_id: str, *, exclusive: bool) -> bool:
        """Whether the agent is neither draining nor holds as many jobs as its capacity, and, for an exclusive job,
        no other agent holds one on a device of its own. False for an unknown one. Locks nothing.
        """

    def lock_free(self, agent_id: str, *, exclusive: bool) -> bool:
        """As `is_free`, and locks the agent, with all that share a device: it stays so until this unit of work ends."""
