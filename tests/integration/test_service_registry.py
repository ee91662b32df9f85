"""The registry through a real socket: what is promised, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2
from msearch_sketch.spaces import FeatureSpace
from search_service.api.server import LARGEST_MESSAGE_BYTES
from search_service.domain.ports import Database
from tests.service_in_process import Running, card, header, new_dataset, refused, register, service_in_process
from tests.signatures import SPACE, blank_signature, family

SIGNATURES = family(np.random.default_rng(5), 4)


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    """On each kind of database."""
    with service_in_process(tmp_path, database) as service:
        service.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=SPACE.document))
        yield service


def by_name(name: str) -> rpb.ModelReference:
    return rpb.ModelReference(name=name)


def test_health_and_reflection_answer(running: Running) -> None:
    health = health_pb2_grpc.HealthStub(running.channel)
    for name in ("", "msearch.v1.RegistryService", "msearch.v1.SearchService"):
        assert (
            health.Check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
        )
    services = ProtoReflectionDescriptorDatabase(running.channel).get_services()
    assert {"msearch.v1.RegistryService", "msearch.v1.SearchService", "grpc.health.v1.Health"} <= set(services)


def test_a_model_and_its_new_dataset_are_registered_together(running: Running) -> None:
    tags = ["b", "a", "b"]
    model = register(
        running, card("m", tags=tags, classes=["x", "y"]), new_dataset=new_dataset("d", SIGNATURES[0], tags=tags)
    )
    assert (model.name, model.version, list(model.tags), list(model.classes)) == ("m", "1", ["a", "b"], ["x", "y"])
    assert json.loads(model.card_json)["name"] == "m"
    assert running.registry.GetModel(rpb.GetModelRequest(model=by_name("m"))).model == model
    answer = running.registry.GetDataset(
        rpb.GetDatasetRequest(dataset=rpb.DatasetReference(id=model.dataset_id), include_signatures=True)
    )
    assert (answer.dataset.name, answer.dataset.version, list(answer.dataset.tags)) == ("d", "1", ["a", "b"])
    assert [signature.data for signature in answer.signatures] == [SIGNATURES[0].encoded]
    assert answer.dataset.signatures[0].row_count == SIGNATURES[0].row_count


def test_an_identical_new_dataset_is_shared_and_another_one_refused(running: Running) -> None:
    first = register(running, card("m1"), new_dataset=new_dataset("d", SIGNATURES[0]))
    second = register(running, card("m2"), new_dataset=new_dataset("d", SIGNATURES[0]))
    assert first.dataset_id == second.dataset_id
    with refused() as caught:
        register(running, card("m3"), new_dataset=new_dataset("d", SIGNATURES[1]))
    assert (caught[0].code, caught[0].reason) == ("ALREADY_EXISTS", "NAME_TAKEN")
    with refused() as caught:
        running.registry.GetModel(rpb.GetModelRequest(model=by_name("m3")))
    assert (caught[0].code, caught[0].reason) == ("NOT_FOUND", "MODEL_NOT_FOUND")


def test_models_that_bring_the_same_dataset_at_once_all_get_it(running: Running) -> None:
    found: list[str] = []

    def add(number: int) -> None:
        found.append(register(running, card(f"m{number}"), new_dataset=new_dataset("d", SIGNATURES[0])).dataset_id)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_duplicate_name_and_version(running: Running) -> None:
    register(running, card("m"))
    register(running, card("m", version="2"))
    with refused() as caught:
        register(running, card("m"))
    assert (caught[0].code, caught[0].reason) == ("ALREADY_EXISTS", "NAME_TAKEN")
    assert "m@1" in caught[0].message
    assert running.registry.GetModel(rpb.GetModelRequest(model=by_name("m"))).model.version == "2"
    assert running.registry.GetModel(rpb.GetModelRequest(model=by_name("m@1"))).model.version == "1"


def test_a_repeated_request_id_gives_the_first_answer(running: Running) -> None:
    first = register(running, card("m"), request_id="r1")
    assert register(running, card("m"), request_id="r1") == first
    with refused() as caught:
        register(running, card("other"), request_id="r1")
    assert (caught[0].code, caught[0].reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    delete = rpb.DeleteModelRequest(model=rpb.ModelReference(id=first.id), request_id="r2")
    running.registry.DeleteModel(delete)
    running.registry.DeleteModel(delete)
    with refused() as caught:
        running.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(id=first.id)))
    assert caught[0].reason == "MODEL_NOT_FOUND"


def test_concurrent_repeats_of_a_request_give_one_model(running: Running) -> None:
    found: list[str] = []

    def add() -> None:
        request = header(card("m"), request_id="same", new_dataset=new_dataset("d", SIGNATURES[0]))
        found.append(running.registry.RegisterModel(iter([request])).model.id)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 1


def test_update_changes_model_and_card_and_checks_the_revision(running: Running) -> None:
    model = register(running, card("m", description="old", tags=["t"]))
    values = types_pb2.Model(
        description="new", licence="MIT", tags=["z", "a"], metrics=[types_pb2.Metric(name="f1", value=0.5)]
    )
    request = rpb.UpdateModelRequest(
        model=by_name("m"),
        values=values,
        update_mask=FieldMask(paths=["description", "tags", "metrics"]),
        revision=model.revision,
    )
    changed = running.registry.UpdateModel(request).model
    assert (changed.description, changed.licence, list(changed.tags)) == ("new", "", ["a", "z"])
    written = json.loads(changed.card_json)
    assert (written["description"], written["tags"], written["metrics"][0]["name"]) == ("new", ["a", "z"], "f1")
    assert (changed.revision, changed.create_time) == (2, model.create_time)
    with refused() as caught:
        running.registry.UpdateModel(request)
    assert (caught[0].code, caught[0].reason) == ("ABORTED", "REVISION_CONFLICT")
    with refused() as caught:
        running.registry.DeleteModel(rpb.DeleteModelRequest(model=by_name("m"), revision=1))
    assert caught[0].reason == "REVISION_CONFLICT"
    running.registry.DeleteModel(rpb.DeleteModelRequest(model=by_name("m"), revision=2))
    assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 0


@pytest.mark.parametrize("paths", [[], ["name"], ["description", "card_json"]])
def test_an_update_mask_that_is_empty_or_names_another_field_is_refused(running: Running, paths: list[str]) -> None:
    register(running, card("m"))
    with refused() as caught:
        running.registry.UpdateModel(rpb.UpdateModelRequest(model=by_name("m"), update_mask=FieldMask(paths=paths)))
    assert (caught[0].code, caught[0].reason, set(caught[0].fields)) == (
        "INVALID_ARGUMENT",
        "INVALID_FIELD",
        {"update_mask"},
    )


def test_lists_page_through_everything_once_in_order(running: Running) -> None:
    for number in (3, 1, 2, 5, 4):
        register(running, card(f"m{number}", tags=["odd"] if number % 2 else []))
    seen, token = [], ""
    while True:
        request = rpb.ListModelsRequest(filter=types_pb2.Filter(tags=["odd"]), page_size=2, page_token=token)
        page = running.registry.ListModels(request)
        assert page.total_size == 3
        assert not any(model.card_json for model in page.models)
        seen += [model.name for model in page.models]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["m1", "m3", "m5"]
    first = running.registry.ListModels(rpb.ListModelsRequest(page_size=2))
    for wrong in ("garbage", first.next_page_token[:-2], "e30", "W10"):
        with refused() as caught:
            running.registry.ListModels(rpb.ListModelsRequest(page_size=2, page_token=wrong))
        assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
    with refused() as caught:
        foreign = rpb.ListModelsRequest(filter=types_pb2.Filter(text="x"), page_token=first.next_page_token)
        running.registry.ListModels(foreign)
    assert caught[0].reason == "INVALID_PAGE_TOKEN"
    with refused() as caught:
        running.registry.ListModels(rpb.ListModelsRequest(page_size=1001))
    assert set(caught[0].fields) == {"page_size"}


def test_unknown_ids_and_names(running: Running) -> None:
    registry = running.registry
    calls = {
        "MODEL_NOT_FOUND": lambda: registry.GetModel(rpb.GetModelRequest(model=rpb.ModelReference(id="mdl_no"))),
        "DATASET_NOT_FOUND": lambda: register(running, card("m"), dataset_id="ds_no"),
        "FEATURE_SPACE_NOT_FOUND": lambda: registry.GetFeatureSpace(rpb.GetFeatureSpaceRequest(digest="ab" * 32)),
    }
    for reason, call in calls.items():
        with refused() as caught:
            call()
        assert (caught[0].code, caught[0].reason) == ("NOT_FOUND", reason)
    for empty in (rpb.ModelReference(), rpb.ModelReference(id=""), rpb.ModelReference(name="a@")):
        with refused() as caught:
            registry.GetModel(rpb.GetModelRequest(model=empty))
        assert (caught[0].reason, set(caught[0].fields)) == ("INVALID_FIELD", {"model"})


def test_an_invalid_card_names_its_fields(running: Running) -> None:
    with refused() as caught:
        register(running, json.dumps({"name": "m", "task": "classification", "modality": "smell", "tgas": []}))
    assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_CARD")
    assert {"modality", "tgas"} <= set(caught[0].fields)
    with refused() as caught:
        register(running, "{")
    assert caught[0].reason == "INVALID_CARD"


@pytest.mark.parametrize(
    ("dataset", "reason", "field"),
    [
        (rpb.NewDataset(name="d", modality=types_pb2.MODALITY_EMBEDDING), "INVALID_FIELD", "dataset.signatures"),
        (new_dataset("d", SIGNATURES[0], modality=0), "INVALID_FIELD", "dataset.modality"),
        (new_dataset("d", SIGNATURES[0], modality=99), "INVALID_FIELD", "dataset.modality"),
        (new_dataset("", SIGNATURES[0]), "INVALID_FIELD", "dataset.name"),
        (new_dataset("a@b", SIGNATURES[0]), "INVALID_FIELD", "dataset.name"),
        (new_dataset("d", SIGNATURES[0], SIGNATURES[1]), "INVALID_FIELD", "dataset.signatures[1]"),
        (
            new_dataset("d", blank_signature(space_digest=SPACE.digest)),
            "INVALID_SIGNATURE",
            "dataset.signatures[0].data",
        ),
        (
            rpb.NewDataset(
                name="d",
                modality=types_pb2.MODALITY_EMBEDDING,
                signatures=[types_pb2.Signature(data=SIGNATURES[0].encoded[:-3])],
            ),
            "INVALID_SIGNATURE",
            "dataset.signatures[0].data",
        ),
    ],
)
def test_a_wrong_dataset_is_refused(running: Running, dataset: rpb.NewDataset, reason: str, field: str) -> None:
    with refused() as caught:
        running.registry.RegisterDataset(rpb.RegisterDatasetRequest(dataset=dataset))
    assert (caught[0].code, caught[0].reason, set(caught[0].fields)) == ("INVALID_ARGUMENT", reason, {field})
    assert running.registry.ListDatasets(rpb.ListDatasetsRequest()).total_size == 0


def test_a_signature_of_an_unregistered_space_is_refused_with_advice(running: Running) -> None:
    with refused() as caught:
        running.registry.RegisterDataset(rpb.RegisterDatasetRequest(dataset=new_dataset("d", blank_signature())))
    assert (caught[0].code, caught[0].reason) == ("NOT_FOUND", "FEATURE_SPACE_NOT_FOUND")
    assert "register it first" in caught[0].message


def test_a_dataset_is_updated_and_deleted_only_when_nothing_refers_to_it(running: Running) -> None:
    model = register(running, card("m"), new_dataset=new_dataset("d", SIGNATURES[0]))
    reference = rpb.DatasetReference(name="d")
    changed = running.registry.UpdateDataset(
        rpb.UpdateDatasetRequest(
            dataset=reference,
            values=types_pb2.Dataset(licence="CC0-1.0", description="not taken"),
            update_mask=FieldMask(paths=["licence"]),
            signatures=[types_pb2.Signature(data=SIGNATURES[1].encoded)],
        )
    ).dataset
    assert (changed.licence, changed.description, changed.revision) == ("CC0-1.0", "", 2)
    answer = running.registry.GetDataset(rpb.GetDatasetRequest(dataset=reference, include_signatures=True))
    assert [signature.data for signature in answer.signatures] == [SIGNATURES[1].encoded]
    assert answer.dataset == changed
    with refused() as caught:
        running.registry.DeleteDataset(rpb.DeleteDatasetRequest(dataset=reference))
    assert (caught[0].code, caught[0].reason) == ("FAILED_PRECONDITION", "STILL_REFERENCED")
    assert model.id in caught[0].message
    running.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(id=model.id)))
    running.registry.DeleteDataset(rpb.DeleteDatasetRequest(dataset=reference))
    assert running.registry.ListDatasets(rpb.ListDatasetsRequest()).total_size == 0


def test_filters_that_do_not_apply_to_datasets_are_refused(running: Running) -> None:
    with refused() as caught:
        running.registry.ListDatasets(rpb.ListDatasetsRequest(filter=types_pb2.Filter(tasks=["classification"])))
    assert set(caught[0].fields) == {"filter.tasks"}
    with refused() as caught:
        running.registry.ListModels(rpb.ListModelsRequest(filter=types_pb2.Filter(modalities=[0])))
    assert set(caught[0].fields) == {"filter.modalities[0]"}


def test_the_first_space_of_a_schema_wins(running: Running) -> None:
    def document(scale: int) -> str:
        return FeatureSpace(
            modality="tabular", featuriser="test@1", dimension=2, schema=(("a", "float"),), parameters={"scale": scale}
        ).document

    first = running.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=document(1))).space
    second = running.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=document(2))).space
    assert second == first
    schema = rpb.GetFeatureSpaceRequest.SchemaKey(schema_digest=first.schema_digest, featuriser="test@1")
    assert running.registry.GetFeatureSpace(rpb.GetFeatureSpaceRequest(schema=schema)).space == first


def test_built_in_spaces_are_there_at_start_and_spaces_can_be_described_and_deleted(running: Running) -> None:
    listed = running.registry.ListFeatureSpaces(rpb.ListFeatureSpacesRequest())
    assert {"image-dct@1", "pairs-similarity@1", "test@1"} <= {space.featuriser for space in listed.spaces}
    assert [space.digest for space in listed.spaces] == sorted(space.digest for space in listed.spaces)
    images = running.registry.ListFeatureSpaces(rpb.ListFeatureSpacesRequest(modality=types_pb2.MODALITY_IMAGE))
    assert images.total_size == 1
    changed = running.registry.UpdateFeatureSpace(
        rpb.UpdateFeatureSpaceRequest(digest=SPACE.digest, description="ours", revision=1)
    ).space
    assert (changed.description, changed.revision) == ("ours", 2)
    register(running, card("m"), new_dataset=new_dataset("d", SIGNATURES[0]))
    with refused() as caught:
        running.registry.DeleteFeatureSpace(rpb.DeleteFeatureSpaceRequest(digest=SPACE.digest))
    assert (caught[0].code, caught[0].reason) == ("FAILED_PRECONDITION", "STILL_REFERENCED")
    running.registry.DeleteFeatureSpace(rpb.DeleteFeatureSpaceRequest(digest=images.spaces[0].digest))
    for document in ("", "{}", "[" * 10_000):
        with refused() as caught:
            running.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=document))
        assert (caught[0].reason, set(caught[0].fields)) == ("INVALID_FIELD", {"document"})


def test_the_callers_request_id_comes_back_in_errors(running: Running) -> None:
    with refused() as caught:
        running.registry.GetModel(rpb.GetModelRequest(), metadata=[("x-request-id", "mine-1")])
    assert caught[0].request_id == "mine-1"
    with refused() as caught:
        running.registry.GetModel(rpb.GetModelRequest())
    assert caught[0].request_id


def test_a_defect_is_answered_without_detail(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search_service.usecases.models.resolve_model", lambda *_: 1 / 0)
    with refused() as caught:
        running.registry.GetModel(rpb.GetModelRequest(model=by_name("m")))
    assert (caught[0].code, caught[0].reason) == ("INTERNAL", "INTERNAL")
    assert "division" not in caught[0].message
    assert caught[0].request_id in caught[0].message


def test_a_message_above_the_limit_is_refused(running: Running) -> None:
    document = "x" * (LARGEST_MESSAGE_BYTES + 1)
    with pytest.raises(grpc.RpcError) as error:
        running.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=document))
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
