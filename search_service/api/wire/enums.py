"""Enums, by explicit dictionaries both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msearch.v1 import access_service_pb2, agent_service_pb2, error_reason_pb2, profiles_pb2, types_pb2
from search_service.domain.access import Role
from search_service.domain.catalog import Modality
from search_service.domain.errors import Reason
from search_service.domain.jobs import JobState
from search_service.domain.profiling import AgentState, Precision, Scenario
from search_service.usecases.fields import invalid
from search_service.usecases.leases import Part

Value = TypeVar("Value")

MODALITY_TO_PROTO: dict[Modality, types_pb2.Modality.ValueType] = {
    Modality.IMAGE: types_pb2.MODALITY_IMAGE,
    Modality.TEXT: types_pb2.MODALITY_TEXT,
    Modality.TABULAR: types_pb2.MODALITY_TABULAR,
    Modality.TIME_SERIES: types_pb2.MODALITY_TIME_SERIES,
    Modality.PAIRS: types_pb2.MODALITY_PAIRS,
    Modality.EMBEDDING: types_pb2.MODALITY_EMBEDDING,
}
MODALITY_FROM_PROTO: dict[int, Modality] = {number: modality for modality, number in MODALITY_TO_PROTO.items()}

REASON_TO_PROTO: dict[Reason, error_reason_pb2.ErrorReason.ValueType] = {
    Reason.INVALID_FIELD: error_reason_pb2.ERROR_REASON_INVALID_FIELD,
    Reason.INVALID_CARD: error_reason_pb2.ERROR_REASON_INVALID_CARD,
    Reason.INVALID_ARTIFACT: error_reason_pb2.ERROR_REASON_INVALID_ARTIFACT,
    Reason.INVALID_SIGNATURE: error_reason_pb2.ERROR_REASON_INVALID_SIGNATURE,
    Reason.INVALID_DATA: error_reason_pb2.ERROR_REASON_INVALID_DATA,
    Reason.INVALID_PAGE_TOKEN: error_reason_pb2.ERROR_REASON_INVALID_PAGE_TOKEN,
    Reason.UNKNOWN_SCORE: error_reason_pb2.ERROR_REASON_UNKNOWN_SCORE,
    Reason.DIGEST_MISMATCH: error_reason_pb2.ERROR_REASON_DIGEST_MISMATCH,
    Reason.MODEL_NOT_FOUND: error_reason_pb2.ERROR_REASON_MODEL_NOT_FOUND,
    Reason.DATASET_NOT_FOUND: error_reason_pb2.ERROR_REASON_DATASET_NOT_FOUND,
    Reason.FEATURE_SPACE_NOT_FOUND: error_reason_pb2.ERROR_REASON_FEATURE_SPACE_NOT_FOUND,
    Reason.ARTIFACT_NOT_FOUND: error_reason_pb2.ERROR_REASON_ARTIFACT_NOT_FOUND,
    Reason.NAME_TAKEN: error_reason_pb2.ERROR_REASON_NAME_TAKEN,
    Reason.REQUEST_ID_REUSED: error_reason_pb2.ERROR_REASON_REQUEST_ID_REUSED,
    Reason.STILL_REFERENCED: error_reason_pb2.ERROR_REASON_STILL_REFERENCED,
    Reason.REVISION_CONFLICT: error_reason_pb2.ERROR_REASON_REVISION_CONFLICT,
    Reason.TOO_LARGE: error_reason_pb2.ERROR_REASON_TOO_LARGE,
    Reason.STORAGE_UNAVAILABLE: error_reason_pb2.ERROR_REASON_STORAGE_UNAVAILABLE,
    Reason.JOB_NOT_FOUND: error_reason_pb2.ERROR_REASON_JOB_NOT_FOUND,
    Reason.PROFILE_NOT_FOUND: error_reason_pb2.ERROR_REASON_PROFILE_NOT_FOUND,
    Reason.AGENT_NOT_FOUND: error_reason_pb2.ERROR_REASON_AGENT_NOT_FOUND,
    Reason.LEASE_LOST: error_reason_pb2.ERROR_REASON_LEASE_LOST,
    Reason.NO_CAPABLE_AGENT: error_reason_pb2.ERROR_REASON_NO_CAPABLE_AGENT,
    Reason.UNKNOWN_METRIC: error_reason_pb2.ERROR_REASON_UNKNOWN_METRIC,
    Reason.SAMPLE_NOT_FOUND: error_reason_pb2.ERROR_REASON_SAMPLE_NOT_FOUND,
    Reason.TOKEN_NOT_FOUND: error_reason_pb2.ERROR_REASON_TOKEN_NOT_FOUND,
    Reason.UNAUTHENTICATED: error_reason_pb2.ERROR_REASON_UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: error_reason_pb2.ERROR_REASON_PERMISSION_DENIED,
    Reason.INVALID_BENCHMARK: error_reason_pb2.ERROR_REASON_INVALID_BENCHMARK,
    Reason.CONFIRMATION_REQUIRED: error_reason_pb2.ERROR_REASON_CONFIRMATION_REQUIRED,
    Reason.EXPERIMENT_NOT_FOUND: error_reason_pb2.ERROR_REASON_EXPERIMENT_NOT_FOUND,
    Reason.OPTIMISER_MISSING: error_reason_pb2.ERROR_REASON_OPTIMISER_MISSING,
    Reason.QUOTA_EXCEEDED: error_reason_pb2.ERROR_REASON_QUOTA_EXCEEDED,
    Reason.EXPERIMENT_RUNNING: error_reason_pb2.ERROR_REASON_EXPERIMENT_RUNNING,
    Reason.EVALUATION_SAMPLE_NOT_FOUND: error_reason_pb2.ERROR_REASON_EVALUATION_SAMPLE_NOT_FOUND,
    Reason.DISJOINT_CLASSES: error_reason_pb2.ERROR_REASON_DISJOINT_CLASSES,
    Reason.ROWS_NOT_STORED: error_reason_pb2.ERROR_REASON_ROWS_NOT_STORED,
    Reason.OUTPUTS_NOT_FOUND: error_reason_pb2.ERROR_REASON_OUTPUTS_NOT_FOUND,
}

PRECISION_TO_PROTO: dict[Precision, profiles_pb2.Precision.ValueType] = {
    Precision.FP32: profiles_pb2.PRECISION_FP32,
    Precision.BF16: profiles_pb2.PRECISION_BF16,
    Precision.FP16: profiles_pb2.PRECISION_FP16,
    Precision.INT8_DYNAMIC: profiles_pb2.PRECISION_INT8_DYNAMIC,
    Precision.INT8_STATIC: profiles_pb2.PRECISION_INT8_STATIC,
}
PRECISION_FROM_PROTO: dict[int, Precision] = {number: value for value, number in PRECISION_TO_PROTO.items()}

SCENARIO_TO_PROTO: dict[Scenario, profiles_pb2.Scenario.ValueType] = {
    Scenario.SINGLE_STREAM: profiles_pb2.SCENARIO_SINGLE_STREAM,
    Scenario.MULTI_STREAM: profiles_pb2.SCENARIO_MULTI_STREAM,
    Scenario.SERVER: profiles_pb2.SCENARIO_SERVER,
    Scenario.OFFLINE: profiles_pb2.SCENARIO_OFFLINE,
    Scenario.CONCURRENCY: profiles_pb2.SCENARIO_CONCURRENCY,
    Scenario.FIND_PEAK: profiles_pb2.SCENARIO_FIND_PEAK,
}
SCENARIO_FROM_PROTO: dict[int, Scenario] = {number: value for value, number in SCENARIO_TO_PROTO.items()}

JOB_STATE_TO_PROTO: dict[JobState, profiles_pb2.JobState.ValueType] = {
    JobState.PENDING: profiles_pb2.JOB_STATE_PENDING,
    JobState.LEASED: profiles_pb2.JOB_STATE_LEASED,
    JobState.SUCCEEDED: profiles_pb2.JOB_STATE_SUCCEEDED,
    JobState.FAILED: profiles_pb2.JOB_STATE_FAILED,
    JobState.CANCELLED: profiles_pb2.JOB_STATE_CANCELLED,
}
JOB_STATE_FROM_PROTO: dict[int, JobState] = {number: value for value, number in JOB_STATE_TO_PROTO.items()}

AGENT_STATE_TO_PROTO: dict[AgentState, profiles_pb2.AgentState.ValueType] = {
    AgentState.ACTIVE: profiles_pb2.AGENT_STATE_ACTIVE,
    AgentState.DRAINING: profiles_pb2.AGENT_STATE_DRAINING,
    AgentState.GONE: profiles_pb2.AGENT_STATE_GONE,
}

VERDICT_TO_PROTO: dict[bool, profiles_pb2.Verdict.ValueType] = {
    True: profiles_pb2.VERDICT_VALID,
    False: profiles_pb2.VERDICT_INVALID,
}
VERDICT_FROM_PROTO: dict[int, bool] = {number: valid for valid, number in VERDICT_TO_PROTO.items()}

OFFER_TO_PROTO: dict[bool, profiles_pb2.Offer.ValueType] = {
    True: profiles_pb2.OFFER_OFFERED,
    False: profiles_pb2.OFFER_REJECTED,
}
OFFER_FROM_PROTO: dict[int, bool] = {number: offered for offered, number in OFFER_TO_PROTO.items()}

ROLE_TO_PROTO: dict[Role, access_service_pb2.Role.ValueType] = {
    Role.READER: access_service_pb2.ROLE_READER,
    Role.PUBLISHER: access_service_pb2.ROLE_PUBLISHER,
    Role.AGENT: access_service_pb2.ROLE_AGENT,
    Role.ADMIN: access_service_pb2.ROLE_ADMIN,
}
ROLE_FROM_PROTO: dict[int, Role] = {number: role for role, number in ROLE_TO_PROTO.items()}

PART_TO_PROTO: dict[Part, agent_service_pb2.FetchForJobRequest.Part.ValueType] = {
    Part.MODEL: agent_service_pb2.FetchForJobRequest.PART_MODEL,
    Part.SAMPLE: agent_service_pb2.FetchForJobRequest.PART_SAMPLE,
    Part.EVALUATION_SAMPLE: agent_service_pb2.FetchForJobRequest.PART_EVALUATION_SAMPLE,
}
PART_FROM_PROTO: dict[int, Part] = {number: part for part, number in PART_TO_PROTO.items()}


def read_enum(number: int, values: Mapping[int, Value], path: str, known: str) -> Value:
    """Raises InvalidArgument for UNSPECIFIED and for a value that this version does not know."""
    value = values.get(number)
    if value is not None:
        return value
    problem = f"{number} is unknown" if number else "must be given"
    raise invalid(path, f"{problem}; one of {known}")


def read_precision(number: int, path: str) -> Precision:
    return read_enum(number, PRECISION_FROM_PROTO, path, ", ".join(PRECISION_TO_PROTO))


def read_scenario(number: int, path: str) -> Scenario:
    return read_enum(number, SCENARIO_FROM_PROTO, path, ", ".join(SCENARIO_TO_PROTO))


def read_job_state(number: int, path: str) -> JobState | None:
    """None for UNSPECIFIED, which means any."""
    if number == profiles_pb2.JOB_STATE_UNSPECIFIED:
        return None
    return read_enum(number, JOB_STATE_FROM_PROTO, path, ", ".join(JOB_STATE_TO_PROTO))


def read_role(number: int, path: str) -> Role:
    return read_enum(number, ROLE_FROM_PROTO, path, ", ".join(ROLE_TO_PROTO))


def read_part(number: int, path: str) -> Part:
    return read_enum(number, PART_FROM_PROTO, path, ", ".join(PART_TO_PROTO))


def read_modality(number: int, path: str) -> Modality:
    """Raises InvalidArgument for UNSPECIFIED and for a value that this version does not know."""
    modality = read_optional_modality(number, path)
    if modality is None:
        raise invalid(path, f"must be given; one of {', '.join(MODALITY_TO_PROTO)}")
    return modality


def read_optional_modality(number: int, path: str) -> Modality | None:
    """None for UNSPECIFIED, where a field says that it means any. Raises InvalidArgument for an unknown value."""
    if number == types_pb2.MODALITY_UNSPECIFIED:
        return None
    modality = MODALITY_FROM_PROTO.get(number)
    if modality is None:
        raise invalid(path, f"the modality {number} is unknown; known are {', '.join(MODALITY_TO_PROTO)}")
    return modality
