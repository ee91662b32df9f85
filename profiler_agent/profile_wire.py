"""Messages of what a job found: profiles with their runs, and what was made of the model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import types_pb2 as types
from profiler_agent.wire import write_load, write_variant
from profiler_agent.work import Form, InvalidReason, Measurement, Profile, RunSummary, TensorSpec


def write_measurement(measurement: Measurement) -> pb.Measurement:
    return pb.Measurement(
        name=measurement.name,
        value=measurement.value,
        unit=measurement.unit,
        low=measurement.low,
        high=measurement.high,
        source=measurement.source,
        detail=measurement.detail,
    )


def write_reasons(reasons: Sequence[InvalidReason]) -> list[pb.InvalidReason]:
    return [pb.InvalidReason(rule=reason.rule, detail=reason.detail) for reason in reasons]


def write_run(run: RunSummary) -> pb.RunSummary:
    return pb.RunSummary(
        verdict=pb.VERDICT_VALID if run.valid else pb.VERDICT_INVALID,
        reasons=write_reasons(run.reasons),
        measurements=[write_measurement(one) for one in run.measurements],
        schedule_digest=run.schedule_digest,
        start_time=_timestamp(run.started_at),
    )


def write_profile(profile: Profile, *, host_class: str, host_json: str) -> pb.Profile:
    """A profile as it is reported; what the service knows itself is left out."""
    return pb.Profile(
        variant=write_variant(profile.variant),
        load=write_load(profile.load),
        load_text=profile.load_text,
        host_class=host_class,
        verdict=pb.VERDICT_VALID if profile.valid else pb.VERDICT_INVALID,
        reasons=write_reasons(profile.reasons),
        measurements=[write_measurement(one) for one in profile.measurements],
        histogram=profile.histogram,
        runs=[write_run(run) for run in profile.runs],
        offer=pb.OFFER_OFFERED if profile.offered else pb.OFFER_REJECTED,
        offer_reason=profile.offer_reason,
        verified_on=profile.verified_on,
        host_json=host_json,
        versions=dict(profile.versions),
        form=None if profile.form is None else write_form(profile.form),
    )


def write_form(form: Form) -> pb.Form:
    return pb.Form(
        format=form.format,
        digest=form.digest,
        size_bytes=form.size_bytes,
        inputs=[_write_tensor(spec) for spec in form.inputs],
        outputs=[_write_tensor(spec) for spec in form.outputs],
        bound_to=dict(form.bound_to),
    )


def _timestamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def _write_tensor(spec: TensorSpec) -> types.Tensor:
    return types.Tensor(name=spec.name, element_type=spec.element_type, shape=[_write_extent(d) for d in spec.shape])


def _write_extent(extent: int | str | None) -> types.Tensor.Dimension:
    if isinstance(extent, str):
        return types.Tensor.Dimension(symbol=extent)
    return types.Tensor.Dimension() if extent is None else types.Tensor.Dimension(size=extent)
