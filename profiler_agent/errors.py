"""What can go wrong with a job for a reason that people can understand."""

from __future__ import annotations

from msearch_running.errors import RunError


class JobError(Exception):
    """Base. `code` is the machine-readable reason of `Failure` in profiles.proto; `retry`: another attempt may help."""

    code = "internal"
    retry = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CompileFailed(JobError):
    """The backend could not compile the model."""

    code = "compile_failed"


class UnsupportedOperator(CompileFailed):
    """The model needs an operator, or a format, that the backend lacks."""

    code = "unsupported_operator"


class BackendUnavailable(JobError):
    """The backend, device or precision is not to be had on this host."""

    code = "backend_unavailable"


class WrongOutput(JobError):
    """The compiled model gives NaN, another shape than declared, or something far from the reference."""

    code = "wrong_output"


class WrongInput(JobError):
    """The rows are not what the model's card says."""

    code = "wrong_input"


class DigestMismatch(JobError):
    """The bytes that arrived are not those that were registered."""

    code = "digest_mismatch"
    retry = True


class RefusedFormat(JobError):
    """A format that runs code when it is read, whatever its name says."""

    code = "refused_format"


class Unreachable(JobError):
    """A remote target does not answer."""

    code = "unreachable"


class InvalidLoad(JobError):
    """A load that cannot be: an impossible rate, an unknown arrival pattern, a parameter out of range."""

    code = "invalid_load"


class Crashed(JobError):
    """The child process ended without a result."""

    code = "crashed"


class DeadlineExceeded(JobError):
    """The job, or a step of it, took too long."""

    code = "deadline_exceeded"


class MemoryLimit(JobError):
    """The child process wanted more memory than it may have."""

    code = "memory_limit"


class Cancelled(JobError):
    """Someone asked to stop the job."""

    code = "cancelled"


def job_error(error: RunError) -> JobError:
    """What `msearch_running` says, as an error of the job."""
    kinds: tuple[type[JobError], ...] = (
        CompileFailed, UnsupportedOperator, BackendUnavailable, WrongInput, WrongOutput, RefusedFormat,
    )  # fmt: skip
    kind = next((kind for kind in kinds if kind.code == error.code), JobError)
    return kind(error.message)


class LeaseLost(Exception):
    """The job is no longer this agent's: drop the work, report nothing."""
