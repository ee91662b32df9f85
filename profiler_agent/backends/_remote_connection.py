"""What a connection to a remote model does, over whichever transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from profiler_agent.backends._remote_tensors import RemoteTensor

CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 60.0
LARGEST_ANSWER_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModelFacts:
    """What the server says of itself and of the model."""

    inputs: tuple[RemoteTensor, ...]
    outputs: tuple[RemoteTensor, ...]
    server: str
    platform: str
    extensions: tuple[str, ...]


class Connection(Protocol):
    """One connection to one model. Not safe to share between threads."""

    def describe(self) -> RemoteModelFacts:
        """Asks for readiness and metadata.

        Raises:
            Unreachable: the server does not answer, or is not ready.
            CompileFailed: it has no such model, or the model is not ready.
        """

    def infer(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One inference.

        Raises:
            Unreachable: the server does not answer.
            WrongOutput: it answers with an error, or with what is not the protocol's.
        """

    def close(self) -> None:
        """Ends it."""
