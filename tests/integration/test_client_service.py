"""The SDK against the real service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from msearch_client import (
    AlreadyExistsError,
    Client,
    ConflictError,
    Filter,
    InvalidArgumentError,
    LocalError,
    Metric,
    Modality,
    NotFoundError,
    PreconditionFailedError,
)
from msearch_sketch.spaces import FeatureSpace
from tests.small_zoo import make_card, make_table, write_net, write_zoo


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Client]:
    with Client(server, retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def zoo(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three registered models and an unlabelled target."""
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder)
    for name in ("near", "mid", "far"):
        source = client.new_dataset(f"{name}-data", folder / f"{name}.parquet", labels="label", tags=["made"])
        client.register_model(folder / f"{name}.yaml", artifact=folder / f"{name}.onnx", dataset=source)
    return folder


def hosted(name: str, **fields: Any) -> dict[str, Any]:
    """A card of a model without an artifact."""
    return make_card(name, artifact={"format": "none"}, **fields)


def test_a_search_puts_the_closest_source_first(client: Client, zoo: Path) -> None:
    ranking = client.search(zoo / "target.parquet", scores=["nearest"], explain=True)
    assert ranking.best is not None
    assert [candidate.model.name for candidate in ranking] == ["near", "mid", "far"]
    assert ranking.score_names == ("adaptivity", "nearest")
    assert (ranking.best.dataset_name, ranking.target_row_count, ranking.total) == ("near-data", 150, 3)
    assert ranking.signature is not None
    assert ranking.signature.space_digest == ranking.space_digest
    assert len(ranking.to_pandas()) == 3


def test_a_search_by_data_gives_the_same_ranking(client: Client, zoo: Path) -> None:
    by_signature = client.search(zoo / "target.parquet")
    by_data = client.search_by_data(zoo / "target.parquet")
    assert by_data == by_signature
    assert by_data.signature == by_signature.signature


def test_a_search_takes_tables_frames_and_signatures(client: Client, zoo: Path) -> None:
    table = pq.read_table(zoo / "target.parquet")
    expected = client.search(zoo / "target.parquet")
    assert client.search(table) == expected
    assert client.search(table.to_pandas()) == expected
    assert client.search(expected.signature) == expected
    assert client.search(pa.RecordBatchReader.from_batches(table.schema, table.to_batches())) == expected
    assert client.search_by_data(pa.RecordBatchReader.from_batches(table.schema, table.to_batches())) == expected


@pytest.mark.parametrize("call", ["search", "search_by_data"])
def test_labels_of_a_target_stay_here(client: Client, zoo: Path, call: str) -> None:
    labelled = make_table(0.0, 150)
    ranking = getattr(client, call)(labelled)
    assert ranking == getattr(client, call)(labelled.drop_columns("label"))
    assert ranking.signature.classes == ()


def test_filters_top_and_orders(client: Client, zoo: Path) -> None:
    target = zoo / "target.parquet"
    assert [item.model.name for item in client.search(target, top=1)] == ["near"]
    assert client.search(target, filter=Filter(tasks="regression")).candidates == ()  # type: ignore[arg-type]
    assert [item.model.name for item in client.search(target, filter=Filter(text="mid"))] == ["mid"]
    mixed = client.search(target, order_by={"nearest": 2, "adaptivity": 1})
    assert {(item.score, item.weight) for item in mixed.order_by} == {("nearest", 2.0), ("adaptivity", 1.0)}
    assert mixed.best is not None
    assert mixed.best.model.name == "near"


def test_an_unknown_score_is_refused(client: Client, zoo: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="magic") as caught:
        client.search(zoo / "target.parquet", order_by="magic")
    assert caught.value.reason == "UNKNOWN_SCORE"


def test_the_rows_of_a_target_may_be_limited(client: Client, zoo: Path) -> None:
    read: list[tuple[int, int | None]] = []
    ranking = client.search(
        zoo / "target.parquet", limit_rows=40, progress=lambda done, total: read.append((done, total))
    )
    assert ranking.target_row_count == 40
    assert read[-1] == (40, 40)
    with pytest.raises(LocalError, match="limit_rows"):
        client.search(zoo / "target.parquet", limit_rows=0)


def test_a_target_with_unknown_columns_says_so(client: Client, zoo: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no model here was trained on data with the columns.*other") as caught:
        client.search(pa.table({"other": [1.0, 2.0] * 10, "columns": [3, 4] * 10}))
    assert caught.value.reason == "FEATURE_SPACE_NOT_FOUND"


@pytest.mark.parametrize("call", ["search", "search_by_data"])
def test_data_that_is_missing_is_a_local_error(client: Client, tmp_path: Path, call: str) -> None:
    with pytest.raises(LocalError, match="does not exist"):
        getattr(client, call)(tmp_path / "none.parquet")


def test_models_are_found_by_name_version_and_id(client: Client, zoo: Path) -> None:
    model = client.get_model("near")
    assert model == client.get_model("near@1") == client.get_model(model.id) == client.get_model(model)
    assert model.inputs[0].shape == ("batch", 3)
    assert model.card_json
    with pytest.raises(NotFoundError) as caught:
        client.get_model("nobody")
    assert caught.value.reason == "MODEL_NOT_FOUND"


def test_models_are_listed_page_by_page(client: Client, zoo: Path) -> None:
    kept = Filter(tags=("small",), formats=("onnx",))
    models = client.models(kept, page_size=2)
    assert [model.name for model in models] == ["far", "mid", "near"]
    assert len(models) == 3
    near = client.get_model("near")
    assert [model.name for model in client.models(Filter(dataset_id=near.dataset_id))] == ["near"]


def test_a_download_is_the_upload(client: Client, zoo: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = client.download_artifact("near", tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "near-1.onnx"
    assert path.read_bytes() == (zoo / "near.onnx").read_bytes()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == client.get_model("near").artifact.digest
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    with pytest.raises(LocalError, match="exists already"):
        client.download_artifact("near", path)
    assert client.download_artifact("near", path, overwrite=True) == path
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_without_bytes_cannot_be_downloaded(client: Client, tmp_path: Path) -> None:
    card = hosted("hosted") | {"artifact": {"format": "none", "uri": "https://example.org/api"}}
    model = client.register_model(card)
    assert model.artifact.uri == "https://example.org/api"
    with pytest.raises(LocalError, match=r"https://example\.org/api"):
        client.download_artifact("hosted", tmp_path)
    client.delete_model(model)


def test_an_upload_of_several_chunks(client: Client, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    net = onnx.load(tmp_path / "net.onnx")
    net.doc_string = "x" * (3 << 20)
    model = client.register_model(make_card("large"), artifact=net.SerializeToString())
    assert model.artifact.size_bytes > 3 << 20
    assert client.download_artifact(model, tmp_path / "back.onnx").stat().st_size == model.artifact.size_bytes
    client.delete_model(model)


def test_a_registration_may_be_repeated(client: Client) -> None:
    first = client.register_model(hosted("repeated"), request_id="test-repeated")
    assert client.register_model(hosted("repeated"), request_id="test-repeated") == first
    with pytest.raises(AlreadyExistsError) as caught:
        client.register_model(hosted("repeated"))
    assert caught.value.reason == "NAME_TAKEN"
    client.delete_model(first)


@pytest.mark.parametrize(
    ("card", "artifact", "problem"),
    [
        (make_card("x"), None, "declares an artifact of format onnx, but none is given"),
        (hosted("x"), b"bytes", "an artifact is given"),
        (make_card("x"), b"", "is empty"),
        (make_card("x"), "/none/net.onnx", "cannot read the artifact"),
        (make_card("x", modality="sound"), None, "modality"),
    ],
)
def test_mistakes_are_found_before_anything_is_sent(client: Client, card: Any, artifact: Any, problem: str) -> None:
    with pytest.raises(LocalError, match=problem):
        client.register_model(card, artifact=artifact)


def test_an_artifact_that_is_none_is_refused_by_the_service(client: Client) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        client.register_model(make_card("garbled"), artifact=b"this is no network" * 10)
    assert caught.value.reason == "INVALID_ARTIFACT"
    assert caught.value.request_id
    with pytest.raises(NotFoundError):
        client.get_model("garbled")


def test_a_model_changes_and_goes(client: Client) -> None:
    read = client.register_model(hosted("changing"))
    changed = client.update_model(read, tags=["b", "a"], metrics=[Metric(name="f1", value=0.5)], licence="BSD-3-Clause")
    assert (changed.tags, changed.licence, changed.revision) == (("a", "b"), "BSD-3-Clause", read.revision + 1)
    assert changed.description == read.description
    with pytest.raises(ConflictError):
        client.update_model(read, description="late")
    with pytest.raises(ConflictError):
        client.delete_model(read)
    assert client.update_model("changing", description="by name").description == "by name"
    client.delete_model("changing")
    with pytest.raises(NotFoundError):
        client.get_model("changing")


def test_datasets_live_and_die(client: Client, zoo: Path) -> None:
    dataset = client.register_dataset(
        "own", data=zoo / "near.parquet", labels="label", description="mine", limit_rows=50
    )
    assert (dataset.row_count, dataset.modality, dataset.signatures[0].labelled) == (50, Modality.TABULAR, True)
    (signature,) = client.dataset_signatures("own")
    assert signature.classes
    copy = client.register_dataset("copy", signatures=[signature], modality="tabular")
    assert client.dataset_signatures(copy) == (signature,)
    assert [item.name for item in client.datasets(Filter(text="own"))] == ["own"]
    assert client.update_dataset(dataset, tags=["x"]).tags == ("x",)
    client.delete_dataset(copy)
    client.delete_dataset("own")
    with pytest.raises(NotFoundError) as caught:
        client.get_dataset("own")
    assert caught.value.reason == "DATASET_NOT_FOUND"


def test_a_dataset_in_use_stays(client: Client, zoo: Path) -> None:
    with pytest.raises(PreconditionFailedError, match="source of 1 model"):
        client.delete_dataset("near-data")


def test_a_model_may_name_its_dataset(client: Client, zoo: Path) -> None:
    model = client.register_model(hosted("sharing"), dataset="near-data")
    assert model.dataset_id == client.get_dataset("near-data").id
    client.delete_model(model)
    with pytest.raises(NotFoundError):
        client.register_model(hosted("sharing"), dataset="no-such-data")


def test_register_dataset_wants_exactly_one_source(client: Client) -> None:
    with pytest.raises(TypeError):
        client.register_dataset("x")


def test_the_first_space_of_a_schema_wins(client: Client, zoo: Path) -> None:
    target = zoo / "target.parquet"
    assert client.space_for(target) == client.space_for(zoo / "far.parquet", labels="label", source=True)
    space = client.get_space(client.space_for(target).digest)
    assert space.schema_digest
    assert space.feature_space.digest == space.digest
    with pytest.raises(PreconditionFailedError):
        client.delete_space(space)


def test_spaces_live_and_die(client: Client) -> None:
    made = FeatureSpace(modality="embedding", featuriser="mine@1", dimension=7)
    space = client.register_space(made, description="mine")
    assert client.get_space(made.digest) == space
    assert space.digest in [item.digest for item in client.spaces("embedding")]
    assert client.update_space(space, description="ours").description == "ours"
    client.delete_space(space.digest)
    with pytest.raises(NotFoundError):
        client.get_space(made.digest)
    with pytest.raises(TypeError):
        client.get_space()


def test_embeddings_of_a_new_length_bring_their_space(client: Client) -> None:
    vectors = np.random.default_rng(1).normal(size=(60, 12)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 12)
    table = pa.table({"vector": column})
    with pytest.raises(NotFoundError):
        client.get_space(client.space_for(table).digest)
    source = client.new_dataset("vectors", table)
    model = client.register_model(hosted("embedder", modality="embedding", input=None), dataset=source)
    ranking = client.search(table)
    assert [candidate.model.name for candidate in ranking] == ["embedder"]
    client.delete_model(model)


def test_scores_say_what_they_are(client: Client) -> None:
    scores = client.scores()
    assert scores["adaptivity"].formula
    assert [item.score for item in scores.default_order_by] == ["adaptivity"]
