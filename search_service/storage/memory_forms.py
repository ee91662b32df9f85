"""Files that agents made of models, in the memory database."""

from __future__ import annotations

from collections.abc import Sequence

from search_service.domain.jobs import JobState
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

    def delete_unused(self, most: int) -> Sequence[str]:
        tables = self._session.write()
        named = {(one.model_id, one.form.digest) for one in tables.profiles.values() if one.form is not None}
        measured = {job.spec.model_id for job in tables.jobs.values() if job.state is JobState.LEASED}
        unused = [key for key in sorted(tables.forms) if key not in named and key[0] not in measured][:most]
        for key in unused:
            del tables.forms[key]
        return [digest for _, digest in unused]

    def uses_blob(self, digest: str) -> bool:
        return any(kept == digest for _, kept in self._session.read().forms)
