"""Why a model could not be run. Every message says what to do, where there is something."""

from __future__ import annotations


class RunError(Exception):
    """Base. `code` is one of those of `Failure` in profiles.proto, so that it means the same wherever a model runs."""

    code = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RuntimeMissing(RunError):
    """The runtime that reads the artifact is not installed here."""

    code = "backend_unavailable"


class RefusedArtifact(RunError):
    """The artifact holds what could run code or reach other files when it is read."""

    code = "refused_format"


class LoadFailed(RunError):
    """The artifact is damaged, or the runtime cannot load it."""

    code = "compile_failed"


class MissingOperator(LoadFailed):
    """The artifact needs an operator, or is of a format, that is not known here."""

    code = "unsupported_operator"


class WrongRows(RunError):
    """The rows are not what the card says of the model's input."""

    code = "wrong_input"


class WrongOutput(RunError):
    """The model gives NaN, another shape than the card says, or no probabilities."""

    code = "wrong_output"


class Crashed(RunError):
    """The process that ran the model ended without a result."""

    code = "crashed"


class DeadlineExceeded(RunError):
    """The model took too long."""

    code = "deadline_exceeded"


class OutOfMemory(RunError):
    """The model took more memory than there is."""

    code = "memory_limit"


def error_of(code: str, message: str) -> RunError:
    """The error of that code, as another process told it."""
    pending: list[type[RunError]] = [RunError]
    for kind in pending:
        if kind.code == code:
            return kind(message)
        pending.extend(kind.__subclasses__())
    return RunError(message)
