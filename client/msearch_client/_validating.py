"""Measures a registered model on labelled held-out rows, here or on an agent, and stores what that says of it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msearch_card import Card, parse_card
from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Modality, Model, ModelReference
from msearch_client._errors import JobFailedError, LocalError
from msearch_client._evaluations import Validation
from msearch_client._evidence import EvaluationSample, SampleKind
from msearch_client._local_data import open_data
from msearch_client._local_running import OnShare, fetch_artifact, unheard
from msearch_client._references import with_dataset
from msearch_client._reranking import RerankCalls
from msearch_client._sample_bytes import read_rows
from msearch_running import Outputs, RunError, Validated, validate
from msearch_running.process import ModelProcess
from msearch_sketch import Dataset

ValidateBy: TypeAlias = Literal["local", "agent"]

_log = logging.getLogger("msearch_client")


class ValidationCalls(RerankCalls):
    """Measure models on labelled rows."""

    def validate(
        self,
        model: ModelReference,
        data: Any,
        *,
        labels: str | None = None,
        by: ValidateBy = "local",
        share: bool = False,
        card: Card | None = None,
        artifact: Path | None = None,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
        running: OnShare | None = None,
    ) -> Validation:
        """Runs a model on its labelled held-out rows and stores accuracy, temperature, ATC threshold, confidence
        histogram and class prior with it, in place of an earlier measurement.

        Args:
            model: which.
            data: what `sketch` takes, with labels; at most 100,000 rows.
            labels: column with the classes; None looks for one by its name.
            by: "local" runs the model here and sends only the statistics; "agent" lets an agent run it.
            share: store the labelled rows as a validation sample of the model's source dataset, which other models
                may be run on, too, so that the accuracy predictor learns. Running by an agent does so in any case.
            card: the model's card, where it was read from a file and names others beside it; None takes the registered
                one.
            artifact: the model's file, where it is at hand; None downloads it once.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            limit_rows: take at most this many rows, the first ones.
            progress: called with (rows read, rows in all or None).
            running: called with (share done, what is being done).

        Raises:
            LocalError: the data cannot be read or has no labels, the model cannot be run here, or there is no source
                dataset to share the rows with.
            JobFailedError: the agent could not run it.
        """
        report = running or unheard
        found = model if isinstance(model, Model) and model.card_json else self.get_model(model)
        opened = open_data(
            data, modality=modality, column=column, labels=labels, ignore=ignore, limit_rows=limit_rows,
            progress=progress,
        )  # fmt: skip
        if not opened.labels:
            raise LocalError(
                f"validation needs labels, and {opened.name} has no column that is known to hold them",
                hint="name it with labels or --labels",
            )
        if by == "agent":
            self._check_agents("--validate-by local")
            return self._validate_by_agent(found, self._share(found, opened, column or ""), report)
        outputs, validated = self._run_here(found, opened, card, artifact, report)
        if share:
            sample = self._share(found, opened, column or "")
            self.add_outputs(found, sample, outputs.probabilities)
            return self._measured(found)
        statistics = validated.statistics
        told = Validation(
            accuracy=statistics.accuracy,
            row_count=statistics.count,
            temperature=statistics.temperature,
            mean_confidence=statistics.mean_confidence,
            atc_threshold=statistics.atc_threshold,
            confidence_counts=statistics.confidence_counts,
            confidence_correct=statistics.confidence_correct,
            class_prior=validated.class_prior,
            measured_by="client",
            sample_digest="",
            created_at=datetime.now(UTC),
        )
        return self.put_validation(found, told)

    def _run_here(
        self, model: Model, opened: Dataset, card: Card | None, artifact: Path | None, running: OnShare
    ) -> tuple[Outputs, Validated]:
        name = f"{model.name}@{model.version}"
        rows = read_rows(opened, labels=True)
        labels = rows.column(str(opened.labels)).to_pylist()
        path = artifact if artifact is not None else fetch_artifact(self, model, None)
        try:
            with ModelProcess(rows.drop_columns([str(opened.labels)])) as process:
                outputs = process.run(
                    card or parse_card(model.card_json),
                    path,
                    on_progress=lambda share: running(share, f"runs {name} on {rows.num_rows:,} rows"),
                )
            validated = validate(outputs, labels)
        except RunError as error:
            raise LocalError(f"{name} cannot be validated on {opened.name}: {error.message}") from None
        for notice in validated.notices:
            _log.warning("%s on %s: %s", name, opened.name, notice)
        return outputs, validated

    def _share(self, model: Model, opened: Dataset, column: str) -> EvaluationSample:
        if not model.dataset_id:
            raise LocalError(
                f"{model.name}@{model.version} has no source dataset that a validation sample could belong to",
                hint="register the model with its source dataset, or validate it on this machine without sharing",
            )
        sample, _ = with_dataset(
            model.dataset_id,
            lambda reference: self._put_sample(
                opened, SampleKind.VALIDATION, reference, column, points_only=False, keep_s=None
            ),
        )
        return sample

    def _validate_by_agent(self, model: Model, sample: EvaluationSample, running: OnShare) -> Validation:
        submitted = self.evaluate(model, sample)
        for refused in submitted.refused:
            raise LocalError(f"{model.name}@{model.version} cannot be run by an agent: {refused.message}")
        for job in submitted.jobs:
            last = job
            for last in self.watch_job(job):
                running(1.0 if last.ended else last.progress.fraction, last.progress.message or str(last.state))
            if last.state != "succeeded":
                raise JobFailedError(last)
        return self._measured(model)

    def _measured(self, model: Model) -> Validation:
        """What the service made of the outputs on the labelled sample."""
        measured = self.get_model(model.id).validation
        if measured is None:
            raise LocalError(
                f"the outputs of {model.name}@{model.version} are stored, and say nothing of its accuracy",
                hint="are the labels the names of its classes? `msearch-cli evaluations list` shows what was counted",
            )
        return measured
