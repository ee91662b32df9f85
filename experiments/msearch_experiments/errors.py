"""What can go wrong with a benchmark file. Every message says what to do."""

from __future__ import annotations

from msearch_card.errors import DocumentError


class BenchmarkError(DocumentError):
    """The benchmark file does not follow the schema, or asks for what cannot be."""


class TooManyRuns(BenchmarkError):
    """The grid is larger than was confirmed. `profiles` is how many it holds."""

    def __init__(self, message: str, profiles: int) -> None:
        super().__init__(message, [("", message)])
        self.profiles = profiles


class ArchitectureError(ValueError):
    """A canonical model that cannot be made: `field` is the part of the architecture that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
