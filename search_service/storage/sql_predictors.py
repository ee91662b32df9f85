"""Fitted predictors in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from search_service.domain.evaluation import PredictorVersion
from search_service.storage import refusals
from search_service.storage.evidence_rows import predictor_of, predictor_values
from search_service.storage.evidence_tables import predictors
from search_service.storage.session import Session

_NEWEST = sa.select(predictors).order_by(predictors.c.version.desc()).limit(1)
_OLD = predictors.c.version < sa.bindparam("before")
_USING_BLOB = sa.select(predictors.c.version).where(predictors.c.digest == sa.bindparam("digest")).limit(1)


class SqlPredictors:
    """The predictors as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, predictor: PredictorVersion) -> None:
        if self._session.insert_new(predictors, predictor_values(predictor)) is None:
            raise refusals.only_name_taken("predictor", str(predictor.version))

    def newest(self) -> PredictorVersion | None:
        found = self._session.rows(_NEWEST)
        return predictor_of(found[0]) if found else None

    def forget_before(self, version: int) -> Sequence[str]:
        old = self._session.lock_rows(sa.select(predictors.c.digest).where(_OLD), {"before": version})
        if old:
            self._session.write(sa.delete(predictors).where(predictors.c.version < version))
        return [row.digest for row in old]

    def uses_blob(self, digest: str) -> bool:
        return bool(digest) and bool(self._session.rows(_USING_BLOB, {"digest": digest}))
