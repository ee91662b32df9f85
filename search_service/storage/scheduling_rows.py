"""Between what the scheduler knows and rows of its tables."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.pace import PaceRecords
from msearch_scheduling.sizes import SizeLaw
from msearch_scheduling.trust import Record, Trust
from search_service.domain.jobs import Job
from search_service.domain.scheduling import Learned, Member, Queued, is_exclusive
from search_service.storage.profiling_rows import offers_in
from search_service.storage.profiling_tables import agents
from search_service.storage.rows import as_json
from search_service.storage.scheduling_tables import agent_conduct, size_records

Row = sa.Row[Any]

_OF_AGENT = size_records.alias("of_agent")
_OF_HOST = size_records.alias("of_host")


def _error_columns(table: sa.FromClause, name: str) -> list[sa.ColumnElement[Any]]:
    return [table.c[column].label(f"{name}_{column}") for column in ("errors", "bias", "mean_square")]


MEMBERS = (
    sa.select(
        agents.c.id,
        agents.c.name,
        agents.c.host_class,
        agents.c.labels,
        agents.c.backends,
        agents.c.evaluates,
        agents.c.capacity,
        agents.c.draining,
        agents.c.last_seen_at,
        agents.c.devices,
        agents.c.gflop_per_s,
        agent_conduct.c.failed_at,
        agent_conduct.c.offences,
        agent_conduct.c.quarantined_until,
        *_error_columns(_OF_AGENT, "agent"),
        *_error_columns(_OF_HOST, "host"),
    )
    .outerjoin_from(agents, agent_conduct, agent_conduct.c.agent_id == agents.c.id)
    .outerjoin(_OF_AGENT, _OF_AGENT.c.key == sa.literal("agent ") + agents.c.id)
    .outerjoin(_OF_HOST, _OF_HOST.c.key == sa.literal("host ") + agents.c.host_class)
    .order_by(agents.c.name)
)
"""Agents with how they behaved and how fast they were."""


_UNKNOWN_CONDUCT, _UNKNOWN_PACE = Conduct(), PaceRecords()


def member_of(row: Row) -> Member:
    """The agent of a row of MEMBERS, of which a decision reads one for every agent."""
    known = row.agent_errors is not None or row.host_errors is not None
    return Member(
        id=row.id,
        name=row.name,
        host_class=row.host_class,
        offers=_offers(row.host_class, row.labels, row.backends, row.evaluates),
        capacity=row.capacity,
        draining=row.draining,
        last_seen_at=row.last_seen_at,
        devices=_words(row.devices),
        gflop_per_s=row.gflop_per_s,
        conduct=_UNKNOWN_CONDUCT if row.failed_at is None else conduct_of(row),
        pace=_pace_of(row) if known else _UNKNOWN_PACE,
    )


def _pace_of(row: Row) -> PaceRecords:
    return PaceRecords(
        agent=Record(row.agent_errors or 0, row.agent_bias or 0.0, row.agent_mean_square or 0.0),
        host_class=Record(row.host_errors or 0, row.host_bias or 0.0, row.host_mean_square or 0.0),
    )


def conduct_of(row: Row) -> Conduct:
    """How an agent has behaved. That it was never quarantined is no number, and so no value."""
    until = row.quarantined_until
    return Conduct(
        failed_at=tuple(json.loads(row.failed_at)),
        offences=row.offences,
        quarantined_until=float("-inf") if until is None else until,
    )


def conduct_values(agent_id: str, conduct: Conduct) -> dict[str, Any]:
    """The row of how an agent has behaved."""
    until = conduct.quarantined_until
    return {
        "agent_id": agent_id,
        "failed_at": as_json(list(conduct.failed_at)),
        "offences": conduct.offences,
        "quarantined_until": None if until == float("-inf") else until,
    }


def waiting_values(job: Job, number: int, needs_number: int) -> dict[str, Any]:
    """The row of a pending job that nothing has overtaken yet."""
    return {
        "job_number": number,
        "job_id": job.id,
        "needs_number": needs_number,
        "priority": job.priority,
        "agent_id": job.placed_on,
        "tier": job.tier,
        "submitted_by": job.submitted_by,
        "estimate_s": job.estimate.seconds,
        "queued_s": job.queued_at.timestamp(),
        "overtaken_s": 0.0,
        "exclusive": is_exclusive(job.spec),
    }


def queued_of(row: Row) -> Queued:
    """The job of a row of `waiting_jobs` with the `words` of its needs."""
    return Queued(
        job_id=row.job_id,
        number=row.job_number,
        priority=row.priority,
        needs=_words(row.words),
        tier=row.tier,
        agent_id=row.agent_id,
        user=row.submitted_by,
        estimate_s=row.estimate_s,
        queued_s=row.queued_s,
        overtaken_s=row.overtaken_s,
        exclusive=row.exclusive,
    )


def learned_json(learned: Learned) -> str:
    """The text of what is learned."""
    record, trusted = learned.trust.record, learned.trust.trusted
    trust = {"trusted": trusted, "record": [record.count, record.bias, record.mean_square]}
    return as_json({"law": learned.law.to_dict(), "trust": trust})


def learned_of(text: str) -> Learned:
    """What is learned, of a text."""
    read = json.loads(text)
    trust = Trust(record=Record(*read["trust"]["record"]), trusted=read["trust"]["trusted"])
    return Learned(law=SizeLaw.from_dict(read["law"]), trust=trust)


@lru_cache(maxsize=4096)
def _offers(host_class: str, labels: str, backends: str, evaluates: str) -> frozenset[str]:
    return offers_in(host_class, labels, backends, evaluates)


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))
