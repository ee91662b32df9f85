"""Between the dataclasses of profiling and rows of the tables.

What is only read as a whole is compact JSON in a text column. Fields that have their default are left out, so that a
field added later, with a default, reads old rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from msearch_scheduling.sizes import JobShape
from search_service.domain.access import Role, Token
from search_service.domain.catalog import Tensor
from search_service.domain.evaluation import EvaluateSpec
from search_service.domain.jobs import Decision, Failure, Job, JobState, Progress, SizeEstimate, Step
from search_service.domain.profiling import (
    Agent,
    BackendStatus,
    Batching,
    Form,
    InvalidReason,
    JobSpec,
    Load,
    Measurement,
    Network,
    Precision,
    Profile,
    RunLimits,
    RunSummary,
    Scenario,
    Variant,
)
from search_service.domain.scheduling import offered, peak_of
from search_service.storage.profile_series import figures_of, series_of
from search_service.storage.rows import as_json

Row = sa.Row[Any]
Values = dict[str, Any]
Fields = Mapping[str, Any]


def job_values(job: Job) -> Values:
    """The row of a job, without its number, needs and spec."""
    return {
        "id": job.id,
        "state": job.state.value,
        "priority": job.priority,
        "model_id": job.spec.model_id,
        "model_name": job.model_name,
        "experiment_id": job.experiment_id,
        "submitted_by": job.submitted_by,
        "estimate_s": job.estimate.seconds,
        "estimate_predicted": job.estimate.predicted,
        "shape": written(job.shape),
        "queued_at": job.queued_at,
        "placed_on": job.placed_on,
        "tier": job.tier,
        "decisions": written(job.decisions),
        "agent_id": job.agent_id,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "fencing_token": job.fencing_token,
        "cancel_requested": job.cancel_requested,
        "created_at": job.created_at,
        "leased_at": job.leased_at,
        "expires_at": job.expires_at,
        "ended_at": job.ended_at,
        "revision": job.revision,
        "progress": written(job.progress),
        "failure": written(job.failure),
        "profile_ids": written(job.profile_ids),
        "attempt_failures": written(job.attempt_failures),
    }


def spec_json(spec: JobSpec) -> str:
    """The text of a spec."""
    return written(spec)


def job_of(row: Row) -> Job:
    """The job of a row."""
    progress, failure = json.loads(row.progress), json.loads(row.failure)
    return Job(
        id=row.id,
        spec=_spec(json.loads(row.spec)),
        state=JobState(row.state),
        max_attempts=row.max_attempts,
        created_at=row.created_at,
        model_name=row.model_name,
        priority=row.priority,
        experiment_id=row.experiment_id,
        submitted_by=row.submitted_by,
        estimate=SizeEstimate(seconds=row.estimate_s, predicted=row.estimate_predicted),
        shape=JobShape(**json.loads(row.shape)),
        queued_at=row.queued_at,
        placed_on=row.placed_on,
        tier=row.tier,
        decisions=tuple(_decision(one) for one in json.loads(row.decisions)),
        attempt=row.attempt,
        agent_id=row.agent_id,
        fencing_token=row.fencing_token,
        progress=Progress(**progress) if progress else None,
        failure=Failure(**failure) if failure else None,
        profile_ids=tuple(json.loads(row.profile_ids)),
        cancel_requested=row.cancel_requested,
        leased_at=row.leased_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        attempt_failures=tuple(Failure(**one) for one in json.loads(row.attempt_failures)),
        revision=row.revision,
    )


def agent_values(agent: Agent) -> Values:
    """The row of an agent."""
    return {
        "id": agent.id,
        "name": agent.name,
        "host_class": agent.host_class,
        "capacity": agent.capacity,
        "draining": agent.draining,
        "token_id": agent.token_id,
        "version": agent.version,
        "created_at": agent.created_at,
        "last_seen_at": agent.last_seen_at,
        "labels": written(agent.labels),
        "backends": written(agent.backends),
        "host": agent.host_json,
        "evaluates": written(agent.evaluates),
        "devices": written(agent.devices),
        "gflop_per_s": peak_of(agent.host_json),
    }


def agent_of(row: Row) -> Agent:
    """The agent of a row."""
    return Agent(
        id=row.id,
        name=row.name,
        host_class=row.host_class,
        host_json=row.host,
        backends=tuple(_backend(one) for one in json.loads(row.backends)),
        labels=json.loads(row.labels),
        capacity=row.capacity,
        version=row.version,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        draining=row.draining,
        token_id=row.token_id,
        evaluates=tuple(json.loads(row.evaluates)),
        devices=tuple(json.loads(row.devices)),
    )


def offers_in(host_class: str, labels: str, backends: str, evaluates: str) -> frozenset[str]:
    """What an agent of those columns offers."""
    return offered(
        host_class, json.loads(labels), [_backend(one) for one in json.loads(backends)], json.loads(evaluates)
    )


def profile_values(profile: Profile, model_number: int | None) -> Values:
    """The row of a profile in `profiles`; not current."""
    return {
        "id": profile.id,
        "model_number": model_number,
        "series": series_of(profile),
        "current": False,
        "valid": profile.valid,
        "offered": profile.offered,
        "job_id": profile.job_id,
        "attempt": profile.attempt,
        "agent_id": profile.agent_id,
        "backend": profile.variant.backend,
        "load_text": profile.load_text,
        "host_class": profile.host_class,
        "created_at": profile.created_at,
        "figures": figures_of(profile),
    }


def detail_values(profile: Profile, number: int) -> Values:
    """The row of a profile in `profile_details`."""
    return {
        "profile_number": number,
        "model_name": profile.model_name,
        "variant": written(profile.variant),
        "load": written(profile.load),
        "reasons": written(profile.reasons),
        "offer_reason": profile.offer_reason,
        "verified_on": profile.verified_on,
        "versions": written(profile.versions),
        "measurements": written(profile.measurements),
        "host": profile.host_json,
        "runs": written(profile.runs),
        "histogram": profile.histogram,
        "form": "" if profile.form is None else written(profile.form),
    }


def profile_of(row: Row, runs: str = "[]", histogram: str = "") -> Profile:
    """The profile of a row of both tables that also has the column `model_id`."""
    return Profile(
        id=row.id,
        job_id=row.job_id,
        attempt=row.attempt,
        model_id=row.model_id or "",
        model_name=row.model_name,
        variant=variant_of(json.loads(row.variant)),
        load=load_of(json.loads(row.load)),
        load_text=row.load_text,
        host_class=row.host_class,
        agent_id=row.agent_id,
        reasons=_reasons(json.loads(row.reasons)),
        measurements=_measurements(json.loads(row.measurements)),
        histogram=histogram,
        runs=tuple(_run(one) for one in json.loads(runs)),
        offered=row.offered,
        offer_reason=row.offer_reason,
        verified_on=row.verified_on,
        host_json=row.host,
        versions=json.loads(row.versions),
        created_at=row.created_at,
        form=_form(json.loads(row.form)) if row.form else None,
    )


def token_values(token: Token) -> Values:
    """The row of a token."""
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "secret_digest": token.secret_digest,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }


def token_of(row: Row) -> Token:
    """The token of a row."""
    return Token(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        secret_digest=row.secret_digest,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def written(value: object) -> str:
    """A dataclass, or what holds some, as compact JSON without what has its default."""
    return as_json(_plain(value))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        kept: dict[str, object] = {}
        for one in fields(value):
            held = getattr(value, one.name)
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            if held != default:
                kept[one.name] = _plain(held)
        return kept
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, tuple):
        return [_plain(held) for held in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _spec(read: Fields) -> JobSpec:
    return JobSpec(
        **{
            **read,
            "variants": tuple(variant_of(one) for one in read["variants"]),
            "loads": tuple(load_of(one) for one in read["loads"]),
            "limits": RunLimits(**read.get("limits", {})),
            "evaluate": EvaluateSpec(**read["evaluate"]) if read.get("evaluate") else None,
        }
    )


def _decision(read: Fields) -> Decision:
    return Decision(**{**read, "step": Step(read["step"]), "at": datetime.fromisoformat(read["at"])})


def variant_of(read: Fields) -> Variant:
    """The variant that was written so."""
    return Variant(**{**read, "precision": Precision(read.get("precision", Precision.FP32))})


def load_of(read: Fields) -> Load:
    """The load that was written so."""
    batching, network = read.get("batching"), read.get("network")
    return Load(
        **{
            **read,
            "scenario": Scenario(read["scenario"]),
            "trace_s": tuple(read.get("trace_s", ())),
            "batching": Batching(**batching) if batching else None,
            "network": Network(**network) if network else None,
        }
    )


def _backend(read: Fields) -> BackendStatus:
    return BackendStatus(
        **{
            **read,
            "devices": tuple(read.get("devices", ())),
            "precisions": tuple(Precision(one) for one in read.get("precisions", ())),
        }
    )


def _measurements(read: list[Fields]) -> tuple[Measurement, ...]:
    return tuple(Measurement(**one) for one in read)


def _reasons(read: list[Fields]) -> tuple[InvalidReason, ...]:
    return tuple(InvalidReason(**one) for one in read)


def _form(read: Fields) -> Form:
    return Form(**{**read, **{end: _tensors(read.get(end, ())) for end in ("inputs", "outputs")}})


def _tensors(read: Sequence[Fields]) -> tuple[Tensor, ...]:
    return tuple(Tensor(**{**one, "shape": tuple(one["shape"])}) for one in read)


def _run(read: Fields) -> RunSummary:
    return RunSummary(
        reasons=_reasons(read["reasons"]),
        measurements=_measurements(read["measurements"]),
        schedule_digest=read["schedule_digest"],
        started_at=datetime.fromisoformat(read["started_at"]),
    )
