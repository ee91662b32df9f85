"""The client's calls about running models on rows, and about what that teaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from msearch_accuracy import AccuracyError, Predictor
from msearch_client._artifacts import CHUNK_BYTES
from msearch_client._catalogue import Filter, Model, ModelReference
from msearch_client._errors import InternalError, LocalError
from msearch_client._evaluations import Validation
from msearch_client._evidence import (
    Calibration,
    Evaluation,
    PredictorInfo,
    SampleReference,
    Submitted,
    sample_id_of,
)
from msearch_client._listing import Listing, Page
from msearch_client._references import new_request_id, with_model
from msearch_client._sample_calls import PAGE_SIZE, SampleCalls
from msearch_client._wire import evidence as wire
from msearch_client._wire.evaluations import validation_from_proto
from msearch_running import Outputs

FIT_TIMEOUT_S = 900.0
LARGEST_OUTPUTS_BYTES = 256 << 20
PLAN_TIMEOUT_S = 300.0
"""Both look at all the evidence there is."""


class EvaluationCalls(SampleCalls):
    """Run models on samples, read what is known of models on rows, and teach the predictor."""

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
        try:
            values = np.ascontiguousarray(probabilities, "<f4")
        except (TypeError, ValueError) as error:
            raise LocalError(f"outputs must be an array of numbers [rows, classes]: {error}") from None
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

    def download_outputs(self, model: ModelReference, sample: SampleReference) -> Outputs:
        """What a model said of a sample that this caller stored, row by row: run by an agent, or added.

        Raises:
            NotFoundError: there is no such model or sample, or the model has no outputs there (reason
                OUTPUTS_NOT_FOUND).
            PermissionDeniedError: it is a validation sample that another token stored.
        """
        stored = self.get_evaluation_sample(sample)

        def consume(stream: Iterator[Any]) -> Outputs:
            first = next(stream, None)
            if first is None or first.WhichOneof("part") != "header":
                raise InternalError(f"the outputs on the sample {stored.id} do not begin with their header")
            data = b"".join(message.chunk for message in stream)
            try:
                return wire.outputs_from_proto(first.header, data)
            except ValueError:
                raise InternalError(
                    f"the outputs on the sample {stored.id} are damaged: {len(data)} bytes arrived for "
                    f"{first.header.row_count} rows of {len(first.header.classes)} float32"
                ) from None

        def ask(reference: Any) -> Outputs:
            return self._transport.receive(
                self._transport.evaluation.DownloadOutputs,
                wire.download_outputs(reference, stored.id),
                consume,
                timeout_s=self._transport.transfer_timeout_s(LARGEST_OUTPUTS_BYTES),
            )

        return with_model(model, ask)

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
