"""The service's wire of evaluation: every field arrives where it belongs, both ways."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import registry_service_pb2 as rpb
from search_service.api.wire import enums, evaluation
from search_service.domain import evaluation as words
from search_service.domain.catalog import Filter
from search_service.domain.errors import InvalidArgument
from search_service.usecases.calibrating import Calibration, PlannedEvaluation, Wanted
from search_service.usecases.evaluate_jobs import RefusedModel, Submitted, Wish
from search_service.usecases.evaluation_reports import EvaluationReport
from search_service.usecases.evaluations import NamedEvaluation, NewOutputs
from search_service.usecases.evidence import NewSample
from search_service.usecases.fields import Reference
from search_service.usecases.predictors import PredictorInUse, the_default
from tests.unit.test_wire_profiling import JOB, OPTIONAL, SECONDS
from tests.unit.test_wire_service import COUNT, FILTER, MODALITY, TIME, WORD, WORDS, filter_message, unset

FEW = settings(max_examples=20)
KIND = st.sampled_from(words.SampleKind)
SAMPLE = st.builds(
    words.EvaluationSample, id=WORD, kind=KIND, digest=WORD, size_bytes=COUNT, row_count=COUNT, has_rows=st.just(True),
    points_digest=WORD, space_digest=WORD, created_at=TIME, dataset_id=WORD, label_column=WORD, classes=WORDS,
    token_id=WORD, expires_at=TIME,
)  # fmt: skip
EVALUATION = st.builds(
    words.Evaluation, model_id=WORD, sample_id=WORD, subject=WORD, outputs_digest=WORD, outputs_size_bytes=COUNT,
    classes=WORDS, row_count=COUNT, measured_by=st.sampled_from(words.MeasuredBy), created_at=TIME,
    correct=st.just(3), counted=st.just(4), job_id=WORD,
)  # fmt: skip
NAMED = st.builds(NamedEvaluation, evaluation=EVALUATION, model_name=WORD, low=st.just(0.25), high=st.just(0.875))
REFUSED = st.builds(RefusedModel, WORD, WORD, WORD)
SUBMITTED = st.builds(Submitted, st.tuples(JOB), WORDS, st.tuples(REFUSED))
PLANNED = st.builds(
    PlannedEvaluation, model_id=WORD, model_name=WORD, sample_id=WORD, dataset_id=WORD, value=st.just(0.5),
    estimate_s=SECONDS, job_id=WORD,
)  # fmt: skip
CALIBRATION = st.builds(Calibration, planned=st.tuples(PLANNED), left_out=COUNT, notices=WORDS)
PREDICTOR = st.builds(
    PredictorInUse, version=WORD, predictor=st.just(the_default().predictor), data=st.binary(), detail=WORD,
    own_evidence_count=COUNT, evidence_count=COUNT, fitted_at=TIME,
)  # fmt: skip


@FEW
@given(st.data())
@pytest.mark.parametrize(
    ("values", "write"),
    [
        (SAMPLE, evaluation.write_sample),
        (NAMED, evaluation.write_evaluation),
        (SUBMITTED, evaluation.write_submitted),
        (PREDICTOR, evaluation.write_predictor),
        (CALIBRATION, evaluation.write_calibration),
    ],
)
def test_every_field_is_filled(values: st.SearchStrategy[Any], write: Any, data: st.DataObject) -> None:
    message: Message = write(data.draw(values))
    assert set(unset(message)) <= OPTIONAL
    assert type(message).FromString(message.SerializeToString()) == message


@FEW
@given(SAMPLE)
def test_a_sample_says_what_it_is(sample: words.EvaluationSample) -> None:
    message = evaluation.write_sample(sample)
    for name in ("id", "digest", "size_bytes", "row_count", "has_rows", "space_digest", "dataset_id", "label_column"):
        assert getattr(message, name) == getattr(sample, name)
    assert evaluation.read_optional_kind(message.kind, "kind") is sample.kind
    assert tuple(message.classes) == sample.classes
    assert message.create_time.ToDatetime(UTC) == sample.created_at
    assert message.expire_time.ToDatetime(UTC) == sample.expires_at


@FEW
@given(NAMED)
def test_an_evaluation_says_what_is_known(named: NamedEvaluation) -> None:
    message = evaluation.write_evaluation(named)
    assert (message.accuracy, message.low, message.high) == (0.75, 0.25, 0.875)
    for name in ("model_id", "sample_id", "row_count", "job_id"):
        assert getattr(message, name) == getattr(named.evaluation, name)
    assert message.model_name == named.model_name


@FEW
@given(KIND, WORD, COUNT, st.booleans(), MODALITY, st.integers(1, 10**6))
def test_a_new_sample_makes_the_way_in(kind: Any, word: str, count: int, rows: bool, modality: Any, keep: int) -> None:
    header = epb.PutEvaluationSampleRequest.Header(
        kind=evaluation.KIND_TO_PROTO[kind],
        dataset=rpb.DatasetReference(id=word),
        digest=word,
        size_bytes=count,
        content=evaluation.ROWS_TO_PROTO[rows],
        label_column=word,
        modality=enums.MODALITY_TO_PROTO[modality],
        column=word,
    )
    header.keep.FromSeconds(keep)
    assert set(unset(header)) <= OPTIONAL | {"msearch.v1.DatasetReference.name"}
    new = NewSample(
        kind=kind,
        digest=word,
        size_bytes=count,
        rows=rows,
        label_column=word,
        modality=modality,
        column=word,
        keep_s=keep,
    )
    assert evaluation.read_new_sample(header) == (new, Reference(id=word))
    header.ClearField("dataset")
    assert evaluation.read_new_sample(header)[1] is None


@FEW
@given(WORD, WORDS, COUNT, st.binary(min_size=1))
def test_outputs_make_the_way_in(word: str, classes: tuple[str, ...], rows: int, noisy: bytes) -> None:
    added = epb.AddOutputsRequest.Header(
        model=rpb.ModelReference(id=word), sample_id=word, classes=classes, row_count=rows
    )
    told = NewOutputs(model=Reference(id=word), sample_id=word, classes=classes, row_count=rows)
    assert evaluation.read_new_outputs(added) == told
    outputs = epb.Outputs(classes=classes, row_count=rows, noisy_predictions=noisy, problem=word, skipped_count=3)
    report = EvaluationReport(classes=classes, row_count=rows, noisy_predictions=noisy, problem=word)
    assert evaluation.read_report(gpb.CompleteEvaluationRequest.Header(outputs=outputs)) == report
    request = epb.EvaluateModelsRequest(host_class=word, with_noise=True, allow_waiting=True)
    assert evaluation.read_wish(request) == Wish(host_class=word, with_noise=True, allow_waiting=True)


@FEW
@given(SECONDS, FILTER)
def test_a_wish_to_calibrate_makes_the_way_in(budget_s: float, wanted: Filter) -> None:
    request = epb.CalibrateRequest(
        filter=filter_message(wanted),
        dry_run=True,
        allow_waiting=True,
    )
    request.budget.FromNanoseconds(round(budget_s * 1e9))
    expected = Wanted(budget_s=budget_s, filter=wanted, dry_run=True, allow_waiting=True)
    assert evaluation.read_wanted(request) == expected


def test_enums_map_every_value_both_ways() -> None:
    assert set(evaluation.KIND_TO_PROTO) == set(words.SampleKind)
    assert set(evaluation.KIND_FROM_PROTO) == set(epb.SampleKind.values()) - {epb.SAMPLE_KIND_UNSPECIFIED}
    content = epb.PutEvaluationSampleRequest.Content
    assert set(evaluation.ROWS_FROM_PROTO) == set(content.values()) - {0}
    assert evaluation.read_optional_kind(0, "kind") is None
    with pytest.raises(InvalidArgument, match="kind: 7 is unknown"):
        evaluation.read_optional_kind(7, "kind")
