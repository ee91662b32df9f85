"""The servicer of evaluation: reads the request, calls the use case, writes the answer."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import structlog

from msearch.v1 import evaluation_service_pb2 as pb
from msearch.v1 import evaluation_service_pb2_grpc, types_pb2
from search_service.api.authentication import present_caller
from search_service.api.wire import evaluation as wire
from search_service.api.wire.catalogue import write_validation
from search_service.api.wire.registry import read_reference
from search_service.usecases import evaluate_jobs, evaluation_samples, evaluations, stored_outputs, validations
from search_service.usecases.calibrating import calibrate
from search_service.usecases.evidence import Evidence
from search_service.usecases.fields import invalid
from search_service.usecases.refitting import Refitter, refit

_log = structlog.get_logger()


class EvaluationServicer(evaluation_service_pb2_grpc.EvaluationServiceServicer):
    """See evaluation_service.proto; method by method."""

    def __init__(self, evidence: Evidence, refitter: Refitter) -> None:
        self._evidence = evidence
        self._refitter = refitter

    def PutEvaluationSample(
        self, request_iterator: Iterator[pb.PutEvaluationSampleRequest], context: grpc.ServicerContext
    ) -> pb.PutEvaluationSampleResponse:
        new, dataset = wire.read_new_sample(wire.read_first(request_iterator).header)
        chunks = wire.read_chunks(request_iterator)
        stored = evaluation_samples.put_sample(self._evidence, present_caller(), new, dataset, chunks)
        sample = stored.sample
        _log.info("evaluation_sample_stored", id=sample.id, kind=sample.kind.value, rows=sample.row_count)
        return pb.PutEvaluationSampleResponse(
            sample=wire.write_sample(sample), signature=types_pb2.Signature(data=stored.signature.encoded)
        )

    def GetEvaluationSample(
        self, request: pb.GetEvaluationSampleRequest, context: grpc.ServicerContext
    ) -> pb.GetEvaluationSampleResponse:
        sample = evaluation_samples.get_sample(self._evidence, present_caller(), request.sample_id)
        return pb.GetEvaluationSampleResponse(sample=wire.write_sample(sample))

    def ListEvaluationSamples(
        self, request: pb.ListEvaluationSamplesRequest, context: grpc.ServicerContext
    ) -> pb.ListEvaluationSamplesResponse:
        kind = wire.read_optional_kind(request.kind, "kind")
        page, token = evaluation_samples.list_samples(
            self._evidence, present_caller(), kind, request.dataset_id, size=request.page_size, token=request.page_token
        )
        samples = [wire.write_sample(sample) for sample in page.items]
        return pb.ListEvaluationSamplesResponse(samples=samples, next_page_token=token, total_size=page.total)

    def DeleteEvaluationSample(
        self, request: pb.DeleteEvaluationSampleRequest, context: grpc.ServicerContext
    ) -> pb.DeleteEvaluationSampleResponse:
        evaluation_samples.delete_sample(self._evidence, present_caller(), request.sample_id)
        _log.info("evaluation_sample_deleted", id=request.sample_id)
        return pb.DeleteEvaluationSampleResponse()

    def EvaluateModels(
        self, request: pb.EvaluateModelsRequest, context: grpc.ServicerContext
    ) -> pb.EvaluateModelsResponse:
        submitted = evaluate_jobs.evaluate_models(
            self._evidence, present_caller(), request.sample_id, request.model_ids, wire.read_wish(request)
        )
        _log.info(
            "evaluations_submitted",
            sample_id=request.sample_id,
            jobs=len(submitted.jobs),
            stored=len(submitted.stored_model_ids),
            refused=len(submitted.refused),
        )
        return wire.write_submitted(submitted)

    def AddOutputs(
        self, request_iterator: Iterator[pb.AddOutputsRequest], context: grpc.ServicerContext
    ) -> pb.AddOutputsResponse:
        header = wire.read_first(request_iterator).header
        named = evaluations.add_outputs(
            self._evidence,
            present_caller(),
            wire.read_new_outputs(header),
            wire.read_chunks(request_iterator),
        )
        _log.info("outputs_added", model_id=named.evaluation.model_id, sample_id=header.sample_id)
        return pb.AddOutputsResponse(evaluation=wire.write_evaluation(named))

    def DownloadOutputs(
        self, request: pb.DownloadOutputsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadOutputsResponse]:
        reference = read_reference(request.model, "model")
        stored = stored_outputs.open_outputs(self._evidence, present_caller(), reference, request.sample_id)
        yield wire.write_outputs_header(stored)
        for chunk in stored.chunks():
            if not context.is_active():
                return
            yield pb.DownloadOutputsResponse(chunk=chunk)
        _log.info("outputs_downloaded", sample_id=request.sample_id, rows=len(stored.outputs.probabilities))

    def PutValidation(
        self, request: pb.PutValidationRequest, context: grpc.ServicerContext
    ) -> pb.PutValidationResponse:
        if not request.HasField("validation"):
            raise invalid("validation", "must be given")
        reference, told = read_reference(request.model, "model"), wire.read_told_validation(request.validation)
        stored = validations.put_validation(self._evidence, present_caller(), reference, told)
        _log.info("validation_stored", model=reference.id or reference.name, rows=stored.statistics.count)
        return pb.PutValidationResponse(validation=write_validation(stored))

    def ListEvaluations(
        self, request: pb.ListEvaluationsRequest, context: grpc.ServicerContext
    ) -> pb.ListEvaluationsResponse:
        page, token = evaluations.list_evaluations(
            self._evidence,
            present_caller(),
            request.model_id,
            request.sample_id,
            size=request.page_size,
            token=request.page_token,
        )
        items = [wire.write_evaluation(named) for named in page.items]
        return pb.ListEvaluationsResponse(evaluations=items, next_page_token=token, total_size=page.total)

    def Calibrate(self, request: pb.CalibrateRequest, context: grpc.ServicerContext) -> pb.CalibrateResponse:
        wanted = wire.read_wanted(request)
        predictor = self._refitter.predictors.current()
        done = calibrate(self._evidence, predictor, present_caller(), request.request_id, wanted)
        _log.info("evaluations_planned", planned=len(done.planned), dry_run=wanted.dry_run)
        return wire.write_calibration(done)

    def GetPredictor(self, request: pb.GetPredictorRequest, context: grpc.ServicerContext) -> pb.GetPredictorResponse:
        found = self._refitter.predictors.current()
        return pb.GetPredictorResponse(info=wire.write_predictor(found), data=found.data if request.with_data else b"")

    def RefitPredictor(
        self, request: pb.RefitPredictorRequest, context: grpc.ServicerContext
    ) -> pb.RefitPredictorResponse:
        done = refit(self._refitter)
        _log.info("predictor_refitted", version=done.in_use.version, notice=done.notice)
        return pb.RefitPredictorResponse(info=wire.write_predictor(done.in_use), notice=done.notice)
