"""Profiles and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msearch.v1 import profiles_pb2
from search_service.api.wire.catalogue import read_tensor, write_tensor
from search_service.api.wire.enums import (
    OFFER_FROM_PROTO,
    OFFER_TO_PROTO,
    VERDICT_FROM_PROTO,
    VERDICT_TO_PROTO,
    read_enum,
)
from search_service.api.wire.jobs import read_load, read_variant, write_load, write_variant
from search_service.api.wire.times import read_time, write_time
from search_service.domain.profiling import Form, InvalidReason, Measurement, Profile, RunSummary
from search_service.usecases.fields import invalid

_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def write_measurement(measurement: Measurement) -> profiles_pb2.Measurement:
    return profiles_pb2.Measurement(
        name=measurement.name,
        value=measurement.value,
        unit=measurement.unit,
        low=measurement.low,
        high=measurement.high,
        source=measurement.source,
        detail=measurement.detail,
    )


def read_measurement(message: profiles_pb2.Measurement) -> Measurement:
    return Measurement(
        name=message.name,
        value=message.value,
        unit=message.unit,
        low=message.low if message.HasField("low") else None,
        high=message.high if message.HasField("high") else None,
        source=message.source,
        detail=message.detail,
    )


def write_reasons(reasons: Iterable[InvalidReason]) -> list[profiles_pb2.InvalidReason]:
    return [profiles_pb2.InvalidReason(rule=reason.rule, detail=reason.detail) for reason in reasons]


def read_reasons(messages: Sequence[profiles_pb2.InvalidReason], verdict: int, path: str) -> tuple[InvalidReason, ...]:
    """Raises InvalidArgument where the verdict is missing or says something else than the reasons."""
    valid = read_enum(verdict, VERDICT_FROM_PROTO, f"{path}.verdict", "valid, invalid")
    if valid == bool(messages):
        problem = "valid, with reasons against it" if valid else "invalid, without a reason"
        raise invalid(f"{path}.verdict", f"says {problem}")
    return tuple(InvalidReason(message.rule, message.detail) for message in messages)


def write_run(run: RunSummary) -> profiles_pb2.RunSummary:
    return profiles_pb2.RunSummary(
        verdict=VERDICT_TO_PROTO[run.valid],
        reasons=write_reasons(run.reasons),
        measurements=[write_measurement(measurement) for measurement in run.measurements],
        schedule_digest=run.schedule_digest,
        start_time=write_time(run.started_at),
    )


def read_run(message: profiles_pb2.RunSummary, path: str) -> RunSummary:
    """Raises InvalidArgument for a verdict against its reasons, or a time that is none."""
    return RunSummary(
        reasons=read_reasons(message.reasons, message.verdict, path),
        measurements=tuple(read_measurement(measurement) for measurement in message.measurements),
        schedule_digest=message.schedule_digest,
        started_at=read_time(message.start_time, f"{path}.start_time"),
    )


def write_profile(profile: Profile) -> profiles_pb2.Profile:
    return profiles_pb2.Profile(
        id=profile.id,
        job_id=profile.job_id,
        attempt=profile.attempt,
        model_id=profile.model_id,
        model_name=profile.model_name,
        variant=write_variant(profile.variant),
        load=write_load(profile.load),
        load_text=profile.load_text,
        host_class=profile.host_class,
        agent_id=profile.agent_id,
        verdict=VERDICT_TO_PROTO[profile.valid],
        reasons=write_reasons(profile.reasons),
        measurements=[write_measurement(measurement) for measurement in profile.measurements],
        histogram=profile.histogram,
        runs=[write_run(run) for run in profile.runs],
        offer=OFFER_TO_PROTO[profile.offered],
        offer_reason=profile.offer_reason,
        verified_on=profile.verified_on,
        host_json=profile.host_json,
        versions=profile.versions,
        create_time=write_time(profile.created_at),
        form=None if profile.form is None else write_form(profile.form),
    )


def write_form(form: Form) -> profiles_pb2.Form:
    return profiles_pb2.Form(
        format=form.format,
        digest=form.digest,
        size_bytes=form.size_bytes,
        kept=form.kept,
        inputs=[write_tensor(tensor) for tensor in form.inputs],
        outputs=[write_tensor(tensor) for tensor in form.outputs],
        bound_to=form.bound_to,
    )


def read_form(message: profiles_pb2.Form) -> Form:
    """As an agent reports it; whether it is kept, the service knows itself."""
    return Form(
        format=message.format,
        digest=message.digest,
        size_bytes=message.size_bytes,
        inputs=tuple(map(read_tensor, message.inputs)),
        outputs=tuple(map(read_tensor, message.outputs)),
        bound_to=dict(message.bound_to),
    )


def read_profile(message: profiles_pb2.Profile, path: str) -> Profile:
    """A profile as an agent reports it: what the service itself knows, such as the job, is left empty.

    Raises:
        InvalidArgument: an enum is unspecified or unknown, or a verdict says something else than its reasons.
    """
    return Profile(
        id="",
        job_id="",
        attempt=0,
        model_id="",
        model_name="",
        variant=read_variant(message.variant, f"{path}.variant"),
        load=read_load(message.load, f"{path}.load"),
        load_text=message.load_text,
        host_class=message.host_class,
        agent_id="",
        reasons=read_reasons(message.reasons, message.verdict, path),
        measurements=tuple(read_measurement(measurement) for measurement in message.measurements),
        histogram=message.histogram,
        runs=tuple(read_run(run, f"{path}.runs[{position}]") for position, run in enumerate(message.runs)),
        offered=read_enum(message.offer, OFFER_FROM_PROTO, f"{path}.offer", "offered, rejected"),
        offer_reason=message.offer_reason,
        verified_on=message.verified_on,
        host_json=message.host_json,
        versions=dict(message.versions),
        created_at=_UNKNOWN_TIME,
        form=read_form(message.form) if message.HasField("form") else None,
    )
