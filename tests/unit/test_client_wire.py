"""Messages to the client's types and back: no field is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from msearch.v1 import access_service_pb2 as access_pb2
from msearch.v1 import profiles_pb2
from msearch.v1 import registry_service_pb2 as registry
from msearch.v1 import search_service_pb2 as search
from msearch.v1 import types_pb2 as types
from msearch_client import (
    Agent,
    Artifact,
    Batching,
    Constraint,
    Dataset,
    Filter,
    InternalError,
    Job,
    JobSpec,
    JobState,
    Load,
    Metric,
    Modality,
    Model,
    Network,
    NewDataset,
    NewToken,
    Precision,
    Profile,
    ProfileOptions,
    Ranking,
    Relation,
    Role,
    RunLimits,
    Scenario,
    Scores,
    Space,
    Variant,
    WeightedScore,
)
from msearch_client._rankings import Question
from msearch_client._wire import access, agents, catalogue, jobs, profiles, ranking, requests
from msearch_sketch.spaces import FeatureSpace
from tests.signatures import blank_signature

SECONDS = 1_790_000_000
DOUBLE = FieldDescriptor.CPPTYPE_DOUBLE
ANY_ENUM: Any = 2
# What the value 2 of each enum is called by the client.
WORDS = {
    "Modality": "text", "Precision": "bf16", "Scenario": "multi_stream", "JobState": "leased", "Verdict": "INVALID",
    "Offer": "rejected", "AgentState": "draining", "Role": "publisher",
}  # fmt: skip


def fill(message: Any) -> Any:
    """The message with every field set to something that is no default."""
    for number, field in enumerate(message.DESCRIPTOR.fields, 1):
        target = getattr(message, field.name)
        kind = field.message_type.full_name if field.message_type is not None else ""
        if kind == "google.protobuf.Timestamp":
            target.CopyFrom(Timestamp(seconds=SECONDS + number))
        elif kind == "google.protobuf.Duration":
            target.CopyFrom(Duration(seconds=number))
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            target["key"] = number / 8 if field.message_type.fields_by_name["value"].cpp_type == DOUBLE else "value"
        elif field.message_type is not None:
            fill(target.add() if field.is_repeated else target)
        elif field.enum_type is not None:
            if field.is_repeated:
                target.append(ANY_ENUM)
            else:
                setattr(message, field.name, ANY_ENUM)
        else:
            value = {field.CPPTYPE_STRING: f"{field.name}-{number}", DOUBLE: number / 8}.get(field.cpp_type, number)
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
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            found |= {str(item) for item in value.values()}
            continue
        for item in value if field.is_repeated else [value]:
            if isinstance(item, Timestamp):
                found.add(datetime.fromtimestamp(item.seconds, UTC).isoformat())
            elif isinstance(item, Duration):
                found.add(str(item.seconds * (1000.0 if field.name == "max_wait" else 1.0)))
            elif field.message_type is not None:
                found |= sent(item)
            elif field.enum_type is not None:
                found.add(WORDS[field.enum_type.name])
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
        (profiles_pb2.Job(), jobs.job_from_proto, Job),
        (profiles_pb2.Profile(), profiles.profile_from_proto, Profile),
        (profiles_pb2.Agent(), agents.agent_from_proto, Agent),
        (access_pb2.CreateTokenResponse(), access.new_token_from_proto, NewToken),
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


def test_limits_on_profiles_are_sent_whole() -> None:
    options = ProfileOptions(
        constraints=(
            Constraint("p99_ms", Relation.AT_MOST, 20.0), Constraint("throughput_per_s", Relation.AT_LEAST, 5.0),
        ),
        load="server:100", host_class="epyc", order_by_metric="p99_ms", pareto_metric="cost_per_1k",
    )  # fmt: skip
    question = Question(filter=Filter(), order_by=(), scores=(), explain=False, profiles=options)
    assert ranking.options_to_proto(question, 7, "").profiles == search.ProfileOptions(
        constraints=[
            search.Constraint(metric="p99_ms", comparison=search.Constraint.COMPARISON_AT_MOST, limit=20.0),
            search.Constraint(metric="throughput_per_s", comparison=search.Constraint.COMPARISON_AT_LEAST, limit=5.0),
        ],
        load_text="server:100", host_class="epyc", order_by_metric="p99_ms", pareto_metric="cost_per_1k",
    )  # fmt: skip
    nothing_asked = Question(filter=Filter(), order_by=(), scores=(), explain=False)
    assert not ranking.options_to_proto(nothing_asked, 7, "").HasField("profiles")


SPECS = [
    JobSpec(model_id="m", variants=(Variant(backend="onnxruntime"),), loads=(Load(scenario=Scenario.OFFLINE),)),
    JobSpec(
        model_id="m",
        variants=(
            Variant(
                backend="torch", precision=Precision.INT8_STATIC, batch_size=8, threads=2, mode="aot", device="cuda:0"
            ),
        ),
        loads=(
            Load(
                scenario=Scenario.SERVER, rate_per_s=100.5, arrival="gamma", parameters={"a": 1.0, "cv": 2.0},
                trace_s=(0.25, 1.5), batching=Batching(8, 2.5), p99_limit_ms=20.0,
                network=Network(40.0, 10.5, 30.0), pipeline=True,
            ),
        ),
        limits=RunLimits(
            min_duration_s=0.5, min_queries=7, max_duration_s=9.0, repeats=3, precision=0.1, seed=5, epsilon=0.02
        ),
        host_class="epyc", labels={"zone": "a"}, remote_target="grpc://h:1/m", deadline_s=60.0,
        memory_limit_bytes=1 << 30,
    ),
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=["least", "most"])
def test_what_a_job_asks_for_survives_both_ways(spec: JobSpec) -> None:
    assert jobs.spec_from_proto(jobs.spec_to_proto(spec)) == spec


def test_a_job_without_limits_leaves_them_to_the_agent() -> None:
    message = jobs.spec_to_proto(SPECS[0])
    assert message.limits == profiles_pb2.RunLimits()
    assert not message.HasField("deadline")


@pytest.mark.parametrize(
    ("kind", "table", "number_of"),
    [
        (Precision, jobs.PRECISION_TO_PROTO, profiles_pb2.Precision),
        (Scenario, jobs.SCENARIO_TO_PROTO, profiles_pb2.Scenario),
        (JobState, jobs.STATE_TO_PROTO, profiles_pb2.JobState),
        (Role, access.ROLE_TO_PROTO, access_pb2.Role),
    ],
)
def test_every_word_stands_for_the_value_of_its_name(kind: Any, table: Any, number_of: Any) -> None:
    names = {number: name for name, number in number_of.items() if number}
    assert {names[table[item]].partition("_")[2].lower().rpartition("state_")[2] for item in kind} == set(kind)
    assert set(table.values()) == set(names)


@pytest.mark.parametrize(
    ("table", "number_of"),
    [
        (profiles.VERDICT_FROM_PROTO, profiles_pb2.Verdict),
        (profiles.OFFER_FROM_PROTO, profiles_pb2.Offer),
        (agents.STATE_FROM_PROTO, profiles_pb2.AgentState),
        (ranking.RELATION_TO_PROTO, search.Constraint.Comparison),
    ],
)
def test_no_value_is_forgotten(table: Any, number_of: Any) -> None:
    numbers = set(table.values()) if number_of is search.Constraint.Comparison else set(table)
    assert numbers == {number for number in number_of.values() if number}


def test_a_state_of_a_newer_service_is_named() -> None:
    with pytest.raises(InternalError, match="job state 99"):
        jobs.read_enum(99, jobs.STATE_FROM_PROTO, "job state")


def test_a_quantity_that_could_not_be_measured_has_no_value() -> None:
    message = fill(profiles_pb2.Profile())
    message.measurements[0].source = "none"
    message.measurements.add(name="p50_ms", value=0.0, source="requests")
    profile = profiles.profile_from_proto(message)
    assert [item.value for item in profile.measurements] == [None, 0.0]
    assert profile.measurements[1].low is None


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
