"""Files that agents made of models, in the memory database."""

from __future__ import annotations

from collections.abc import Sequence

from search_service.storage import refusals
from search_service.storage.memory_session import MemorySession


class MemoryForms:
    """The files as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, model_id: str, digest: str, size_bytes: int) -> None:
        tables = self._session.write()
        if model_id not in tables.models:
            raise refusals.model_not_found(model_id)
        tables.forms[model_id, digest] = size_bytes

    def has(self, model_id: str, digest: str) -> bool:
        return (model_id, digest) in self._session.read().forms

    def of_model(self, model_id: str) -> Sequence[str]:
        return sorted(digest for owner, digest in self._session.read().forms if owner == model_id)

    def uses_blob(self, digest: str) -> bool:
        return any(kept == digest for _, kept in self._session.read().forms)
