"""What can go wrong. The tree mirrors the service's own errors, so that callers branch on types, not on texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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


class NotFoundError(ApiError):
    """The named model, dataset, feature space or artifact does not exist."""


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
