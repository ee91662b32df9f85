"""Running models on rows: skipped rows, fixed batches, both runtimes, noise, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from msearch_accuracy.behaviour import Behaviour, find_behaviour_scores
from msearch_card import Card, carry_files, parse_card
from msearch_running import RunError, run_model
from msearch_running.errors import LoadFailed, MissingOperator, RefusedArtifact, WrongOutput, WrongRows
from msearch_running.models import available_formats, find_formats
from msearch_running.noise import NOISE_DRAWS, add_noise, noise_generator
from msearch_running.rows import MOST_ROWS, rows_per_call
from tests.compiled_models import damaged, write_model

RANDOM = np.random.default_rng(5)
WEIGHTS = RANDOM.normal(size=(3, 2)).astype(np.float32)


def card(input: dict[str, Any] | None = None, **fields: Any) -> Card:
    chosen = input or {"kind": "tabular", "columns": [{"name": name} for name in "abc"]}
    values = {
        "name": "m", "task": "classification", "modality": chosen["kind"], "classes": ["no", "yes"],
        "artifact": {"format": "onnx"}, "input": chosen, "output": {"kind": "logits"},
    }  # fmt: skip
    return parse_card(values | fields)


def linear(
    path: Path,
    batch: int | str = "batch",
    kind: int = TensorProto.FLOAT,
    weights: np.ndarray = WEIGHTS,
    shape: tuple[int, ...] = (),
) -> Path:
    """logits = flatten(x) @ weights"""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])],
        "g",
        [helper.make_tensor_value_info("x", kind, [batch, *(shape or (len(weights),))])],
        [helper.make_tensor_value_info("logits", kind, [batch, 2])],
        [numpy_helper.from_array(weights.astype(dtype), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def table(rows: int = 5, missing: tuple[int, ...] = ()) -> tuple[pa.Table, np.ndarray]:
    values = RANDOM.normal(size=(rows, 3))
    columns = {name: values[:, place].tolist() for place, name in enumerate("abc")}
    for row in missing:
        columns["b"][row] = None
    return pa.table(columns | {"label": ["yes"] * rows}), values


def expected(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values @ WEIGHTS)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("batch", ["batch", 1, 4, 7])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_any_batch_and_any_float_give_the_probabilities_computed_by_hand(
    batch: int | str, kind: int, tmp_path: Path
) -> None:
    rows, values = table(10)
    outputs = run_model(card(), linear(tmp_path / "m.onnx", batch, kind), rows)
    np.testing.assert_allclose(outputs.probabilities, expected(values), rtol=2e-2 if kind == 10 else 1e-5)
    assert outputs.probabilities.dtype == np.float32
    assert outputs.classes == ("no", "yes")
    assert outputs.named_votes() == [("no", "yes")[vote] for vote in expected(values).argmax(axis=1)]
    assert (outputs.skipped, outputs.problem, outputs.noisy_votes) == (0, "", None)


def test_rows_that_cannot_be_read_are_nan_and_the_first_is_named_by_its_place_in_the_table(tmp_path: Path) -> None:
    missing = (MOST_ROWS + 3, MOST_ROWS + 9)
    rows, values = table(MOST_ROWS + 20, missing)
    outputs = run_model(card(), linear(tmp_path / "m.onnx"), rows)
    assert np.flatnonzero(~outputs.kept).tolist() == list(missing)
    assert outputs.problem.startswith(f"row {missing[0]}: column 'b'")
    assert outputs.votes[missing[0]] == -1
    np.testing.assert_allclose(outputs.probabilities[outputs.kept], expected(values)[outputs.kept], rtol=1e-5)


def test_a_table_in_many_chunks_is_one_table(tmp_path: Path) -> None:
    first, second = table(3)[0], table(4)[0]
    artifact = linear(tmp_path / "m.onnx")
    whole = run_model(card(), artifact, pa.concat_tables([first, second])).probabilities
    parts = [run_model(card(), artifact, part).probabilities for part in (first, second)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-6)


def test_a_program_of_torch_export_gives_what_its_onnx_twin_gives(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    rows = pa.table({"v": RANDOM.normal(size=(9, 16)).tolist()})
    found = []
    for name in ("onnx", "torch_export"):
        path = write_model(tmp_path, "mlp", name)
        described = card(
            {"kind": "embedding", "column": "v", "length": 16},
            classes=[str(place) for place in range(10)],
            artifact={"format": name},
        )
        found.append(run_model(described, path, rows, with_noise=True))
    np.testing.assert_allclose(found[0].probabilities, found[1].probabilities, atol=1e-5)
    assert found[0].noisy_votes is not None
    assert found[1].noisy_votes is not None
    assert found[1].noisy_votes.shape == (len(NOISE_DRAWS), 9)
    assert found[1].noisy_votes.min() >= 0
    again = run_model(described, path, rows, with_noise=True).noisy_votes
    assert np.array_equal(again, found[1].noisy_votes)


def test_noise_is_of_the_asked_size_and_the_same_every_time() -> None:
    weights = RANDOM.normal(size=(400, 300)) * 3
    noisy = add_noise(weights, 0.1, noise_generator(2))
    assert (noisy - weights).std() == pytest.approx(0.1 * weights.std(), rel=0.02)
    assert np.array_equal(noisy, add_noise(weights, 0.1, noise_generator(2)))
    assert not np.array_equal(noisy, add_noise(weights, 0.1, noise_generator(3)))
    assert np.array_equal(add_noise(np.ones((2, 2)), 0.2, noise_generator(0)), np.ones((2, 2)))


def test_noise_upsets_a_narrow_decision_and_leaves_a_wide_one(tmp_path: Path) -> None:
    rows = pa.table({"a": [0.001, 30.0], "b": [0.0, 0.0], "c": [0.0, 0.0]})
    weights = np.array([[-1, 1], [2, -2], [1, -1]], np.float32)
    shares: list[float] = []
    outputs = run_model(
        card(), linear(tmp_path / "m.onnx", weights=weights), rows, with_noise=True, on_progress=shares.append
    )
    assert outputs.noisy_votes is not None
    agreed = (outputs.noisy_votes == outputs.votes).mean(axis=0)
    assert agreed[1] == agreed[0] == 1.0  # a linear model without bias decides by the sign alone
    narrow = np.array([[1.0, 1.001], [2, -2], [1, -1]], np.float32)
    found = run_model(card(), linear(tmp_path / "n.onnx", weights=narrow), rows, with_noise=True)
    assert found.noisy_votes is not None
    assert (found.noisy_votes[:, 1] == 1).mean() == pytest.approx(0.5, abs=0.3)
    behaviour = Behaviour(probabilities=found.probabilities, noisy=found.noisy_votes.astype(np.int64))
    assert find_behaviour_scores()["worst_noise"].compute(behaviour).value < 0.9
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_model_without_weights_has_no_noisy_votes(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["logits"])
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    described = card({"kind": "embedding", "column": "v", "length": 2})
    outputs = run_model(described, tmp_path / "m.onnx", pa.table({"v": [[1.0, 2.0]]}), with_noise=True)
    assert outputs.noisy_votes is None
    assert outputs.named_votes() == ["yes"]


def test_large_rows_are_taken_few_at_a_time(tmp_path: Path) -> None:
    image = {"kind": "image", "column": "x", "width": 1024, "height": 512, "channels": 3}
    assert rows_per_call(card(image)) == 1
    assert rows_per_call(card()) == MOST_ROWS
    stream = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (512, 1024, 3), np.uint8)).save(stream, "PNG")
    weights = (RANDOM.normal(size=(3 * 512 * 1024, 2)) / 1000).astype(np.float32)
    artifact = linear(tmp_path / "m.onnx", weights=weights, shape=(3, 512, 1024))
    rows = pa.table({"x": [stream.getvalue(), b"no image", stream.getvalue()]})
    outputs = run_model(card(image), artifact, rows)
    assert np.array_equal(outputs.probabilities[0], outputs.probabilities[2])
    assert outputs.problem.startswith("row 1: the image cannot be read")


def nan_weights() -> np.ndarray:
    weights = WEIGHTS.copy()
    weights[0, 0] = np.nan
    return weights


BROKEN: list[tuple[str, type[RunError], str]] = [
    ("no_column", WrongRows, "there is no column 'a'"),
    ("no_rows", WrongRows, "no row to run the model on"),
    ("all_missing", WrongRows, "no row can be read"),
    ("nan", WrongOutput, "NaN or infinity"),
    ("classes", WrongOutput, "holds 2 classes, but the card names 3"),
    ("not_probabilities", WrongOutput, "do not sum to 1"),
    ("truncated", LoadFailed, "no readable ONNX model"),
    ("external", RefusedArtifact, "in another file"),
    ("pickle", LoadFailed, "no readable ONNX model"),
    ("extent", WrongOutput, "fails on these rows"),
    ("inputs", LoadFailed, "the artifact has x"),
    ("no_artifact", MissingOperator, "has no artifact that can be run"),
]


@pytest.mark.parametrize(("what", "kind", "words"), BROKEN, ids=[case[0] for case in BROKEN])
def test_what_cannot_be_run_says_why(what: str, kind: type[RunError], words: str, tmp_path: Path) -> None:
    rows, described, artifact = table()[0], card(), linear(tmp_path / "m.onnx")
    if what == "no_column":
        rows = pa.table({"z": [1.0]})
    elif what == "no_rows":
        rows = rows.slice(0, 0)
    elif what == "all_missing":
        rows = table(2, (0, 1))[0]
    elif what == "nan":
        linear(artifact, weights=nan_weights())
    elif what == "classes":
        described = card(classes=["no", "yes", "perhaps"])
    elif what == "not_probabilities":
        described = card(output={"kind": "probabilities"})
    elif what == "truncated":
        artifact.write_bytes(artifact.read_bytes()[:-20])
    elif what == "external":
        model = onnx.load_model(artifact)
        onnx.external_data_helper.set_external_data(model.graph.initializer[0], "/etc/passwd")
        artifact.write_bytes(model.SerializeToString())
    elif what == "pickle":
        artifact.write_bytes(damaged(b"", "pickle"))
    elif what == "extent":
        linear(artifact, weights=RANDOM.normal(size=(4, 2)))
    elif what == "inputs":
        spec = {"kind": "tabular", "tensor": "other", "columns": [{"name": "a"}]}
        described = card(spec)
    elif what == "no_artifact":
        described = card(artifact={"format": "none"})
    with pytest.raises(kind, match=words):
        run_model(described, artifact, rows)


def graph(path: Path, nodes: list[onnx.NodeProto], inputs: dict[str, tuple[int, list[Any]]], **constants: Any) -> Path:
    """A model that gives `logits` [n, 2]."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 4)]
    path.write_bytes(helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString())
    return path


def test_tokens_come_from_the_tokenizer_that_the_card_carries(tmp_path: Path) -> None:
    """logits = mean over real tokens of a table row per token: the class is that of the word there is most of."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    words = {"[UNK]": 0, "good": 1, "bad": 2, "film": 3}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    votes = np.array([[0, 0], [-1, 1], [1, -1], [0, 0]], np.float32)
    artifact = graph(
        tmp_path / "m.onnx",
        [
            helper.make_node("Gather", ["votes", "ids"], ["picked"]),
            helper.make_node("Cast", ["mask"], ["weights"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
            helper.make_node("Mul", ["picked", "column"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "one"], ["logits"], keepdims=0),
        ],
        {"ids": (TensorProto.INT64, ["n", 6]), "mask": (TensorProto.INT64, ["n", 6])},
        votes=votes, last=np.array([2]), one=np.array([1]),
    )  # fmt: skip
    encoding = {"type": "tokenizer", "file": "tokenizer.json", "length": 6, "attention_mask": "mask"}
    named = card({"kind": "text", "column": "text", "tensor": "ids", "encoding": encoding}).with_base(tmp_path)
    rows = pa.table({"review": ["good good bad", "bad film", None, "a good film"]})
    found = run_model(named, artifact, rows)
    assert found.named_votes() == ["yes", "no", None, "yes"]
    carried = parse_card(carry_files(named).canonical_json())
    assert carried.base is None
    np.testing.assert_array_equal(run_model(carried, artifact, rows).probabilities, found.probabilities)
    with pytest.raises(WrongRows, match="tokenizer"):
        run_model(named.with_base(None), artifact, rows)


def test_raw_strings_reach_a_model_that_reads_strings(tmp_path: Path) -> None:
    def labels(name: str, output: str) -> onnx.NodeProto:
        return helper.make_node(
            "LabelEncoder", [name], [output], domain="ai.onnx.ml", keys_strings=["up", "down"],
            values_floats=[1.0, -1.0], default_float=0.0,
        )  # fmt: skip

    one = graph(
        tmp_path / "text.onnx",
        [labels("x", "number"), helper.make_node("MatMul", ["number", "w"], ["logits"])],
        {"x": (TensorProto.STRING, ["n", 1])},
        w=np.array([[-1, 1]], np.float32),
    )
    text = card({"kind": "text", "column": "text", "encoding": {"type": "raw", "rank": 2}})
    assert run_model(text, one, pa.table({"text": ["up", "down"]})).named_votes() == ["yes", "no"]
    both = graph(
        tmp_path / "pairs.onnx",
        [labels("x", "numbers"), helper.make_node("MatMul", ["numbers", "w"], ["logits"])],
        {"x": (TensorProto.STRING, ["n", 2])},
        w=np.array([[-1, 1], [-1, 1]], np.float32),
    )
    pairs = card({"kind": "pairs", "left": ["a.word"], "right": ["b.word"], "encoding": "raw"})
    records = {"a": [{"word": "up"}, {"word": "down"}], "b": [{"word": "up"}, {"word": None}]}
    assert run_model(pairs, both, pa.table(records)).named_votes() == ["yes", "no"]


def test_series_are_cut_and_padded_as_the_card_says(tmp_path: Path) -> None:
    series = card({"kind": "time_series", "column": "signal", "channels": 1, "length": 3})
    artifact = linear(tmp_path / "m.onnx", shape=(1, 3))
    rows = pa.table({"signal": [[1.0, 2.0, 3.0, 9.0], [4.0], [float("nan"), 0.0, 0.0]]})
    outputs = run_model(series, artifact, rows)
    np.testing.assert_allclose(outputs.probabilities[:2], expected(np.array([[1, 2, 3], [4, 0, 0]])), rtol=1e-5)
    assert outputs.kept.tolist() == [True, True, False]


def test_formats_are_the_files_of_the_runtimes() -> None:
    assert find_formats() == ("onnx", "torch_export")
    assert "onnx" in available_formats()
    assert set(available_formats()) <= set(find_formats())
