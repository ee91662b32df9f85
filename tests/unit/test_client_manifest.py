"""The manifest of a bulk registration: what it may say, and how mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from msearch_client import LocalError, Modality
from msearch_client.cli.manifest import DatasetEntry, read_manifest

FULL = """
version: 1
models:
  - card: cards/a.yaml
    artifact: nets/a.onnx
    dataset: {name: mnist, version: 2, data: data/mnist.parquet, labels: digit, modality: image, ignore: [b], tags: [a]}
  - card: cards/b.yaml
    dataset: {name: mnist, version: 2, data: data/mnist.parquet, labels: digit, modality: image, ignore: [b], tags: [a]}
  - card: cards/c.yaml
    dataset: imagenet@3
  - card: cards/d.yaml
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "zoo.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, FULL))
    first = manifest.models[0]
    assert (first.card, first.artifact) == (tmp_path / "cards/a.yaml", tmp_path / "nets/a.onnx")
    assert isinstance(first.dataset, DatasetEntry)
    assert first.dataset.data == tmp_path / "data/mnist.parquet"
    assert first.dataset.modality is Modality.IMAGE
    assert first.dataset.ignore == ("b",)
    assert manifest.models[1].artifact is None
    assert manifest.models[2].dataset == "imagenet@3"
    assert manifest.models[3].dataset is None


def test_each_distinct_dataset_stands_once(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, FULL))
    assert [dataset.identity for dataset in manifest.datasets] == ["mnist@2"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("models: [{card: a}]", "version"),
        ("version: 2\nmodels: [{card: a}]", "version"),
        ("version: 1\nmodels: []", "models"),
        ("version: 1\nmodels: [{artifact: a}]", "models[0].card"),
        ("version: 1\nmodels: [{card: a, artefact: b}]", "models[0].artefact"),
        ("version: 1\nmodels: [{card: a, dataset: {data: b}}]", "models[0].dataset.name"),
        ("version: 1\nmodels: [{card: a, dataset: {name: b, modality: sound}}]", "models[0].dataset.modality"),
        ("version: 1\nmodels: {}", "models"),
        ("version: 1\nmodels: [{card: 3}]", "models[0].card"),
        ("version: 1\nmodels: [a]", "models[0]"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(LocalError, match=r"zoo\.yaml is invalid") as caught:
        read_manifest(write(tmp_path, text))
    problems = dict(caught.value.fields)
    assert field in problems
    assert not any(word in problems[field] for word in ("uple", "Input", "item", "instance", "<class"))


def test_a_dataset_cannot_mean_two_things(tmp_path: Path) -> None:
    text = "version: 1\nmodels:\n- {card: a, dataset: {name: d, data: x}}\n- {card: b, dataset: {name: d, data: y}}"
    with pytest.raises(LocalError) as caught:
        read_manifest(write(tmp_path, text))
    assert "d@1 is described in two ways" in caught.value.fields[0][1]


def test_files_that_are_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot read"):
        read_manifest(tmp_path / "none.yaml")
    with pytest.raises(LocalError, match="is not YAML"):
        read_manifest(write(tmp_path, "a: [b"))
    with pytest.raises(LocalError, match="is nested too deeply"):
        read_manifest(write(tmp_path, "a: " + "[" * 5000))
    for text in ("", "- a"):
        with pytest.raises(LocalError, match="must be a mapping with version and models"):
            read_manifest(write(tmp_path, text))
