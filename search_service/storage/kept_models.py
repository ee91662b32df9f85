"""Models that stay while a unit of work writes what refers to them."""

from __future__ import annotations

import sqlalchemy as sa

from search_service.storage import refusals
from search_service.storage.session import Session
from search_service.storage.tables import models

_KEPT = (
    sa.select(models.c.number).where(models.c.id == sa.bindparam("model_id")).with_for_update(read=True, key_share=True)
)


def keep_model(session: Session, model_id: str) -> int:
    """The number of the model, which nobody can delete until this unit of work ends. Raises NotFound."""
    found = session.lock_rows(_KEPT, {"model_id": model_id})
    if not found:
        raise refusals.model_not_found(model_id)
    return int(found[0].number)
