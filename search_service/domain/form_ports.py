"""Where it is remembered which files agents made of which models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class FormStore(Protocol):
    """Files that agents made of models, by model and digest; their bytes are blobs. They go with their model."""

    def add(self, model_id: str, digest: str, size_bytes: int) -> None:
        """Adds it; harmless where it is there. Raises NotFound (MODEL_NOT_FOUND)."""

    def has(self, model_id: str, digest: str) -> bool:
        """Whether that file is kept of that model."""

    def of_model(self, model_id: str) -> Sequence[str]:
        """Digests of what is kept of the model, sorted."""

    def delete_unused(self, most: int) -> Sequence[str]:
        """Removes at most so many that no profile of their model names, and gives their digests.

        Not of models that an agent has a job of: what it has had kept, its report will name.
        """

    def uses_blob(self, digest: str) -> bool:
        """Whether a file of any model has that digest."""
