"""Failed calls to exceptions: status code and `google.rpc` details to the tree of `_errors`."""

from __future__ import annotations

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from msearch_client._errors import (
    AlreadyExistsError,
    ApiError,
    CancelledError,
    ConflictError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)

DOMAIN = "msearch"

ERROR_OF_STATUS: dict[grpc.StatusCode, type[ApiError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionFailedError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
}

HOW_TO_SIGN_IN = (
    "set MSEARCH_TOKEN, `token` in the config file or Client(token=...); an admin makes one with "
    "`msearch-cli token create`, and the first one is made where the service runs with `msearch-service token create`"
)
HOW_TO_TRUST = (
    "check MSEARCH_TLS, MSEARCH_TLS_CA, MSEARCH_TLS_CERT and MSEARCH_TLS_KEY; `msearch-cli config` shows them"
)

HINTS: dict[str, str] = {
    "REQUEST_ID_REUSED": "let the client choose the request id, or use a new one",
    "REVISION_CONFLICT": "read it again and repeat the change",
    "UNKNOWN_SCORE": "list the scores with `msearch-cli scores` or Client.scores()",
    "STORAGE_UNAVAILABLE": "the service runs but its database or blob store does not answer; try again later",
    "NO_CAPABLE_AGENT": "start an agent with `msearch-cli agent`, or submit anyway with --allow-waiting or "
    "allow_waiting=True",
    "CONFIRMATION_REQUIRED": "accept it with --confirm or confirm=True; add --dry-run to see the plan",
    "UNKNOWN_METRIC": "docs/profiling.md lists the measured quantities",
    "UNAUTHENTICATED": HOW_TO_SIGN_IN,
    "PERMISSION_DENIED": "use a token of another role; an admin makes one with `msearch-cli token create`",
    "INTERNAL": "this is a defect of the service; report it with what its log says",
}


def to_error(failure: grpc.RpcError, server: str, timeout_s: float) -> ApiError:
    """The exception for a failed call to `server` that had `timeout_s` seconds."""
    code = failure.code()
    kind = ERROR_OF_STATUS.get(code, InternalError)
    message = failure.details() or code.name
    info, fields = _read_details(failure)
    if info is not None:
        hint = HINTS.get(info.reason, "")
        request_id = info.metadata.get("request_id", "")
        return kind(message, reason=info.reason, fields=fields, request_id=request_id, hint=hint)
    if kind is UnavailableError:
        return _unreachable(message, server)
    if kind is DeadlineExceededError:
        return kind(
            f"the service at {server} did not answer within {timeout_s:.3g} s",
            hint="allow more time with Client(timeout_s=...) or MSEARCH_TIMEOUT_S, or look whether the service is busy",
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return kind(
            f"the server at {server} does not offer this call ({message})",
            hint="check the address, and that client and service are of the same version",
        )
    return kind(f"the call to {server} failed: {message}", fields=fields)


def _unreachable(message: str, server: str) -> UnavailableError:
    """Nobody answered. gRPC nests its reasons, outermost first; the innermost is the one that says something."""
    if "handshake failed" in message:
        said = message.rpartition("OPENSSL_internal:")[2].removesuffix(": OK")
        if "WRONG_VERSION_NUMBER" in message:
            said = "the service does not speak TLS"
        elif "CERTIFICATE_VERIFY_FAILED" in message:
            said = f"its certificate is not trusted here: {said.rpartition(': ')[2]}"
        return UnavailableError(f"no secure connection to the service at {server}: {said}", hint=HOW_TO_TRUST)
    reason = message.rpartition(": ")[2].strip(" ]")
    hint = "start it with `msearch-cli serve`, or name another with --server, MSEARCH_SERVER or the config file"
    if reason == "Socket closed":
        hint = f"if it wants TLS, or a certificate of its callers, {HOW_TO_TRUST}; else {hint}"
    return UnavailableError(f"no answer from the service at {server} ({reason})", hint=hint)


def _read_details(failure: grpc.RpcError) -> tuple[ErrorInfo | None, tuple[tuple[str, str], ...]]:
    """The msearch ErrorInfo, if there is one, and the fields that are to blame."""
    try:
        status = rpc_status.from_call(failure)
    except ValueError:
        # The details contradict the status: some proxy rewrote it, so only the status itself counts.
        return None, ()
    found: ErrorInfo | None = None
    fields: list[tuple[str, str]] = []
    for detail in () if status is None else status.details:
        info, bad_request = ErrorInfo(), BadRequest()
        if detail.Unpack(info) and info.domain == DOMAIN:
            found = info
        elif detail.Unpack(bad_request):
            fields += [(violation.field, violation.description) for violation in bad_request.field_violations]
    return found, tuple(fields)
