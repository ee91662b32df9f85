"""Checks the profiles that an agent reports, and adds what the service itself knows of their forms."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from search_service.domain.loads import check_load, format_load
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Form, InvalidReason, Measurement, Profile
from search_service.usecases.agents import LARGEST_HOST_BYTES, check_json
from search_service.usecases.fields import LONGEST_NAME, check_digest, check_text, invalid
from search_service.usecases.job_specs import MOST_PROFILES, check_host_class, check_variant

MOST_MEASUREMENTS = 200
MOST_RUNS = 200
MOST_REASONS = 50
MOST_TENSORS = 1000
MOST_DIMENSIONS = 64
LARGEST_HISTOGRAM_BYTES = 1 << 20
LONGEST_DETAIL = 2000

_METRIC = re.compile(r"[a-z][a-z0-9_]{0,59}")


def check_profiles(reported: Sequence[Profile]) -> tuple[Profile, ...]:
    """The profiles with variants and loads in canonical form. Raises InvalidArgument."""
    if not 1 <= len(reported) <= MOST_PROFILES:
        raise invalid("profiles", f"must be 1 to {MOST_PROFILES}, not {len(reported)}")
    return tuple(_check_profile(profile, f"profiles[{n}]") for n, profile in enumerate(reported))


def with_kept(unit: UnitOfWork, profile: Profile) -> Profile:
    """The profile, which says whether the service has the file that it was measured as."""
    form = profile.form
    if form is None:
        return profile
    return replace(profile, form=replace(form, kept=unit.forms.has(profile.model_id, form.digest)))


def _check_profile(profile: Profile, path: str) -> Profile:
    load = check_load(profile.load, f"{path}.load")
    check_host_class(profile.host_class, f"{path}.host_class")
    check_text(f"{path}.histogram", profile.histogram, LARGEST_HISTOGRAM_BYTES)
    check_text(f"{path}.offer_reason", profile.offer_reason, LONGEST_DETAIL)
    check_text(f"{path}.verified_on", profile.verified_on, LONGEST_NAME)
    if profile.host_json:
        check_json(f"{path}.host_json", profile.host_json, LARGEST_HOST_BYTES)
    if len(profile.runs) > MOST_RUNS:
        raise invalid(f"{path}.runs", f"at most {MOST_RUNS}, not {len(profile.runs)}")
    _check_measurements(profile.measurements, f"{path}.measurements")
    _check_reasons(profile.reasons, f"{path}.reasons")
    for position, run in enumerate(profile.runs):
        _check_measurements(run.measurements, f"{path}.runs[{position}].measurements")
        _check_reasons(run.reasons, f"{path}.runs[{position}].reasons")
        check_text(f"{path}.runs[{position}].schedule_digest", run.schedule_digest, LONGEST_NAME)
    if profile.form is not None:
        profile = replace(profile, form=_check_form(profile.form, f"{path}.form"))
    for library, version in profile.versions.items():
        check_text(f"{path}.versions", library, LONGEST_NAME)
        check_text(f"{path}.versions", version, LONGEST_NAME)
    return replace(
        profile, variant=check_variant(profile.variant, f"{path}.variant"), load=load, load_text=format_load(load)
    )


def _check_form(form: Form, path: str) -> Form:
    if form.size_bytes < 1:
        raise invalid(f"{path}.size_bytes", f"must be above 0, not {form.size_bytes}")
    if len(form.inputs) + len(form.outputs) > MOST_TENSORS or len(form.bound_to) > MOST_TENSORS:
        raise invalid(path, f"at most {MOST_TENSORS} inputs, outputs and words")
    for tensor in (*form.inputs, *form.outputs):
        check_text(path, tensor.name, LONGEST_DETAIL)
        if len(tensor.shape) > MOST_DIMENSIONS:
            raise invalid(path, f"{tensor.name[:80]!r} has more than {MOST_DIMENSIONS} dimensions")
    for word in (form.format, *(tensor.element_type for tensor in (*form.inputs, *form.outputs)), *form.bound_to):
        check_text(path, word, LONGEST_NAME)
    for word in form.bound_to.values():
        check_text(f"{path}.bound_to", word, LONGEST_DETAIL)
    return replace(form, digest=check_digest(f"{path}.digest", form.digest))


def _check_measurements(measurements: Sequence[Measurement], path: str) -> None:
    if len(measurements) > MOST_MEASUREMENTS:
        raise invalid(path, f"at most {MOST_MEASUREMENTS}, not {len(measurements)}")
    if len({measurement.name for measurement in measurements}) != len(measurements):
        raise invalid(path, "a quantity stands twice")
    for measurement in measurements:
        if not _METRIC.fullmatch(measurement.name):
            raise invalid(path, f"{measurement.name[:80]!r} is no name of a quantity")
        numbers = [measurement.value, measurement.low, measurement.high]
        if not all(number is None or math.isfinite(number) for number in numbers):
            raise invalid(path, f'{measurement.name} is not finite: report the source "none" with the reason instead')
        for text in (measurement.unit, measurement.source, measurement.detail):
            check_text(path, text, LONGEST_DETAIL)


def _check_reasons(reasons: Sequence[InvalidReason], path: str) -> None:
    if len(reasons) > MOST_REASONS:
        raise invalid(path, f"at most {MOST_REASONS}, not {len(reasons)}")
    for reason in reasons:
        if not _METRIC.fullmatch(reason.rule):
            raise invalid(path, f"{reason.rule[:80]!r} is no name of a rule")
        check_text(path, reason.detail, LONGEST_DETAIL)
