"""How fast agents are, from the jobs that have ended on them: 1 for the average of those that are known.

The error of an estimate is ln(actual / estimate) (trust.py). What an agent's errors have in common is its pace, as far
as it differs from that of the others; with few jobs it is drawn to the pace of its host class, and that to 1:

    pace(class) = n / (n + PRIOR_JOBS) bias(class)
    pace(agent) = n / (n + PRIOR_JOBS) bias(agent) + PRIOR_JOBS / (n + PRIOR_JOBS) pace(class)
    speed(agent) = exp(mean pace of all agents - pace(agent))

An agent twice as fast at arithmetic is not twice as fast here: most of a job's time is load driven by the clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from msearch_scheduling.trust import Record

PRIOR_JOBS = 5.0
SLOWEST, FASTEST = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class PaceRecords:
    """What is known of one agent: the errors of estimates on it, and on all agents of its host class."""

    agent: Record = Record()  # noqa: RUF009 - frozen
    host_class: Record = Record()  # noqa: RUF009 - frozen


def shrunk_bias(record: Record, *, towards: float = 0.0, prior_jobs: float = PRIOR_JOBS) -> float:
    """The mean error, drawn to another as if `prior_jobs` jobs had shown that one."""
    weight = record.count / (record.count + prior_jobs)
    return weight * record.bias + (1 - weight) * towards


def relative_speeds(known: Mapping[str, PaceRecords]) -> dict[str, float]:
    """The speed of each agent, from SLOWEST to FASTEST."""
    paces = {
        name: shrunk_bias(records.agent, towards=shrunk_bias(records.host_class)) for name, records in known.items()
    }
    middle = sum(paces.values()) / len(paces) if paces else 0.0
    return {name: min(FASTEST, max(SLOWEST, math.exp(middle - pace))) for name, pace in paces.items()}
