"""Messages of profiles to the client's types, and the requests for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import profiling_service_pb2 as service
from msearch.v1 import registry_service_pb2 as registry
from msearch_client._profiles import (
    UNMEASURED,
    Form,
    InvalidReason,
    Measurement,
    Offer,
    Profile,
    RunSummary,
    Verdict,
)
from msearch_client._wire.catalogue import tensor_from_proto
from msearch_client._wire.jobs import load_from_proto, read_enum, variant_from_proto
from msearch_client._wire.times import time_from_proto

VERDICT_FROM_PROTO: dict[pb.Verdict.ValueType, Verdict] = {
    pb.VERDICT_VALID: Verdict.VALID,
    pb.VERDICT_INVALID: Verdict.INVALID,
}
OFFER_FROM_PROTO: dict[pb.Offer.ValueType, Offer] = {
    pb.OFFER_OFFERED: Offer.OFFERED,
    pb.OFFER_REJECTED: Offer.REJECTED,
}


def _measurement_from_proto(message: pb.Measurement) -> Measurement:
    return Measurement(
        name=message.name,
        value=None if message.source == UNMEASURED else message.value,
        unit=message.unit,
        low=message.low if message.HasField("low") else None,
        high=message.high if message.HasField("high") else None,
        source=message.source,
        detail=message.detail,
    )


def _reasons_from_proto(messages: Iterable[pb.InvalidReason]) -> tuple[InvalidReason, ...]:
    return tuple(InvalidReason(message.rule, message.detail) for message in messages)


def _run_from_proto(message: pb.RunSummary) -> RunSummary:
    return RunSummary(
        verdict=read_enum(message.verdict, VERDICT_FROM_PROTO, "verdict"),
        reasons=_reasons_from_proto(message.reasons),
        measurements=tuple(_measurement_from_proto(item) for item in message.measurements),
        schedule_digest=message.schedule_digest,
        started_at=time_from_proto(message.start_time),
    )


def profile_from_proto(message: pb.Profile) -> Profile:
    """A profile."""
    return Profile(
        id=message.id,
        job_id=message.job_id,
        attempt=message.attempt,
        model_id=message.model_id,
        model_name=message.model_name,
        variant=variant_from_proto(message.variant),
        load=load_from_proto(message.load),
        load_text=message.load_text,
        host_class=message.host_class,
        agent_id=message.agent_id,
        verdict=read_enum(message.verdict, VERDICT_FROM_PROTO, "verdict"),
        reasons=_reasons_from_proto(message.reasons),
        measurements=tuple(_measurement_from_proto(item) for item in message.measurements),
        histogram=message.histogram,
        runs=tuple(_run_from_proto(run) for run in message.runs),
        offer=read_enum(message.offer, OFFER_FROM_PROTO, "offer"),
        offer_reason=message.offer_reason,
        verified_on=message.verified_on,
        host_json=message.host_json,
        versions=dict(sorted(message.versions.items())),
        created_at=time_from_proto(message.create_time) if message.HasField("create_time") else None,
        form=_form_from_proto(message.form) if message.HasField("form") else None,
    )


def _form_from_proto(message: pb.Form) -> Form:
    return Form(
        format=message.format,
        digest=message.digest,
        size_bytes=message.size_bytes,
        kept=message.kept,
        inputs=tuple(map(tensor_from_proto, message.inputs)),
        outputs=tuple(map(tensor_from_proto, message.outputs)),
        bound_to=dict(sorted(message.bound_to.items())),
    )


def get_profile(profile_id: str) -> service.GetProfileRequest:
    """One profile, whole."""
    return service.GetProfileRequest(profile_id=profile_id)


def download_form(profile_id: str) -> service.DownloadFormRequest:
    """The file that a profile was measured as."""
    return service.DownloadFormRequest(profile_id=profile_id)


def get_profiles(profile_ids: Sequence[str]) -> service.GetProfilesRequest:
    """Some profiles, whole."""
    return service.GetProfilesRequest(profile_ids=profile_ids)


def list_profiles(
    model: registry.ModelReference | None,
    *,
    backend: str,
    host_class: str,
    load_text: str,
    include_invalid: bool,
    job_id: str,
    page_size: int,
    page_token: str,
) -> service.ListProfilesRequest:
    """A page of profiles."""
    return service.ListProfilesRequest(
        model=model,
        backend=backend,
        host_class=host_class,
        load_text=load_text,
        include_invalid=include_invalid,
        job_id=job_id,
        page_size=page_size,
        page_token=page_token,
    )
