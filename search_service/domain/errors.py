"""Everything that can go wrong for a reason the caller can understand.

Each error has a status-like class and a `reason`, the machine-readable name that clients branch on. `api.errors` maps
them to gRPC statuses in one table; nothing else knows about both.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Reason(StrEnum):
    """Machine-readable reasons; the names of `ErrorReason` in error_reason.proto without their prefix."""

    INVALID_FIELD = "INVALID_FIELD"
    INVALID_CARD = "INVALID_CARD"
    INVALID_ARTIFACT = "INVALID_ARTIFACT"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    INVALID_DATA = "INVALID_DATA"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - not a password
    UNKNOWN_SCORE = "UNKNOWN_SCORE"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    DATASET_NOT_FOUND = "DATASET_NOT_FOUND"
    FEATURE_SPACE_NOT_FOUND = "FEATURE_SPACE_NOT_FOUND"
    ARTIFACT_NOT_FOUND = "ARTIFACT_NOT_FOUND"
    NAME_TAKEN = "NAME_TAKEN"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    STILL_REFERENCED = "STILL_REFERENCED"
    REVISION_CONFLICT = "REVISION_CONFLICT"
    TOO_LARGE = "TOO_LARGE"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    PROFILE_NOT_FOUND = "PROFILE_NOT_FOUND"
    AGENT_NOT_FOUND = "AGENT_NOT_FOUND"
    LEASE_LOST = "LEASE_LOST"
    NO_CAPABLE_AGENT = "NO_CAPABLE_AGENT"
    UNKNOWN_METRIC = "UNKNOWN_METRIC"
    SAMPLE_NOT_FOUND = "SAMPLE_NOT_FOUND"
    TOKEN_NOT_FOUND = "TOKEN_NOT_FOUND"  # noqa: S105 - not a password
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    INVALID_BENCHMARK = "INVALID_BENCHMARK"
    CONFIRMATION_REQUIRED = "CONFIRMATION_REQUIRED"
    EXPERIMENT_NOT_FOUND = "EXPERIMENT_NOT_FOUND"
    OPTIMISER_MISSING = "OPTIMISER_MISSING"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    EVALUATION_SAMPLE_NOT_FOUND = "EVALUATION_SAMPLE_NOT_FOUND"
    DISJOINT_CLASSES = "DISJOINT_CLASSES"
    ROWS_NOT_STORED = "ROWS_NOT_STORED"
    OUTPUTS_NOT_FOUND = "OUTPUTS_NOT_FOUND"
    EXPERIMENT_RUNNING = "EXPERIMENT_RUNNING"


class DomainError(Exception):
    """Base. `message` says what is wrong with what and what to do; it is shown to the caller as it is."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class InvalidArgument(DomainError):
    """The request is wrong whatever the state of the service. `fields` holds (path, problem) pairs."""

    def __init__(
        self, message: str, reason: Reason = Reason.INVALID_FIELD, fields: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message, reason)
        self.fields = tuple(fields)


class NotFound(DomainError):
    """The named thing does not exist."""


class AlreadyExists(DomainError):
    """The name, or the request id, is taken."""


class PreconditionFailed(DomainError):
    """The state of the service forbids it; it may be allowed later."""


class Conflict(DomainError):
    """The thing changed since it was read; read it again and retry."""


class ResourceExhausted(DomainError):
    """The request is larger than the service accepts, by itself or with what it keeps for the caller already."""


class Unavailable(DomainError):
    """A part of the service did not answer; retry with backoff."""


class LeaseLost(DomainError):
    """The lease ended, or the job was given to another agent: the work is to be dropped. Nothing was changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.LEASE_LOST)


class Unauthenticated(DomainError):
    """The call does not say who makes it, or says it with a token that does not hold."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.UNAUTHENTICATED)


class PermissionDenied(DomainError):
    """Who makes the call is known, and may not make it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.PERMISSION_DENIED)
