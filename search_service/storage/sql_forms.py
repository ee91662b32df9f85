"""Files that agents made of models, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from search_service.storage.kept_models import keep_model
from search_service.storage.profiling_tables import LEASED, forms, jobs, profile_details, profiles
from search_service.storage.session import Session
from search_service.storage.tables import models

_OF_MODEL = (
    sa.select(forms.c.digest)
    .join(models, forms.c.model_number == models.c.number)
    .where(models.c.id == sa.bindparam("model_id"))
    .order_by(forms.c.digest)
)
_ONE = _OF_MODEL.where(forms.c.digest == sa.bindparam("digest"))
_NAMED = (
    sa.exists()
    .where(profiles.c.model_number == forms.c.model_number)
    .where(profile_details.c.profile_number == profiles.c.number)
    .where(profile_details.c.form.contains(forms.c.digest))
)
_BEING_MEASURED = sa.exists().where(jobs.c.model_id == models.c.id, LEASED)
_UNUSED = (
    sa.select(forms.c.model_number, forms.c.digest)
    .join(models, forms.c.model_number == models.c.number)
    .where(~_NAMED, ~_BEING_MEASURED)
    .order_by(forms.c.model_number, forms.c.digest)
    .limit(sa.bindparam("most"))
)
_DELETE = sa.delete(forms).where(
    forms.c.model_number == sa.bindparam("of_model"), forms.c.digest == sa.bindparam("of_digest")
)
_USING_BLOB = sa.select(forms.c.digest).where(forms.c.digest == sa.bindparam("digest")).limit(1)


class SqlForms:
    """The files as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, model_id: str, digest: str, size_bytes: int) -> None:
        values = {"model_number": keep_model(self._session, model_id), "digest": digest, "size_bytes": size_bytes}
        self._session.insert_new(forms, values)  # None where it is there: so be it

    def has(self, model_id: str, digest: str) -> bool:
        return bool(self._session.rows(_ONE, {"model_id": model_id, "digest": digest}))

    def of_model(self, model_id: str) -> Sequence[str]:
        return [row.digest for row in self._session.rows(_OF_MODEL, {"model_id": model_id})]

    def delete_unused(self, most: int) -> Sequence[str]:
        found = self._session.lock_rows(_UNUSED, {"most": most})
        if found:
            self._session.write(_DELETE, [{"of_model": row.model_number, "of_digest": row.digest} for row in found])
        return [row.digest for row in found]

    def uses_blob(self, digest: str) -> bool:
        return bool(self._session.rows(_USING_BLOB, {"digest": digest}))
