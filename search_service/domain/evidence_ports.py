"""What the use cases of evaluation need from the database; `ports` has the rest.

The docstrings are the contract; tests/contracts holds every adapter to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from search_service.domain.catalog import Page
from search_service.domain.evaluation import Evaluation, EvaluationSample, PredictorVersion, SampleKind


class EvaluationSampleStore(Protocol):
    """Evaluation samples. A validation sample goes with its dataset."""

    def add(self, sample: EvaluationSample) -> None:
        """Adds it. Raises NotFound (DATASET_NOT_FOUND) for an unknown dataset_id; an empty one is fine."""

    def get(self, sample_id: str) -> EvaluationSample:
        """Raises NotFound (EVALUATION_SAMPLE_NOT_FOUND)."""

    def get_many(self, sample_ids: Sequence[str]) -> dict[str, EvaluationSample]:
        """Those that exist, by id."""

    def find(self, kind: SampleKind, digest: str, dataset_id: str, token_id: str) -> EvaluationSample | None:
        """The newest sample of these bytes, for this dataset ("" for none) and stored by this token, or None."""

    def page(
        self,
        kind: SampleKind | None,
        dataset_id: str,
        token_id: str,
        now: datetime,
        *,
        after: tuple[str, ...] | None,
        size: int,
    ) -> Page[EvaluationSample]:
        """The `size` samples after the position `after` that the token may see, newest first.

        None and "" keep any kind and any dataset.
        """

    def extend(self, sample_id: str, expires_at: datetime) -> None:
        """Changes when it is deleted. Raises NotFound."""

    def delete(self, sample_id: str) -> None:
        """Removes it with the evaluations on it. Raises NotFound."""

    def expired(self, now: datetime, limit: int) -> Sequence[str]:
        """Ids of at most `limit` samples that are to be deleted by now."""

    def stored_bytes(self, token_id: str, now: datetime) -> int:
        """Size of all samples that this token stored and that have not expired by now."""

    def uses_blob(self, digest: str) -> bool:
        """Whether the rows or the points of any sample have that digest."""


class EvaluationStore(Protocol):
    """Evaluations, one for a model and a sample. They go with their model and with their sample."""

    def put(self, evaluation: Evaluation) -> None:
        """Adds it, or puts it in the place of the one for that model and sample, which then counts as new.

        Raises NotFound (MODEL_NOT_FOUND, EVALUATION_SAMPLE_NOT_FOUND).
        """

    def get(self, model_id: str, sample_id: str) -> Evaluation | None:
        """What is known of the model on the sample, or None."""

    def on_sample(self, sample_id: str, model_ids: Sequence[str]) -> dict[str, Evaluation]:
        """What is known of those models on the sample, by model id; None is left out."""

    def outputs_on(self, sample_id: str) -> Sequence[str]:
        """Digests of all outputs on the sample, in no particular order."""

    def same_outputs(self, subject: str, sample_digest: str) -> Evaluation | None:
        """An evaluation by an agent of the same subject on a sample of the same bytes, or None."""

    def page(
        self,
        model_id: str,
        sample_id: str,
        token_id: str,
        now: datetime,
        *,
        after: tuple[str, ...] | None,
        size: int,
    ) -> Page[Evaluation]:
        """The `size` evaluations after the position `after` on samples that the token may see, newest first.

        "" keeps any model and any sample.
        """

    def on_validation_samples(self) -> Sequence[Evaluation]:
        """All evaluations on validation samples, in no particular order."""

    def count_on_validation_samples(self) -> int:
        """How many there are."""

    def uses_blob(self, digest: str) -> bool:
        """Whether the outputs of any evaluation have that digest."""


class PredictorStore(Protocol):
    """Predictors fitted on the registry's evidence, by version."""

    def add(self, predictor: PredictorVersion) -> None:
        """Adds it. Raises AlreadyExists (NAME_TAKEN) if the version is there."""

    def newest(self) -> PredictorVersion | None:
        """The one with the highest version, or None."""

    def forget_before(self, version: int) -> Sequence[str]:
        """Removes the versions below that and gives the digests of their blobs."""

    def uses_blob(self, digest: str) -> bool:
        """Whether any predictor has that digest."""
