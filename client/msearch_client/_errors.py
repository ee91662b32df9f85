"""What can go wrong. The tree mirrors the service's own errors, so that callers branch on types, not on texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msearch_client._jobs import Job


class MsearchError(Exception):
    """Base of everything this package raises on purpose.

    `message` says what is wrong with what; `hint` says what to do about it, or is empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON values, as `msearch-cli --json` prints it."""
        return {"error": type(self).__name__, "message": self.message, "hint": self.hint}


class LocalError(MsearchError):
    """Something on this machine is wrong: a file that cannot be read, a card that is invalid, a bad setting.

    `fields` holds (path, problem) pairs where single fields of a card are to blame.
    """

    def __init__(self, message: str, *, hint: str = "", fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message, hint=hint)
        self.fields = tuple(fields)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"fields": [list(pair) for pair in self.fields]}


class JobFailedError(MsearchError):
    """A profiling job ended without result: it failed, or was cancelled.

    `job` is the job; `code` is why, such as "compile_failed", or "cancelled".
    """

    def __init__(self, job: Job) -> None:
        failure = job.failure
        name = f"the job {job.id}" + (f" for {job.model_name}" if job.model_name else "")
        if failure is None:
            message = f"{name} was {job.state}" if job.state == "cancelled" else f"{name} {job.state}"
        else:
            message = (
                f"{name} {'was ' if job.state == 'cancelled' else ''}{job.state}: {failure.code}: {failure.message}"
            )
        super().__init__(message, hint=f"`msearch-cli jobs show {job.id}` tells what was tried")
        self.job = job
        self.code = failure.code if failure else job.state.value

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"job_id": self.job.id, "code": self.code}


class ApiError(MsearchError):
    """A call to the service failed.

    `reason` is the machine-readable name of an `ErrorReason` without prefix, such as "MODEL_NOT_FOUND", or empty
    where the service did not get to answer. `fields` holds (path, problem) pairs; `request_id` finds the call in the
    service's log, or is empty.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        fields: Sequence[tuple[str, str]] = (),
        request_id: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.fields = tuple(fields)
        self.request_id = request_id

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {
            "reason": self.reason,
            "fields": [list(pair) for pair in self.fields],
            "request_id": self.request_id,
        }


class InvalidArgumentError(ApiError):
    """The request is wrong whatever the state of the service; `fields` names what."""


class UnauthenticatedError(ApiError):
    """The call carries no token, or one that is unknown, revoked or past its end."""


class PermissionDeniedError(ApiError):
    """The token's role does not allow this call."""


class NotFoundError(ApiError):
    """The named model, dataset, feature space, artifact, job, profile, agent or token does not exist."""


class AlreadyExistsError(ApiError):
    """Another object holds that name and version, or the request id was used for another request."""


class PreconditionFailedError(ApiError):
    """The state of the service forbids it, for instance because the object is still referred to."""


class ConflictError(ApiError):
    """The object changed since it was read; read it again and retry."""


class ResourceExhaustedError(ApiError):
    """The request is larger than the service accepts."""


class UnavailableError(ApiError):
    """The service, or its storage, did not answer."""


class DeadlineExceededError(ApiError):
    """The call took longer than its timeout."""


class CancelledError(ApiError):
    """The call was cancelled, here or by the service shutting down."""


class InternalError(ApiError):
    """A defect of the service, or an answer this client does not understand."""
