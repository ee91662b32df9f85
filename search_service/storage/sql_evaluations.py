"""Evaluations in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from search_service.domain.catalog import Page
from search_service.domain.evaluation import Evaluation, MeasuredBy, SampleKind
from search_service.storage import refusals
from search_service.storage.evidence_rows import evaluation_of, evaluation_values
from search_service.storage.evidence_tables import evaluation_samples as samples
from search_service.storage.evidence_tables import evaluations
from search_service.storage.kept_models import keep_model
from search_service.storage.paging import Position, newest_keys
from search_service.storage.session import Session
from search_service.storage.sql_evaluation_samples import seen_by
from search_service.storage.tables import models

_ALL = (
    sa.select(evaluations, models.c.id.label("model_id"), samples.c.id.label("sample_id"))
    .join(models, evaluations.c.model_number == models.c.number)
    .join(samples, evaluations.c.sample_number == samples.c.number)
)
_ON_SAMPLE = _ALL.where(samples.c.id == sa.bindparam("sample_id"))
_ONE = _ON_SAMPLE.where(models.c.id == sa.bindparam("model_id"))
_SAME_OUTPUTS = (
    _ALL.where(
        evaluations.c.subject == sa.bindparam("subject"),
        samples.c.digest == sa.bindparam("digest"),
        evaluations.c.measured_by == MeasuredBy.AGENT.value,
    )
    .order_by(evaluations.c.number.desc())
    .limit(1)
)
_ON_VALIDATION_SAMPLES = _ALL.where(samples.c.kind == SampleKind.VALIDATION.value)
_COUNTED = (
    sa.select(sa.func.count())
    .select_from(evaluations)
    .join(samples, evaluations.c.sample_number == samples.c.number)
    .where(samples.c.kind == SampleKind.VALIDATION.value)
)
_SAMPLE_KEPT = (
    sa.select(samples.c.number)
    .where(samples.c.id == sa.bindparam("sample_id"))
    .with_for_update()  # two reports for one model and sample come one after the other
)
_USING_BLOB = sa.select(evaluations.c.number).where(evaluations.c.outputs_digest == sa.bindparam("digest")).limit(1)


class SqlEvaluations:
    """The evaluations as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, evaluation: Evaluation) -> None:
        model_number = keep_model(self._session, evaluation.model_id)
        sample = self._session.lock_rows(_SAMPLE_KEPT, {"sample_id": evaluation.sample_id})
        if not sample:
            raise refusals.evaluation_sample_not_found(evaluation.sample_id)
        values = evaluation_values(evaluation, model_number, sample[0].number)
        self._session.write(
            sa.delete(evaluations).where(
                evaluations.c.model_number == values["model_number"],
                evaluations.c.sample_number == values["sample_number"],
            )
        )
        self._session.write(sa.insert(evaluations), values)

    def get(self, model_id: str, sample_id: str) -> Evaluation | None:
        found = self._session.rows(_ONE, {"model_id": model_id, "sample_id": sample_id})
        return evaluation_of(found[0]) if found else None

    def on_sample(self, sample_id: str, model_ids: Sequence[str]) -> dict[str, Evaluation]:
        wanted = frozenset(model_ids)
        rows = self._session.rows(_ON_SAMPLE, {"sample_id": sample_id})
        return {row.model_id: evaluation_of(row) for row in rows if row.model_id in wanted}

    def outputs_on(self, sample_id: str) -> Sequence[str]:
        return [row.outputs_digest for row in self._session.rows(_ON_SAMPLE, {"sample_id": sample_id})]

    def same_outputs(self, subject: str, sample_digest: str) -> Evaluation | None:
        found = self._session.rows(_SAME_OUTPUTS, {"subject": subject, "digest": sample_digest})
        return evaluation_of(found[0]) if found else None

    def page(
        self,
        model_id: str,
        sample_id: str,
        token_id: str,
        now: datetime,
        *,
        after: Position | None,
        size: int,
    ) -> Page[Evaluation]:
        seen = sa.select(samples.c.number).where(seen_by(token_id, now))
        if sample_id:
            seen = seen.where(samples.c.id == sample_id)
        conditions: list[sa.ColumnElement[bool]] = [evaluations.c.sample_number.in_(seen)]
        if model_id:
            number = sa.select(models.c.number).where(models.c.id == model_id)
            conditions.append(evaluations.c.model_number == number.scalar_subquery())
        keys = newest_keys(self._session, evaluations, conditions, after=after, size=size)
        numbers = [int(key) for (key,) in keys.items]
        found = {row.number: row for row in self._session.rows_in(_ALL, evaluations.c.number, numbers)}
        items = tuple(evaluation_of(found[number]) for number in numbers if number in found)
        return Page(items, keys.total, keys.after)

    def on_validation_samples(self) -> Sequence[Evaluation]:
        return [evaluation_of(row) for row in self._session.rows(_ON_VALIDATION_SAMPLES)]

    def count_on_validation_samples(self) -> int:
        return int(self._session.rows(_COUNTED)[0][0])

    def uses_blob(self, digest: str) -> bool:
        return bool(digest) and bool(self._session.rows(_USING_BLOB, {"digest": digest}))
