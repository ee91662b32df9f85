"""Evaluation samples in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from search_service.domain.catalog import Page
from search_service.domain.evaluation import EvaluationSample, SampleKind
from search_service.storage import refusals
from search_service.storage.evidence_rows import sample_of, sample_values
from search_service.storage.evidence_tables import evaluation_samples as samples
from search_service.storage.paging import Position, newest_keys
from search_service.storage.session import Session
from search_service.storage.tables import datasets

_ALL = sa.select(samples, datasets.c.id.label("dataset_id")).outerjoin(
    datasets, samples.c.dataset_number == datasets.c.number
)
_BY_ID = _ALL.where(samples.c.id == sa.bindparam("sample_id"))
_SAME = (
    _ALL.where(
        samples.c.digest == sa.bindparam("digest"),
        samples.c.kind == sa.bindparam("kind"),
        samples.c.token_id == sa.bindparam("token_id"),
        sa.func.coalesce(datasets.c.id, "") == sa.bindparam("dataset_id"),
    )
    .order_by(samples.c.number.desc())
    .limit(1)
)
_DATASET_KEPT = (
    sa.select(datasets.c.number)
    .where(datasets.c.id == sa.bindparam("dataset_id"))
    .with_for_update(read=True, key_share=True)
)
_EXPIRED = sa.select(samples.c.id).where(samples.c.expires_at <= sa.bindparam("now")).limit(sa.bindparam("most"))
_STORED_BYTES = sa.select(sa.func.coalesce(sa.func.sum(samples.c.size_bytes), 0).label("total")).where(
    samples.c.token_id == sa.bindparam("token_id"),
    sa.or_(samples.c.expires_at.is_(None), samples.c.expires_at > sa.bindparam("now")),
)
_USING_BLOB = (
    sa.select(samples.c.number)
    .where(
        sa.or_(
            sa.and_(samples.c.digest == sa.bindparam("digest"), samples.c.has_rows),
            samples.c.points_digest == sa.bindparam("digest"),
        )
    )
    .limit(1)
)


class SqlEvaluationSamples:
    """The evaluation samples as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, sample: EvaluationSample) -> None:
        number = None
        if sample.dataset_id:
            found = self._session.lock_rows(_DATASET_KEPT, {"dataset_id": sample.dataset_id})
            if not found:
                raise refusals.dataset_not_found(sample.dataset_id)
            number = found[0].number
        self._session.write(sa.insert(samples), sample_values(sample, number))

    def get(self, sample_id: str) -> EvaluationSample:
        found = self._session.rows(_BY_ID, {"sample_id": sample_id})
        if not found:
            raise refusals.evaluation_sample_not_found(sample_id)
        return sample_of(found[0])

    def get_many(self, sample_ids: Sequence[str]) -> dict[str, EvaluationSample]:
        return {row.id: sample_of(row) for row in self._session.rows_in(_ALL, samples.c.id, sample_ids)}

    def find(self, kind: SampleKind, digest: str, dataset_id: str, token_id: str) -> EvaluationSample | None:
        values = {"kind": kind.value, "digest": digest, "dataset_id": dataset_id, "token_id": token_id}
        found = self._session.rows(_SAME, values)
        return sample_of(found[0]) if found else None

    def page(
        self,
        kind: SampleKind | None,
        dataset_id: str,
        token_id: str,
        now: datetime,
        *,
        after: Position | None,
        size: int,
    ) -> Page[EvaluationSample]:
        conditions = [seen_by(token_id, now)]
        if kind is not None:
            conditions.append(samples.c.kind == kind.value)
        if dataset_id:
            number = sa.select(datasets.c.number).where(datasets.c.id == dataset_id)
            conditions.append(samples.c.dataset_number == number.scalar_subquery())
        keys = newest_keys(self._session, samples, conditions, after=after, size=size)
        numbers = [int(key) for (key,) in keys.items]
        found = {row.number: row for row in self._session.rows_in(_ALL, samples.c.number, numbers)}
        return Page(tuple(sample_of(found[number]) for number in numbers if number in found), keys.total, keys.after)

    def extend(self, sample_id: str, expires_at: datetime) -> None:
        change = sa.update(samples).where(samples.c.id == sample_id)
        if not self._session.write(change, {"expires_at": expires_at}):
            raise refusals.evaluation_sample_not_found(sample_id)

    def delete(self, sample_id: str) -> None:
        if not self._session.write(sa.delete(samples).where(samples.c.id == sample_id)):
            raise refusals.evaluation_sample_not_found(sample_id)

    def expired(self, now: datetime, limit: int) -> Sequence[str]:
        return [row.id for row in self._session.rows(_EXPIRED, {"now": now, "most": limit})]

    def stored_bytes(self, token_id: str, now: datetime) -> int:
        return int(self._session.rows(_STORED_BYTES, {"token_id": token_id, "now": now})[0].total)

    def uses_blob(self, digest: str) -> bool:
        return bool(digest) and bool(self._session.rows(_USING_BLOB, {"digest": digest}))


def seen_by(token_id: str, now: datetime) -> sa.ColumnElement[bool]:
    """What `EvaluationSample.is_seen_by` says, in SQL."""
    return sa.or_(
        samples.c.kind == SampleKind.VALIDATION.value,
        sa.and_(samples.c.token_id == token_id, sa.or_(samples.c.expires_at.is_(None), samples.c.expires_at > now)),
    )
