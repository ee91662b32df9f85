"""What is written down when a lease ends: who used how much, whom it held up, what it taught about sizes and agents."""

from __future__ import annotations

from search_service.domain.jobs import LEASE_EXPIRED, Job, JobState
from search_service.domain.ports import UnitOfWork
from search_service.domain.scheduling import Learned
from search_service.usecases.fleet import Fleet, read_fleet
from search_service.usecases.placing import Placer
from search_service.usecases.profiling import Profiling
from search_service.usecases.sizes import model_factor, model_key

DEADLINE_EXCEEDED = "deadline_exceeded"
FITS_WELL = 0.5
"""A job that misses its deadline speaks against the agent if it was thought to need at most this share of it."""

USUAL_DEADLINE_S = 900.0


def end_lease(profiling: Profiling, unit: UnitOfWork, held: Job, ended: Job) -> Job:
    """Stores what became of a leased job, and keeps the accounts; gives the job, placed again if it waits again.

    Args:
        profiling: the collaborators.
        unit: has `held` locked.
        held: the job before, leased.
        ended: the job after.
    """
    now = profiling.clock()
    unit.jobs.replace(ended)
    started = held.leased_at or now
    seconds = _seconds_held(profiling, held, (now - started).total_seconds())
    learned = unit.scheduling.lock_learned()
    usage = unit.scheduling.usages([held.submitted_by])[held.submitted_by]
    unit.scheduling.put_usage(held.submitted_by, usage.after(seconds, now=now.timestamp()))
    fleet = read_fleet(profiling, unit)
    _judge(profiling, unit, held, ended, fleet)
    if ended.state is JobState.SUCCEEDED and min(seconds, held.estimate.seconds) > 0:
        _learn(unit, learned, held, fleet, seconds)
    if ended.state is JobState.PENDING:
        ended = Placer(profiling, unit).place(ended)
        unit.jobs.replace(ended)
    unit.queue.overtake(held, started_s=started.timestamp(), seconds=seconds)
    return ended


def _seconds_held(profiling: Profiling, held: Job, seconds: float) -> float:
    """How long it was held, if the clock says so long: no agent works beyond the deadline, but a clock may be set."""
    longest = (held.spec.deadline_s or USUAL_DEADLINE_S) + profiling.lease_duration.total_seconds()
    return min(max(0.0, seconds), longest)


def _judge(profiling: Profiling, unit: UnitOfWork, held: Job, ended: Job, fleet: Fleet) -> None:
    """Notes how the agent behaved."""
    member = fleet.members.get(held.agent_id)
    if member is None:
        return
    conduct = member.conduct
    if ended.state is JobState.SUCCEEDED:
        conduct = conduct.after_success()
    elif len(ended.attempt_failures) > len(held.attempt_failures):
        code = ended.attempt_failures[-1].code
        deadline_s = held.spec.deadline_s or USUAL_DEADLINE_S
        timed_out = code == DEADLINE_EXCEEDED and held.estimate.seconds <= FITS_WELL * deadline_s
        if code == LEASE_EXPIRED or timed_out:
            conduct = conduct.after_failure(fleet.now, profiling.conduct)
    if conduct != member.conduct:
        unit.scheduling.put_conduct(member.id, conduct)


def _learn(unit: UnitOfWork, learned: Learned, held: Job, fleet: Fleet, seconds: float) -> None:
    """Teaches the size law, the records, and how far estimates are to be trusted, how long the job took."""
    member = fleet.members.get(held.agent_id)
    speed = fleet.agents[member.name].speed if member is not None else 1.0
    size_s = seconds * speed
    keys = [model_key(held.spec.model_id)]
    if member is not None:
        keys += [f"agent {member.id}", f"host {member.host_class}"]
    records = dict(unit.scheduling.records(keys))
    base = learned.law.predict(held.shape)
    of_model = records[keys[0]]
    factor = model_factor(held.spec.model_id, of_model)
    records[keys[0]] = of_model.after(estimate_s=base, actual_s=size_s)
    for key in keys[1:]:
        records[key] = records[key].after(estimate_s=held.estimate.seconds, actual_s=seconds)
    unit.scheduling.put_records(records)
    unit.scheduling.put_learned(
        Learned(
            law=learned.law.after(held.shape, size_s / factor),
            trust=learned.trust.after(estimate_s=held.estimate.seconds, actual_s=size_s),
        )
    )
