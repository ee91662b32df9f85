"""The one table between the service's errors and gRPC statuses."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from msearch.v1 import error_reason_pb2
from search_service.api.wire.enums import REASON_TO_PROTO
from search_service.domain.errors import (
    AlreadyExists,
    Conflict,
    DomainError,
    InvalidArgument,
    LeaseLost,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

DOMAIN = "msearch"

STATUS_CODES: dict[type[DomainError], int] = {
    InvalidArgument: code_pb2.INVALID_ARGUMENT,
    NotFound: code_pb2.NOT_FOUND,
    AlreadyExists: code_pb2.ALREADY_EXISTS,
    PreconditionFailed: code_pb2.FAILED_PRECONDITION,
    Conflict: code_pb2.ABORTED,
    ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    Unavailable: code_pb2.UNAVAILABLE,
    LeaseLost: code_pb2.ABORTED,
    Unauthenticated: code_pb2.UNAUTHENTICATED,
    PermissionDenied: code_pb2.PERMISSION_DENIED,
}

# Trailing metadata above 8 KiB is refused by many peers, and the message travels in it twice.
LONGEST_MESSAGE = 1200
_MOST_VIOLATIONS = 10
_LONGEST_VIOLATION = 200


def refusal(error: DomainError, request_id: str) -> grpc.Status:
    """The status of an error that the caller can understand."""
    details = [_error_info(REASON_TO_PROTO[error.reason], request_id)]
    if isinstance(error, InvalidArgument) and error.fields:
        details.append(_bad_request(error))
    code = next(code for kind, code in STATUS_CODES.items() if isinstance(error, kind))
    return _status(code, _shortened(error.message, LONGEST_MESSAGE), details)


def defect(request_id: str) -> grpc.Status:
    """The status of an unexpected exception: no detail but where to look."""
    message = f"an internal error occurred; the service's log tells more under request id {request_id}"
    return _status(code_pb2.INTERNAL, message, [_error_info(error_reason_pb2.ERROR_REASON_INTERNAL, request_id)])


def _error_info(reason: error_reason_pb2.ErrorReason.ValueType, request_id: str) -> error_details_pb2.ErrorInfo:
    name = error_reason_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    return error_details_pb2.ErrorInfo(domain=DOMAIN, reason=name, metadata={"request_id": request_id})


def _bad_request(error: InvalidArgument) -> error_details_pb2.BadRequest:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(
            field=_shortened(path, _LONGEST_VIOLATION), description=_shortened(problem, _LONGEST_VIOLATION)
        )
        for path, problem in error.fields[:_MOST_VIOLATIONS]
    ]
    return error_details_pb2.BadRequest(field_violations=violations)


def _status(
    code: int, message: str, details: list[error_details_pb2.ErrorInfo | error_details_pb2.BadRequest]
) -> grpc.Status:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    result: grpc.Status = rpc_status.to_status(status)
    return result


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
