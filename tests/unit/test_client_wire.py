"""Messages to the client's types and back: no field is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from msearch.v1 import registry_service_pb2 as registry
from msearch.v1 import search_service_pb2 as search
from msearch.v1 import types_pb2 as types
from msearch_client import (
    Artifact,
    Dataset,
    Filter,
    InternalError,
    Metric,
    Modality,
    Model,
    NewDataset,
    Ranking,
    Scores,
    Space,
    WeightedScore,
)
from msearch_client._rankings import Question
from msearch_client._wire import catalogue, ranking, requests
from msearch_sketch.spaces import FeatureSpace
from tests.signatures import blank_signature

SECONDS = 1_790_000_000


def fill(message: Any) -> Any:
    """The message with every field set to something that is no default."""
    for number, field in enumerate(message.DESCRIPTOR.fields, 1):
        target = getattr(message, field.name)
        if field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
            target.CopyFrom(Timestamp(seconds=SECONDS + number))
        elif field.message_type is not None:
            fill(target.add() if field.is_repeated else target)
        elif field.enum_type is not None:
            if field.is_repeated:
                target.append(types.MODALITY_TEXT)
            else:
                setattr(message, field.name, types.MODALITY_TEXT)
        else:
            value = {field.CPPTYPE_STRING: f"{field.name}-{number}", field.CPPTYPE_DOUBLE: number / 8}.get(
                field.cpp_type, number
            )
            value = value.encode() if field.type == field.TYPE_BYTES else value
            if field.is_repeated:
                target.append(value)
            else:
                setattr(message, field.name, value)
    return message


def values(item: Any) -> set[str]:
    """All plain values in a result, as text."""
    if isinstance(item, dict):
        return {text for value in item.values() for text in values(value)}
    if isinstance(item, list):
        return {text for value in item for text in values(value)}
    return {str(item)}


def sent(message: Any) -> set[str]:
    """All plain values in a message, as text."""
    found: set[str] = set()
    for field, value in message.ListFields():
        for item in value if field.is_repeated else [value]:
            if isinstance(item, Timestamp):
                found.add(datetime.fromtimestamp(item.seconds, UTC).isoformat())
            elif field.message_type is not None:
                found |= sent(item)
            elif field.enum_type is not None:
                found.add("text")
            else:
                found.add(str(item))
    return found


@pytest.mark.parametrize(
    ("message", "convert", "kind"),
    [
        (types.Model(), catalogue.model_from_proto, Model),
        (types.Dataset(), catalogue.dataset_from_proto, Dataset),
        (types.FeatureSpace(), catalogue.space_from_proto, Space),
        (search.Ranking(), lambda message: ranking.ranking_from_proto(message, None), Ranking),
        (search.ListScoresResponse(), ranking.scores_from_proto, Scores),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_field_of_an_answer_arrives(message: Any, convert: Any, kind: type) -> None:
    result = convert(fill(message))
    assert isinstance(result, kind)
    assert sent(message) <= values(result.to_dict())


def test_free_and_unknown_dimensions_are_told_apart() -> None:
    message = types.Tensor(
        shape=[types.Tensor.Dimension(symbol="batch"), types.Tensor.Dimension(size=0), types.Tensor.Dimension()]
    )
    model = catalogue.model_from_proto(types.Model(modality=types.MODALITY_TEXT, inputs=[message]))
    assert model.inputs[0].shape == ("batch", 0, None)


def test_a_missing_value_is_not_zero() -> None:
    message = search.Ranking(candidates=[search.Candidate(model=types.Model(modality=types.MODALITY_TEXT))])
    message.candidates[0].scores.add(score="nearest", detail="no coreset")
    message.candidates[0].scores.add(score="mmd", value=0.0)
    candidate = ranking.ranking_from_proto(message, None).candidates[0]
    assert [value.value for value in candidate.scores] == [None, 0.0]


@pytest.mark.parametrize("modality", Modality)
def test_modalities_survive_both_ways(modality: Modality) -> None:
    assert catalogue.modality_from_proto(catalogue.MODALITY_TO_PROTO[modality]) is modality


@pytest.mark.parametrize("number", [0, 99])
def test_a_modality_of_a_newer_service_is_named(number: Any) -> None:
    with pytest.raises(InternalError, match=f"modality {number}"):
        catalogue.modality_from_proto(number)


def test_a_filter_is_sent_whole() -> None:
    kept = Filter(
        tasks=("a",), modalities=(Modality.PAIRS,), classes=("b",), tags=("c",), licences=("d",), text="e",
        formats=("f",), dataset_id="g",
    )  # fmt: skip
    assert catalogue.filter_to_proto(kept) == types.Filter(
        tasks=["a"], modalities=[types.MODALITY_PAIRS], classes=["b"], tags=["c"], licences=["d"], text="e",
        formats=["f"], dataset_id="g",
    )  # fmt: skip


def test_a_question_is_sent_whole() -> None:
    question = Question(filter=Filter(), order_by=(WeightedScore("mmd", 2.0),), scores=("l2",), explain=True)
    assert ranking.options_to_proto(question, 7, "token") == search.RankingOptions(
        filter=types.Filter(), order_by=[search.WeightedScore(score="mmd", weight=2.0)], scores=["l2"],
        page_size=7, page_token="token", explain=True,
    )  # fmt: skip


def test_an_update_names_only_what_is_given() -> None:
    reference = requests.ModelReference(id="m")
    options = {"description": None, "licence": None, "metrics": None, "revision": 3, "request_id": "r"}
    emptied = requests.update_model(reference, tags=[], **options)
    assert list(emptied.update_mask.paths) == ["tags"]
    assert (emptied.revision, emptied.request_id, list(emptied.values.tags)) == (3, "r", [])
    options["metrics"] = [Metric(name="f1", value=0.5, dataset="d")]
    changed = requests.update_model(reference, tags=None, **options)
    assert list(changed.update_mask.paths) == ["metrics"]
    assert changed.values.metrics[0] == types.Metric(name="f1", value=0.5, dataset="d")


def test_a_new_dataset_carries_its_signatures() -> None:
    signature = blank_signature()
    dataset = NewDataset(
        name="a", version="2", modality=Modality.IMAGE, signatures=(signature,), tags=("t",), licence="MIT"
    )
    message = requests.register_dataset(dataset, "r").dataset
    assert message.signatures[0].data == signature.encoded
    assert (message.name, message.version, list(message.tags), message.licence) == ("a", "2", ["t"], "MIT")


@pytest.mark.parametrize(
    ("upload", "external", "location"),
    [
        (("ab" * 32, 5), None, "upload"),
        (None, Artifact(format="onnx", uri="https://x/y"), "external"),
        (None, None, None),
    ],
)
def test_a_registration_says_where_the_bytes_are(upload: Any, external: Any, location: str | None) -> None:
    message = requests.model_header(
        request_id="r", card_json="{}", dataset_id="d", new_dataset=None, upload=upload, external=external
    )
    assert message.header.WhichOneof("location") == location
    assert message.header.WhichOneof("source") == "dataset_id"


def test_spaces_are_asked_for_by_digest_or_schema() -> None:
    assert requests.get_space("ab").WhichOneof("by") == "digest"
    assert requests.get_space_of_schema("ab", "tabular@1").schema == registry.GetFeatureSpaceRequest.SchemaKey(
        schema_digest="ab", featuriser="tabular@1"
    )


def test_a_space_reads_its_document() -> None:
    space = FeatureSpace(modality="text", featuriser="t@1", dimension=3)
    message = types.FeatureSpace(digest=space.digest, document=space.document, modality=types.MODALITY_TEXT)
    found = catalogue.space_from_proto(message)
    assert found.feature_space == space
    assert found.created_at is None
    assert np.array_equal(found.feature_space.hashing.widths_ticks, space.hashing.widths_ticks)
