"""The card's document: what is accepted, and that each refusal names its field and says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msearch_card import CardError, card_schema, load_card, parse_card

IMAGE_CARD = """
name: zoo/digits-mnist
version: 1
description: A small network.
licence: MIT
tags: [vision, digits, vision]
task: classification
modality: image
classes: [0, 1, 2, "3"]
metrics: [{name: accuracy, value: 0.93, dataset: held-out}]
parent: zoo/base@1
artifact: {format: onnx}
input:
  kind: image
  column: image
  width: 28
  height: 28
  channels: 1
  mean: [0.1307]
  std: [0.3081]
output: {kind: logits, temperature: 1.5}
"""


def fields_of(text: str) -> dict[str, str]:
    with pytest.raises(CardError) as caught:
        parse_card(text)
    for path, problem in caught.value.fields[:5]:
        assert path in caught.value.message
        assert problem in caught.value.message
    return dict(caught.value.fields)


def test_a_full_card_is_read() -> None:
    card = parse_card(IMAGE_CARD)
    assert card.identity == "zoo/digits-mnist@1"
    assert card.classes == ("0", "1", "2", "3")
    assert card.tags == ("digits", "vision")
    assert card.input is not None
    assert card.input.kind == "image"
    assert card.input.scale == 1 / 255
    assert card.output is not None
    assert card.output.axis == -1


def test_json_yaml_bytes_and_mapping_give_the_same_card() -> None:
    card = parse_card(IMAGE_CARD)
    document = json.loads(card.canonical_json())
    same = [parse_card(IMAGE_CARD.encode()), parse_card(json.dumps(document, indent=2)), parse_card(document)]
    assert all(one == card and hash(one) == hash(card) for one in same)


def test_canonical_json_is_ascii_sorted_and_writes_defaults_out() -> None:
    text = parse_card("{name: a, description: Größe, task: search, modality: text}").canonical_json()
    assert text.isascii()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert json.loads(text)["version"] == "1"
    assert json.loads(text)["artifact"] == {"format": "none"}
    assert "input" not in json.loads(text)


def test_a_hosted_model_needs_no_input_and_output() -> None:
    card = parse_card(
        "{name: api, task: classification, modality: text, classes: [a, b], artifact: {uri: 'https://x.example/v1'}}"
    )
    assert card.artifact.format == "none"
    assert card.artifact.uri == "https://x.example/v1"


def test_a_card_is_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_card(IMAGE_CARD).name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "path", "problem"),
    [
        ("mean: [0.1307]", "mean: [x]", "input.mean[0]", "must be a number, not 'x'"),
        ("mean: [0.1307]", "mean: [0.1, 0.2]", "input.mean", "channels is 1, but 2 are given"),
        ("std: [0.3081]", "std: [0]", "input.std[0]", "greater than 0"),
        ("std: [0.3081]", "std: 0.3", "input.std", "must be a list"),
        ("  width: 28\n", "  widht: 28\n", "input.widht", "did you mean 'width'?"),
        ("  width: 28\n", "", "input.width", "is required"),
        ("  width: 28\n", "  width: 28.0\n", "input.width", "must be an integer, not 28.0"),
        ("  width: 28\n", "  width: true\n", "input.width", "not true"),
        ("channels: 1", "channels: 4", "input.channels", "must be 1 or 3, not 4"),
        ("kind: image", "kind: imge", "input.kind", "must be one of 'image', 'text', 'tabular'"),
        ("  kind: image\n", "", "input.kind", "is required"),
        ("temperature", "temprature", "output.temprature", "did you mean 'temperature'?"),
        ("temperature: 1.5", "temperature: .nan", "output.temperature", "nan"),
        ("kind: logits", "kind: probabilities", "output.temperature", "must be 1, not 1.5"),
        ("temperature: 1.5", "axis: 0", "output.axis", "which is the batch"),
        ("value: 0.93", "value: 93", "metrics[0].value", "93 percent is 0.93"),
        ("name: zoo/digits-mnist", "name: a b", "name", "must match"),
        ("name: zoo/digits-mnist", f"name: {'a' * 201}", "name", "at most 200 characters"),
        ("name: zoo/digits-mnist", "name: ../../etc/passwd", "name", "must match"),
        ("name: zoo/digits-mnist", "name: /digits", "name", "must match"),
        ("name: zoo/digits-mnist", "name: zoo//digits", "name", "must match"),
        ("name: zoo/digits-mnist", "name: -rf", "name", "must match"),
        ("version: 1", "version: 1.10", "version", "not 1.1; put it in quotes"),
        ("version: 1", "version: a@b", "version", "must match"),
        ("version: 1", 'version: "a\\x01"', "version", "control character U+0001"),
        ("A small network.", '"a\\0b"', "description", "control character U+0000"),
        ("parent: zoo/base@1", "parent: zoo/base", "parent", 'must read "name@version"'),
        ("modality: image", "modality: text", "modality", "input.kind is image"),
        ("modality: image", "modality: audio", "modality", "not 'audio'"),
        ("task: classification", "task: Is it?", "task", "must match"),
        ('"3"]', "2]", "classes[3]", "stands already at classes[2]"),
        ('"3"]', "true]", "classes[3]", "not true; put it in quotes"),
        ('"3"]', '" "]', "classes[3]", "must not be blank"),
        ('classes: [0, 1, 2, "3"]', "", "classes", "is required for a classification model with an output"),
        ('classes: [0, 1, 2, "3"]', "classes: [one]", "classes", "at least 2"),
        ("format: onnx", "format: pickle", "artifact.format", "not 'pickle'"),
        ("{format: onnx}", "onnx", "artifact", "must be a mapping, not 'onnx'"),
        ("{format: onnx}", "{uri: here}", "artifact.uri", "must match"),
        ("column: image", "column: [image]", "input.column", "must be a string, not a list"),
        ("task: classification\n", "", "task", "is required"),
        ("licence: MIT", "license: MIT", "license", "did you mean 'licence'?"),
        ("output: {kind: logits, temperature: 1.5}", "", "output", "is required for a model with classes"),
    ],
)  # fmt: skip
def test_each_problem_names_its_field(old: str, new: str, path: str, problem: str) -> None:
    assert old in IMAGE_CARD
    assert problem in fields_of(IMAGE_CARD.replace(old, new, 1))[path]


def test_an_artifact_needs_an_input() -> None:
    assert "onnx" in fields_of("{name: a, task: t, modality: text, artifact: {format: onnx}}")["input"]


@pytest.mark.parametrize(
    ("section", "path", "problem"),
    [
        ("{kind: text, column: t, encoding: {type: hash}}", "input.encoding.type", "'hashing'"),
        ("{kind: text, column: t, encoding: {type: hashing, featurs: 8}}", "input.encoding.featurs", "'features'"),
        ("{kind: text, column: t, encoding: {type: hashing, ngrams: [3, 1]}}", "input.encoding.ngrams", "not [3, 1]"),
        ("{kind: text, column: t, encoding: {type: hashing, ngrams: [1, 99]}}", "input.encoding.ngrams", "exceed 16"),
        ("{kind: text, column: t}", "input.encoding", "is required"),
        ("{kind: text, column: t, encoding: {type: tokenizer, file: ../x, length: 4}}", "input.encoding.file", "'..'"),
        ("{kind: text, column: t, encoding: {type: tokenizer, file: /x, length: 4}}", "input.encoding.file", "inside"),
        ("{kind: text, column: t, encoding: {type: tokenizer, file: 'C:\\x', length: 1}}", "input.encoding.file", "in"),
        ("{kind: text, column: t, encoding: {type: featuriser, name: x}}", "input.encoding.name", "must match"),
        ("{kind: tabular, columns: []}", "input.columns", "at least 1"),
        ("{kind: tabular, columns: [{name: a}, {name: a}]}", "input.columns[1].name", "twice"),
        ("{kind: tabular, columns: [{name: a, typ: number}]}", "input.columns[0].typ", "did you mean 'type'?"),
        ("{kind: tabular, columns: [{name: a, type: category}]}", "input.columns[0].categories", "is required"),
        ("{kind: tabular, columns: [{name: a, categories: [b]}]}", "input.columns[0].categories", "type category"),
        ("{kind: tabular, columns: [{name: a, fill: b}]}", "input.columns[0].fill", "must be a number"),
        ("{kind: tabular, columns: [{name: a, fill: [1]}]}", "input.columns[0].fill", "must be a number, true"),
        ("{kind: tabular, columns: [{name: a, type: boolean, fill: 1}]}", "input.columns[0].fill", "be a boolean"),
        ("{kind: tabular, columns: [{name: a, type: category, categories: [b], fill: c}]}", "input.columns[0].fill",
         "one of the categories"),
        ("{kind: time_series, column: s, channels: 3}", "input.length", "is required"),
        ("{kind: time_series, column: s, channels: 3, length: 9, mean: [1]}", "input.mean", "one value per channel"),
        ("{kind: pairs, left: [a], right: [a], encoding: raw}", "input.right[0]", "stands already in left"),
        ("{kind: pairs, left: [], right: [a], encoding: raw}", "input.left", "at least 1"),
        ("{kind: embedding, column: e}", "input.length", "is required"),
        ("{kind: embedding, column: e, length: 0}", "input.length", "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_each_problem_of_an_input_names_its_field(section: str, path: str, problem: str) -> None:
    kind = section[7:].split(",", maxsplit=1)[0]
    text = f"{{name: a, task: t, modality: {kind}, input: {section}}}"
    assert problem in fields_of(text)[path]


def test_a_short_encoding_is_spelled_out() -> None:
    card = parse_card("{name: a, task: t, modality: text, input: {kind: text, column: t, encoding: raw}}")
    assert card.input is not None
    assert json.loads(card.canonical_json())["input"]["encoding"] == {"type": "raw", "rank": 1}


def test_a_fill_keeps_its_type() -> None:
    card = parse_card(
        "{name: a, task: t, modality: tabular, input: {kind: tabular, columns: [{name: a, fill: 0},"
        " {name: b, type: boolean, fill: false}, {name: c, type: category, categories: [0, x], fill: 0},"
        " {name: d, type: category, categories: [0, x], fill: -1}, {name: e, type: category, categories: [x]}]}}"
    )
    assert card.input is not None
    assert card.input.kind == "tabular"
    assert [column.fill_number for column in card.input.columns] == [0.0, 0.0, 0.0, -1.0, None]
    assert [type(column.fill) for column in card.input.columns[:2]] == [float, bool]


def test_plain_scalars_mean_what_they_look_like() -> None:
    classes = parse_card(
        "{name: a, task: t, modality: text, classes: [no, 007, 12:30, 2026-03-01, 1_000, 0x1f]}"
    ).classes
    assert classes == ("no", "007", "12:30", "2026-03-01", "1_000", "0x1f")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be a mapping"),
        ("just a sentence", "must be a mapping"),
        ("[1, 2]", "must be a mapping"),
        ("a: [", "is not valid YAML"),
        ("a: b: c", "line 1, column"),
        ('{"name": "a",', "is not valid JSON"),
        ("name: a\nname: b", "'name' twice (line 2)"),
        ('{"input": {"kind": "text", "kind": "image"}}', "'kind' twice"),
        ("{1: a}", "the key 1, which is not a string"),
        ("a: !!python/object/apply:os.system [ls]", "is not valid YAML"),
        ("a: !!timestamp nonsense", "is not valid YAML"),
        ("{" * 5000, "nested too deeply"),
        ("{" + " " * 70_000, "is not valid JSON"),
        ("a: !!bool maybe", "is not valid YAML"),
        ("a: !!binary x", "is not valid YAML"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("a: " + "x" * (3 << 20), "is larger than"),
        ("a: \x00", "is not valid YAML"),
        ("name: " + "9" * 5000, "is not valid YAML"),
    ],
)
def test_a_text_that_is_no_document_is_refused(text: str, problem: str) -> None:
    with pytest.raises(CardError) as caught:
        parse_card(text)
    assert problem in caught.value.message
    assert caught.value.fields


def test_a_document_of_aliases_does_not_grow() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert fields_of(bomb + "name: a\nclasses: *a59\n")["classes[0]"] == "must be a string, not a list"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(CardError, match="is not UTF-8 text"):
        parse_card(b"name: \xff\xfe")


def test_a_file_is_read_and_its_folder_remembered(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(IMAGE_CARD)
    card = load_card(path)
    assert card.base == tmp_path
    assert card == parse_card(IMAGE_CARD)
    assert parse_card(IMAGE_CARD).base is None
    assert str(tmp_path) not in card.canonical_json()
    path.write_text("name: [")
    with pytest.raises(CardError) as caught:
        load_card(path)
    assert caught.value.message.startswith(f"{path}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"nowhere\.yaml: cannot read the model card: No such file"):
        load_card(tmp_path / "nowhere.yaml")


def test_many_problems_are_all_in_the_fields_and_few_in_the_message() -> None:
    with pytest.raises(CardError) as caught:
        parse_card({"name": "a", "task": "t", "modality": "text", **{f"key{i}": i for i in range(9)}})
    assert len(caught.value.fields) == 9
    assert caught.value.message.endswith("; and 4 more")


def test_an_error_stays_small_however_wrong_the_card_is() -> None:
    document = {"name": "a" * 10_000, "classes": [None] * 50_000, "k" * 100_000: 1}
    with pytest.raises(CardError) as caught:
        parse_card(document)
    assert len(caught.value.fields) == 50
    assert len(caught.value.message) < 2000
    assert sum(len(path) + len(problem) for path, problem in caught.value.fields) < 8000


def test_the_published_schema_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "model-card.schema.json"
    assert json.loads(path.read_text()) == card_schema(), "run: python -m msearch_card > docs/model-card.schema.json"
