"""The service's wire: every field of every message arrives where it belongs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from msearch.v1 import error_reason_pb2, types_pb2
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch_sketch.signature import Validation as Statistics
from search_service.api import errors
from search_service.api.wire import catalogue, enums, registry, search
from search_service.domain import catalog
from search_service.domain import evaluation as evaluation_words
from search_service.domain.errors import DomainError, InvalidArgument, Reason
from search_service.domain.ranking import AccuracyPrediction, ScoreInfo
from search_service.usecases.datasets import NewDataset
from search_service.usecases.explanations import Exclusion
from search_service.usecases.orders import WeightedScore
from search_service.usecases.register_model import NewModel
from search_service.usecases.search_options import RankingOptions
from search_service.usecases.search_results import Candidate, Ranking, ScoreValue
from search_service.usecases.uploads import Upload

WORD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
WORDS = st.lists(WORD, min_size=1, max_size=3).map(tuple)
COUNT = st.integers(1, 2**31 - 1)
VALUE = st.floats(0.001, 1e6)
TIME = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)).map(lambda time: time.replace(tzinfo=UTC))
MODALITY = st.sampled_from(catalog.Modality)
SUMMARY = st.builds(
    catalog.SignatureSummary, space_digest=WORD, row_count=COUNT, size_bytes=COUNT, labelled=st.just(True)
)
TENSOR = st.builds(
    catalog.Tensor,
    name=WORD,
    element_type=WORD,
    shape=st.lists(st.one_of(COUNT, WORD, st.none()), min_size=1).map(tuple),
)
ARTIFACT = st.builds(catalog.Artifact, format=WORD, digest=WORD, size_bytes=COUNT, uri=WORD)
METRIC = st.builds(catalog.Metric, name=WORD, value=VALUE, dataset=WORD)
SAMPLE = st.builds(catalog.DatasetSample, digest=WORD, size_bytes=COUNT, row_count=COUNT, label_column=WORD)
SPACE = st.builds(
    catalog.FeatureSpace, digest=WORD, document=WORD, modality=MODALITY, featuriser=WORD, dimension=COUNT,
    schema_digest=WORD, description=WORD, created_at=TIME, revision=COUNT,
)  # fmt: skip
DATASET = st.builds(
    catalog.Dataset, id=WORD, name=WORD, version=WORD, description=WORD, tags=WORDS, licence=WORD, modality=MODALITY,
    signatures=st.tuples(SUMMARY), created_at=TIME, updated_at=TIME, revision=COUNT, sample=SAMPLE,
)  # fmt: skip
STATISTICS = st.builds(
    Statistics, accuracy=VALUE, count=COUNT, temperature=VALUE, mean_confidence=VALUE, atc_threshold=VALUE,
    confidence_counts=st.tuples(COUNT, COUNT), confidence_correct=st.tuples(COUNT, COUNT),
)  # fmt: skip
VALIDATION = st.builds(
    evaluation_words.Validation, statistics=STATISTICS, measured_by=st.sampled_from(evaluation_words.MeasuredBy),
    created_at=TIME, class_prior=st.tuples(VALUE), sample_digest=WORD,
)  # fmt: skip
MODEL = st.builds(
    catalog.Model, id=WORD, name=WORD, version=WORD, description=WORD, licence=WORD, tags=WORDS, task=WORD,
    modality=MODALITY, classes=WORDS, metrics=st.tuples(METRIC), parent=WORD, artifact=ARTIFACT,
    inputs=st.tuples(TENSOR), outputs=st.tuples(TENSOR, TENSOR), dataset_id=WORD, card=WORD, created_at=TIME,
    updated_at=TIME, revision=COUNT, validation=VALIDATION,
)  # fmt: skip
FILTER = st.builds(
    catalog.Filter, tasks=WORDS, modalities=st.lists(MODALITY, min_size=1).map(tuple), classes=WORDS, tags=WORDS,
    licences=WORDS, text=WORD, formats=WORDS, dataset_id=WORD,
)  # fmt: skip
ORDER = st.lists(st.builds(WeightedScore, WORD, VALUE), min_size=1, max_size=3).map(tuple)
PREDICTION = st.builds(
    AccuracyPrediction, accuracy=VALUE, low=VALUE, high=VALUE, form=WORD, evidence_count=COUNT, predictor_version=WORD,
    contributions=st.tuples(st.tuples(WORD, VALUE)), notices=WORDS,
)  # fmt: skip
RANKING = st.builds(
    Ranking,
    candidates=st.tuples(
        st.builds(
            Candidate, rank=COUNT, model=MODEL, dataset_name=WORD, ranking_value=VALUE,
            scores=st.tuples(st.builds(ScoreValue, score=WORD, value=VALUE, support=VALUE, detail=WORD)),
            prediction=PREDICTION,
        )
    ),
    next_page_token=WORD, total=COUNT, order_by=ORDER, space_digest=WORD, target_rows=COUNT, notices=WORDS,
    exclusions=st.tuples(st.builds(Exclusion, criterion=WORD, count=COUNT, detail=WORD)),
)  # fmt: skip
SCORE = st.builds(
    ScoreInfo, name=WORD, summary=WORD, formula=WORD, source=WORD, support_unit=WORD, lowest=VALUE, highest=VALUE,
    higher_is_better=st.just(True),
)  # fmt: skip


def unset(message: Message) -> list[str]:
    """Paths of the fields that are not set, at any depth; of a oneof only the chosen field counts."""
    found = []
    present = {field.name: value for field, value in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        chosen = field.containing_oneof is not None and message.WhichOneof(field.containing_oneof.name)
        if field.name not in present:
            if not (field.containing_oneof and len(field.containing_oneof.fields) > 1) or not chosen:
                found.append(field.full_name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
            value = present[field.name]
            for part in value if field.is_repeated else [value]:
                found += unset(part)
    return found


OPTIONAL = {
    "msearch.v1.Tensor.Dimension.size",  # neither is set where the extent is unknown
    "msearch.v1.Tensor.Dimension.symbol",
    "google.protobuf.Timestamp.seconds",
    "google.protobuf.Timestamp.nanos",
    "msearch.v1.Candidate.profile",  # with profiles: test_wire_profiling
    "msearch.v1.Ranking.unmeasured",
    "msearch.v1.Ranking.unmeasured_size",
    "msearch.v1.RankingOptions.profiles",
}


@given(st.data())
@pytest.mark.parametrize(
    ("values", "write"),
    [
        (SPACE, catalogue.write_space),
        (DATASET, catalogue.write_dataset),
        (MODEL, catalogue.write_model),
        (RANKING, search.write_ranking),
        (SCORE, search.write_score),
    ],
)
def test_every_field_of_an_answer_is_filled(
    values: st.SearchStrategy[object], write: object, data: st.DataObject
) -> None:
    message = write(data.draw(values))  # type: ignore[operator]
    assert set(unset(message)) <= OPTIONAL
    assert type(message).FromString(message.SerializeToString()) == message


@given(MODEL)
def test_a_model_says_what_it_is(model: catalog.Model) -> None:
    message = catalogue.write_model(model)
    for name in ("id", "name", "version", "description", "licence", "task", "parent", "dataset_id", "revision"):
        assert getattr(message, name) == getattr(model, name)
    assert (tuple(message.tags), tuple(message.classes), message.card_json) == (model.tags, model.classes, model.card)
    assert catalogue.read_metrics(message.metrics) == model.metrics
    assert catalogue.read_artifact(message.artifact) == model.artifact
    assert enums.read_modality(message.modality, "") is model.modality
    assert message.create_time.ToDatetime(UTC) == model.created_at
    assert message.update_time.ToDatetime(UTC) == model.updated_at
    for tensor, written in zip((*model.inputs, *model.outputs), (*message.inputs, *message.outputs), strict=True):
        shape = tuple(getattr(part, part.WhichOneof("extent") or "", None) for part in written.shape)
        assert (written.name, written.element_type, shape) == (tensor.name, tensor.element_type, tensor.shape)


@given(VALIDATION)
def test_validation_statistics_make_the_round_trip(validation: evaluation_words.Validation) -> None:
    message = catalogue.write_validation(validation)
    told = catalogue.read_validation(type(message).FromString(message.SerializeToString()))
    assert told == (validation.statistics, validation.class_prior, validation.sample_digest)
    assert (message.measured_by, message.create_time.ToDatetime(UTC)) == (validation.measured_by, validation.created_at)


@given(SAMPLE)
def test_a_sample_makes_the_round_trip(sample: catalog.DatasetSample) -> None:
    assert catalogue.read_sample(catalogue.write_sample(sample)) == sample


def filter_message(wanted: catalog.Filter) -> types_pb2.Filter:
    """As a client sends it."""
    return types_pb2.Filter(
        tasks=wanted.tasks,
        modalities=[enums.MODALITY_TO_PROTO[modality] for modality in wanted.modalities],
        classes=wanted.classes,
        tags=wanted.tags,
        licences=wanted.licences,
        text=wanted.text,
        formats=wanted.formats,
        dataset_id=wanted.dataset_id,
    )


@given(FILTER, ORDER, WORDS, COUNT, WORD)
def test_ranking_options_make_the_round_trip(
    wanted: catalog.Filter, order: tuple[WeightedScore, ...], scores: tuple[str, ...], size: int, token: str
) -> None:
    options = RankingOptions(
        filter=wanted, order_by=order, scores=scores, page_size=size, page_token=token, explain=True,
        predict_accuracy=True, sample_id=token,
    )  # fmt: skip
    message = spb.RankingOptions(
        filter=filter_message(wanted),
        order_by=search.write_order(order),
        scores=scores,
        page_size=size,
        page_token=token,
        explain=True,
        predict_accuracy=True,
        sample_id=token,
    )
    assert set(unset(message)) <= OPTIONAL
    assert search.read_options(message) == options


@given(st.lists(WORD, min_size=6, max_size=6), st.lists(st.binary(min_size=1), min_size=1).map(tuple), MODALITY, COUNT)
def test_a_registration_makes_the_round_trip(
    words: list[str], signatures: tuple[bytes, ...], modality: catalog.Modality, size: int
) -> None:
    name, version, description, licence, tag, card = words
    dataset = rpb.NewDataset(
        name=name, version=version, description=description, licence=licence, tags=[tag],
        modality=enums.MODALITY_TO_PROTO[modality], signatures=[types_pb2.Signature(data=data) for data in signatures],
    )  # fmt: skip
    assert unset(dataset) == []
    header = rpb.RegisterModelRequest.Header(
        card_json=card, new_dataset=dataset, upload=rpb.RegisterModelRequest.Upload(digest=tag, size_bytes=size)
    )
    source = NewDataset(
        name=name, version=version, description=description, tags=(tag,), licence=licence, modality=modality,
        signatures=signatures,
    )  # fmt: skip
    assert registry.read_new_model(header) == NewModel(card=card, source=source, location=Upload(tag, size))


def test_a_score_without_a_value_leaves_it_unset() -> None:
    message = search.write_value(ScoreValue("s", None, 0.0, "why"))
    assert not message.HasField("value")
    assert search.write_value(ScoreValue("s", 0.0, 0.0)).HasField("value")


def test_enums_map_every_value_both_ways() -> None:
    assert set(enums.MODALITY_TO_PROTO) == set(catalog.Modality)
    assert set(enums.MODALITY_FROM_PROTO) == set(types_pb2.Modality.values()) - {types_pb2.MODALITY_UNSPECIFIED}
    known = {number for number in error_reason_pb2.ErrorReason.values() if number}
    assert set(enums.REASON_TO_PROTO) == set(Reason)
    assert set(enums.REASON_TO_PROTO.values()) == known - {error_reason_pb2.ERROR_REASON_INTERNAL}
    for reason, number in enums.REASON_TO_PROTO.items():
        assert error_reason_pb2.ErrorReason.Name(number) == f"ERROR_REASON_{reason}"


def test_every_error_has_a_status() -> None:
    def leaves(kind: type[DomainError]) -> set[type[DomainError]]:
        return {kind}.union(*(leaves(below) for below in kind.__subclasses__()))

    for kind in leaves(DomainError) - {DomainError}:
        if kind.__module__ == "search_service.domain.errors":
            assert kind in errors.STATUS_CODES


def test_a_long_error_fits_into_a_header() -> None:
    fields = [(f"field{number}" * 50, "problem " * 200) for number in range(100)]
    status = errors.refusal(InvalidArgument("long " * 5000, fields=fields), "id")
    size = len(status.details) + sum(len(value) for _, value in status.trailing_metadata)
    assert size < 8000
