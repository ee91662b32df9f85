"""The client's calls about running models on rows, and about what that teaches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from msearch_accuracy import AccuracyError, Predictor
from msearch_client._artifacts import CHUNK_BYTES, OnProgress
from msearch_client._catalogue import Dataset, Filter, Modality, Model, ModelReference, parse_modality
from msearch_client._errors import LocalError
from msearch_client._evaluations import Validation
from msearch_client._evidence import (
    Calibration,
    Evaluation,
    EvaluationSample,
    PredictorInfo,
    SampleKind,
    SampleReference,
    Submitted,
    sample_id_of,
)
from msearch_client._listing import Listing, Page
from msearch_client._local_data import open_data, without_labels
from msearch_client._profile_calls import ProfileCalls
from msearch_client._references import new_request_id, with_dataset, with_model
from msearch_client._sample_bytes import encode_points, encode_sample, read_rows
from msearch_client._wire import evidence as wire
from msearch_client._wire.evaluations import validation_from_proto
from msearch_sketch import Dataset as OpenedDataset

PAGE_SIZE = 200

FIT_TIMEOUT_S = 900.0
PLAN_TIMEOUT_S = 300.0
"""Both look at all the evidence there is."""


class EvaluationCalls(ProfileCalls):
    """Store samples, run models on them, read what is known of models on rows."""

    def put_evaluation_sample(
        self,
        data: Any,
        *,
        dataset: Dataset | str | None = None,
        labels: str | None = None,
        points_only: bool = False,
        keep_s: float | None = None,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
    ) -> EvaluationSample:
        """Stores rows to run models on. These rows leave this machine, unless `points_only` is set.

        Without a dataset they are a target: private to this caller, without labels, and deleted after a while. With
        one they are labelled held-out rows of it, a validation sample, which everybody's models may be run on.

        Args:
            data: what `sketch` takes; at most 100,000 rows and 64 MiB.
            dataset: the source dataset of a validation sample.
            labels: column with the classes of a validation sample; None looks for one by its name.
            points_only: store only the rows' points in the feature space. No agent can run a model on them; their
                outputs are added with `add_outputs`.
            keep_s: how long a target is kept; None for a day, at most 30 days.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out; only the columns with the data, and the labels, are sent in any case.
            limit_rows: take at most this many rows, the first ones.
            progress: called with (rows read, rows in all or None).

        Raises:
            LocalError: the data cannot be read, is too large, or a validation sample has no labels.
            NotFoundError: there is no such dataset, or the space of these columns is not known to the service.
        """
        opened = open_data(
            data, modality=modality, column=column, labels=labels, ignore=ignore, limit_rows=limit_rows,
            progress=progress,
        )  # fmt: skip
        if dataset is None:
            return self._put_target(without_labels(opened), column or "", points_only=points_only, keep_s=keep_s)[0]
        if not opened.labels:
            raise LocalError(
                f"a validation sample needs labels, and {opened.name} has no column that is known to hold them",
                hint="name it with labels or --labels",
            )

        def put(reference: Any) -> EvaluationSample:
            return self._put_sample(
                opened, SampleKind.VALIDATION, reference, column or "", points_only=points_only, keep_s=None
            )[0]

        return with_dataset(dataset, put)

    def _put_target(
        self, opened: OpenedDataset, column: str, *, points_only: bool, keep_s: float | None
    ) -> tuple[EvaluationSample, bytes]:
        """A target, and its signature as the service made it."""
        return self._put_sample(opened, SampleKind.TARGET, None, column, points_only=points_only, keep_s=keep_s)

    def _put_sample(
        self,
        opened: OpenedDataset,
        kind: SampleKind,
        reference: Any,
        column: str,
        *,
        points_only: bool,
        keep_s: float | None,
    ) -> tuple[EvaluationSample, bytes]:
        labelled = kind is SampleKind.VALIDATION
        if points_only:
            content = encode_points(opened, self._find_space(opened, source=False))
        else:
            content = encode_sample(opened, read_rows(opened, labels=labelled))
        header = wire.sample_header(
            kind=kind,
            dataset=reference,
            digest=content.digest,
            size_bytes=len(content.data),
            points=points_only,
            label_column=(opened.labels or "") if labelled else "",
            modality=parse_modality(opened.modality),
            column=column,
            keep_s=keep_s,
        )

        def messages() -> Iterator[Any]:
            yield header
            for chunk in content.chunks():
                yield wire.sample_chunk(chunk)

        answer = self._transport.send(
            self._transport.evaluation.PutEvaluationSample,
            messages,
            repeatable=True,
            timeout_s=self._transport.transfer_timeout_s(len(content.data)),
        )
        return wire.sample_from_proto(answer.sample), answer.signature.data

    def get_evaluation_sample(self, sample: SampleReference) -> EvaluationSample:
        """One sample as it is now.

        Raises:
            NotFoundError: there is none of that id, it is another caller's, or it has expired.
        """
        request = wire.get_sample(sample_id_of(sample))
        answer = self._transport.call(self._transport.evaluation.GetEvaluationSample, request)
        return wire.sample_from_proto(answer.sample)

    def evaluation_samples(
        self,
        *,
        kind: SampleKind | str | None = None,
        dataset: Dataset | str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Listing[EvaluationSample]:
        """Validation samples, and the caller's own targets, newest first. Pages are fetched while iterating.

        Raises:
            LocalError: there is no such kind.
            NotFoundError: there is no such dataset.
        """
        kept = None if kind is None else parse_kind(kind)
        dataset_id = "" if dataset is None else self.get_dataset(dataset).id

        def fetch(token: str) -> Page[EvaluationSample]:
            request = wire.list_samples(kept, dataset_id, page_size, token)
            answer = self._transport.call(self._transport.evaluation.ListEvaluationSamples, request)
            samples = tuple(wire.sample_from_proto(item) for item in answer.samples)
            return Page(samples, answer.next_page_token, answer.total_size)

        return Listing(fetch)

    def delete_evaluation_sample(self, sample: SampleReference) -> None:
        """Deletes a sample with the outputs on it.

        Raises:
            NotFoundError: as `get_evaluation_sample`.
        """
        request = wire.delete_sample(sample_id_of(sample))
        self._transport.call(self._transport.evaluation.DeleteEvaluationSample, request)

    def evaluate(
        self,
        models: ModelReference | Iterable[ModelReference],
        sample: SampleReference,
        *,
        host_class: str = "",
        allow_waiting: bool = False,
        with_noise: bool = False,
    ) -> Submitted:
        """Asks agents to run models on a sample. A model whose outputs are stored is not run again.

        Args:
            models: which; at most 1,000.
            sample: on which rows; they must be stored, not only their points.
            host_class: only agents of host classes that begin so; empty for any.
            allow_waiting: accept jobs although no registered agent could take them now.
            with_noise: also run each with noise on its weights, for the score "worst_noise".

        Raises:
            NotFoundError: there is no such model or sample.
            PreconditionFailedError: the rows are not stored (reason ROWS_NOT_STORED).
        """
        several = [models] if isinstance(models, (str, Model)) else list(models)
        ids = [model.id if isinstance(model, Model) else self.get_model(model).id for model in several]
        request = wire.evaluate_models(
            sample_id_of(sample), ids, host_class=host_class, allow_waiting=allow_waiting, with_noise=with_noise
        )
        return wire.submitted_from_proto(self._transport.call(self._transport.evaluation.EvaluateModels, request))

    def add_outputs(
        self,
        model: ModelReference,
        sample: SampleReference,
        probabilities: ArrayLike,
        *,
        classes: Sequence[str] = (),
    ) -> Evaluation:
        """Stores outputs that were computed elsewhere: of a hosted model, say, or on this machine.

        Args:
            model: whose they are.
            sample: the rows they were computed on.
            probabilities: [rows, classes]; each row sums to 1, or is all NaN where the model could not take the row.
            classes: names of the columns; empty means the model's own, in their order.

        Raises:
            LocalError: the array is not of that form.
            NotFoundError: there is no such model or sample.
            InvalidArgumentError: rows or classes do not fit the sample or the model.
        """
        values = np.ascontiguousarray(probabilities, "<f4")
        if values.ndim != 2 or not values.size:
            raise LocalError(f"outputs must be an array [rows, classes], not {list(values.shape)}")
        data = values.tobytes()
        sample_id = sample_id_of(sample)

        def send(reference: Any) -> Any:
            def messages() -> Iterator[Any]:
                yield wire.outputs_header(reference, sample_id, classes, len(values))
                for start in range(0, len(data), CHUNK_BYTES):
                    yield wire.outputs_chunk(data[start : start + CHUNK_BYTES])

            return self._transport.send(
                self._transport.evaluation.AddOutputs,
                messages,
                repeatable=True,
                timeout_s=self._transport.transfer_timeout_s(len(data)),
            )

        return wire.evaluation_from_proto(with_model(model, send).evaluation)

    def evaluations(
        self,
        *,
        model: ModelReference | None = None,
        sample: SampleReference | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Listing[Evaluation]:
        """What is known of models on samples, newest first: the evidence that the predictor learns from.

        Pages are fetched while iterating.

        Raises:
            NotFoundError: there is no such model.
        """
        model_id = "" if model is None else (model if isinstance(model, Model) else self.get_model(model)).id
        sample_id = "" if sample is None else sample_id_of(sample)

        def fetch(token: str) -> Page[Evaluation]:
            request = wire.list_evaluations(model_id, sample_id, page_size, token)
            answer = self._transport.call(self._transport.evaluation.ListEvaluations, request)
            found = tuple(wire.evaluation_from_proto(item) for item in answer.evaluations)
            return Page(found, answer.next_page_token, answer.total_size)

        return Listing(fetch)

    def put_validation(self, model: ModelReference, validation: Validation) -> Validation:
        """Stores how a model did on its labelled held-out rows, in place of an earlier measurement.

        Raises:
            NotFoundError: there is no such model.
            InvalidArgumentError: the numbers contradict each other, or the model's classes.
        """
        call = self._transport.evaluation.PutValidation
        answer = with_model(model, lambda it: self._transport.call(call, wire.put_validation(it, validation)))
        return validation_from_proto(answer.validation)

    def calibrate(
        self,
        budget_s: float,
        *,
        filter: Filter | None = None,
        dry_run: bool = False,
        allow_waiting: bool = False,
        request_id: str | None = None,
    ) -> Calibration:
        """Plans the evaluations that would teach the predictor most within a time, and submits them.

        Args:
            budget_s: estimated time of all together, on the agents there are.
            filter: which models may take part.
            dry_run: plan only.
            allow_waiting: accept jobs although no registered agent could take them now.
            request_id: makes the call safe to repeat; chosen by the client if None. "" sends none, and turns retries
                off.

        Raises:
            InvalidArgumentError: the budget is not positive.
        """
        request_id = new_request_id() if request_id is None else request_id
        request = wire.calibrate(
            budget_s, filter or Filter(), dry_run=dry_run, allow_waiting=allow_waiting, request_id=request_id
        )
        answer = self._transport.call(
            self._transport.evaluation.Calibrate,
            request,
            repeatable=bool(request_id) or dry_run,
            timeout_s=PLAN_TIMEOUT_S,
        )
        return wire.calibration_from_proto(answer)

    def predictor(self) -> PredictorInfo:
        """The accuracy predictor that the service uses now."""
        answer = self._transport.call(self._transport.evaluation.GetPredictor, wire.get_predictor(with_data=False))
        return wire.predictor_from_proto(answer.info)

    def download_predictor(self) -> tuple[Predictor, PredictorInfo]:
        """The accuracy predictor that the service uses now, to predict on this machine.

        Raises:
            LocalError: its bytes are damaged, or of a version that this client does not know.
        """
        answer = self._transport.call(self._transport.evaluation.GetPredictor, wire.get_predictor(with_data=True))
        try:
            return Predictor.decode(answer.data), wire.predictor_from_proto(answer.info)
        except AccuracyError as error:
            raise LocalError(
                f"the predictor of {self._transport.server} cannot be used here: {error}",
                hint="install the client of the service's version",
            ) from None

    def refit_predictor(self) -> PredictorInfo:
        """Fits the predictor anew on the evidence that is stored; gives the one in use afterwards. May take minutes."""
        answer = self._transport.call(
            self._transport.evaluation.RefitPredictor, wire.refit_predictor(), timeout_s=FIT_TIMEOUT_S
        )
        return wire.predictor_from_proto(answer.info, answer.notice)


def parse_kind(text: SampleKind | str) -> SampleKind:
    """The kind of that name.

    Raises:
        LocalError: there is no such kind.
    """
    try:
        return SampleKind(text.lower())
    except ValueError:
        raise LocalError(f"sample kind {text!r} is unknown", hint=f"known: {', '.join(SampleKind)}") from None
