"""Evaluation samples, evaluations and predictors of the memory database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from search_service.domain.catalog import Page
from search_service.domain.evaluation import Evaluation, EvaluationSample, MeasuredBy, PredictorVersion, SampleKind
from search_service.storage import refusals
from search_service.storage.memory_removals import drop_samples
from search_service.storage.memory_session import MemorySession, Tables
from search_service.storage.memory_stores import Position, newest


class MemoryEvaluationSamples:
    """The evaluation samples as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, sample: EvaluationSample) -> None:
        tables = self._session.write()
        if sample.dataset_id and sample.dataset_id not in tables.datasets:
            raise refusals.dataset_not_found(sample.dataset_id)
        tables.last_sample_number += 1
        tables.evaluation_samples[sample.id] = sample
        tables.sample_numbers[sample.id] = tables.last_sample_number

    def get(self, sample_id: str) -> EvaluationSample:
        sample = self._session.read().evaluation_samples.get(sample_id)
        if sample is None:
            raise refusals.evaluation_sample_not_found(sample_id)
        return sample

    def get_many(self, sample_ids: Sequence[str]) -> dict[str, EvaluationSample]:
        samples = self._session.read().evaluation_samples
        return {sample_id: samples[sample_id] for sample_id in sample_ids if sample_id in samples}

    def find(self, kind: SampleKind, digest: str, dataset_id: str, token_id: str) -> EvaluationSample | None:
        tables = self._session.read()
        wanted = (kind, digest, dataset_id, token_id)
        same = [
            sample
            for sample in tables.evaluation_samples.values()
            if (sample.kind, sample.digest, sample.dataset_id, sample.token_id) == wanted
        ]
        return max(same, key=lambda sample: tables.sample_numbers[sample.id], default=None)

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
        tables = self._session.read()
        passing = [
            sample
            for sample in tables.evaluation_samples.values()
            if sample.is_seen_by(token_id, now)
            and kind in (None, sample.kind)
            and dataset_id in ("", sample.dataset_id)
        ]
        return newest(passing, lambda sample: tables.sample_numbers[sample.id], after, size)

    def extend(self, sample_id: str, expires_at: datetime) -> None:
        sample = self.get(sample_id)
        self._session.write().evaluation_samples[sample_id] = replace(sample, expires_at=expires_at)

    def delete(self, sample_id: str) -> None:
        tables = self._session.write()
        if sample_id not in tables.evaluation_samples:
            raise refusals.evaluation_sample_not_found(sample_id)
        drop_samples(tables, lambda sample: sample.id == sample_id)

    def expired(self, now: datetime, limit: int) -> Sequence[str]:
        samples = self._session.read().evaluation_samples.values()
        return [one.id for one in samples if one.expires_at is not None and one.expires_at <= now][:limit]

    def stored_bytes(self, token_id: str, now: datetime) -> int:
        samples = self._session.read().evaluation_samples.values()
        kept = (one for one in samples if one.expires_at is None or one.expires_at > now)
        return sum(one.size_bytes for one in kept if one.token_id == token_id)

    def uses_blob(self, digest: str) -> bool:
        samples = self._session.read().evaluation_samples.values()
        return bool(digest) and any(
            (one.has_rows and one.digest == digest) or one.points_digest == digest for one in samples
        )


class MemoryEvaluations:
    """The evaluations as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def put(self, evaluation: Evaluation) -> None:
        tables = self._session.write()
        if evaluation.model_id not in tables.models:
            raise refusals.model_not_found(evaluation.model_id)
        if evaluation.sample_id not in tables.evaluation_samples:
            raise refusals.evaluation_sample_not_found(evaluation.sample_id)
        key = (evaluation.model_id, evaluation.sample_id)
        tables.last_evaluation_number += 1
        tables.evaluations[key] = evaluation
        tables.evaluation_numbers[key] = tables.last_evaluation_number

    def get(self, model_id: str, sample_id: str) -> Evaluation | None:
        return self._session.read().evaluations.get((model_id, sample_id))

    def on_sample(self, sample_id: str, model_ids: Sequence[str]) -> dict[str, Evaluation]:
        found = {model_id: self.get(model_id, sample_id) for model_id in model_ids}
        return {model_id: evaluation for model_id, evaluation in found.items() if evaluation is not None}

    def outputs_on(self, sample_id: str) -> Sequence[str]:
        evaluations = self._session.read().evaluations.values()
        return [one.outputs_digest for one in evaluations if one.sample_id == sample_id]

    def same_outputs(self, subject: str, sample_digest: str) -> Evaluation | None:
        tables = self._session.read()
        same = [
            one
            for one in tables.evaluations.values()
            if one.subject == subject
            and one.measured_by is MeasuredBy.AGENT
            and tables.evaluation_samples[one.sample_id].digest == sample_digest
        ]
        return max(same, key=lambda one: _number(tables, one), default=None)

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
        tables = self._session.read()
        passing = [
            one
            for one in tables.evaluations.values()
            if tables.evaluation_samples[one.sample_id].is_seen_by(token_id, now)
            and model_id in ("", one.model_id)
            and sample_id in ("", one.sample_id)
        ]
        return newest(passing, lambda one: _number(tables, one), after, size)

    def on_validation_samples(self) -> Sequence[Evaluation]:
        tables = self._session.read()
        kind = SampleKind.VALIDATION
        return [one for one in tables.evaluations.values() if tables.evaluation_samples[one.sample_id].kind is kind]

    def count_on_validation_samples(self) -> int:
        return len(self.on_validation_samples())

    def uses_blob(self, digest: str) -> bool:
        evaluations = self._session.read().evaluations.values()
        return bool(digest) and any(one.outputs_digest == digest for one in evaluations)


class MemoryPredictors:
    """The predictors as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, predictor: PredictorVersion) -> None:
        predictors = self._session.write().predictors
        if predictor.version in predictors:
            raise refusals.only_name_taken("predictor", str(predictor.version))
        predictors[predictor.version] = predictor

    def newest(self) -> PredictorVersion | None:
        predictors = self._session.read().predictors
        return predictors[max(predictors)] if predictors else None

    def forget_before(self, version: int) -> Sequence[str]:
        predictors = self._session.write().predictors
        return [predictors.pop(old).digest for old in sorted(predictors) if old < version]

    def uses_blob(self, digest: str) -> bool:
        return bool(digest) and any(one.digest == digest for one in self._session.read().predictors.values())


def _number(tables: Tables, evaluation: Evaluation) -> int:
    return tables.evaluation_numbers[evaluation.model_id, evaluation.sample_id]
