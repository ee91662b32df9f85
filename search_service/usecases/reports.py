"""Checks the profiles that an agent reports."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from search_service.domain.loads import check_load, format_load
from search_service.domain.profiling import InvalidReason, Measurement, Profile
from search_service.usecases.agents import LARGEST_HOST_BYTES, check_json
from search_service.usecases.fields import LONGEST_NAME, check_text, invalid
from search_service.usecases.job_specs import MOST_PROFILES, check_host_class, check_variant

MOST_MEASUREMENTS = 200
MOST_RUNS = 200
MOST_REASONS = 50
LARGEST_HISTOGRAM_BYTES = 1 << 20
LONGEST_DETAIL = 2000

_METRIC = re.compile(r"[a-z][a-z0-9_]{0,59}")


def check_profiles(reported: Sequence[Profile]) -> tuple[Profile, ...]:
    """The profiles with variants and loads in canonical form. Raises InvalidArgument."""
    if not 1 <= len(reported) <= MOST_PROFILES:
        raise invalid("profiles", f"must be 1 to {MOST_PROFILES}, not {len(reported)}")
    return tuple(_check_profile(profile, f"profiles[{n}]") for n, profile in enumerate(reported))


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
    for library, version in profile.versions.items():
        check_text(f"{path}.versions", library, LONGEST_NAME)
        check_text(f"{path}.versions", version, LONGEST_NAME)
    return replace(
        profile, variant=check_variant(profile.variant, f"{path}.variant"), load=load, load_text=format_load(load)
    )


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
