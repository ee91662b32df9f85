"""Reading ONNX files, fixing their batch, and making up feeds for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from profiler_agent.errors import CompileFailed, RefusedFormat
from profiler_agent.onnx_files import fit_batch, generated_feeds, read_specs, write_fixed_batch
from profiler_agent.work import TensorSpec
from tests.compiled_models import EXAMPLES, damaged, mlp_onnx, reference

value = helper.make_tensor_value_info


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_inputs_and_outputs_without_constants(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Identity", ["words"], ["same"])],
        "g",
        [value("x", 1, ["n", 3]), value("w", 1, [3, 2]), value("words", TensorProto.STRING, ["n", None])],
        [value("y", 1, ["n", 2]), value("same", TensorProto.STRING, None)],
        [weight],
    )
    path = save(tmp_path / "m.onnx", helper.make_model(graph).SerializeToString())
    inputs, outputs = read_specs(path)
    assert inputs == (
        TensorSpec(name="x", element_type="float32", shape=("n", 3)),
        TensorSpec(name="words", element_type="string", shape=("n", None)),
    )
    assert outputs == (
        TensorSpec(name="y", element_type="float32", shape=("n", 2)),
        TensorSpec(name="same", element_type="string", shape=()),
    )


@pytest.mark.parametrize("where", ["initializer", "attribute", "branch"])
def test_tensors_in_other_files_are_refused(tmp_path: Path, where: str) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/hostname")
    constant = helper.make_node("Constant", [], ["w"])
    constant.attribute.append(helper.make_attribute("value", tensor))
    branch = helper.make_graph([], "b", [], [value("w", 1, [2])], [tensor])
    nodes = {
        "initializer": [],
        "attribute": [constant],
        "branch": [helper.make_node("If", ["c"], ["w"], then_branch=branch, else_branch=branch)],
    }[where]
    graph = helper.make_graph(
        [*nodes, helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [value("x", 1, [2]), value("c", TensorProto.BOOL, [])],
        [value("y", 1, [2])],
        [tensor] if where == "initializer" else [],
    )
    path = save(tmp_path / "m.onnx", helper.make_model(graph).SerializeToString())
    with pytest.raises(RefusedFormat, match="'w' in another file"):
        read_specs(path)


def test_a_compiled_engine_in_a_graph_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="engine.bin")
    graph = helper.make_graph([node], "g", [value("x", 1, [2])], [value("y", 1, [2])])
    path = save(tmp_path / "m.onnx", helper.make_model(graph).SerializeToString())
    with pytest.raises(RefusedFormat, match="compiled engine"):
        read_specs(path)


@pytest.mark.parametrize("kind", ["empty", "noise", "truncated", "pickle", "text"])
def test_damaged_files_are_explained(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CompileFailed, match="ONNX"):
        read_specs(save(tmp_path / "m.onnx", damaged(mlp_onnx(), kind)))


def test_what_is_no_tensor_is_refused(tmp_path: Path) -> None:
    sequence = helper.make_tensor_sequence_value_info("y", 1, [2])
    node = helper.make_node("SequenceConstruct", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [value("x", 1, [2])], [sequence])
    path = save(tmp_path / "m.onnx", helper.make_model(graph).SerializeToString())
    with pytest.raises(CompileFailed, match="'y', which is no tensor"):
        read_specs(path)


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_a_fixed_batch_computes_the_same(name: str, tmp_path: Path) -> None:
    import onnxruntime

    source = save(tmp_path / "m.onnx", EXAMPLES[name].onnx())
    write_fixed_batch(source, tmp_path / "fixed.onnx", 3)
    inputs, outputs = read_specs(tmp_path / "fixed.onnx")
    assert inputs[0].shape[0] == outputs[0].shape[0] == 3
    onnx.checker.check_model(onnx.load(tmp_path / "fixed.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "fixed.onnx", providers=["CPUExecutionProvider"])
    feed = EXAMPLES[name].feed(3)
    np.testing.assert_allclose(session.run(None, feed)[0], reference(name, feed), atol=1e-5)


def test_a_fixed_batch_is_not_fixed_anew(tmp_path: Path) -> None:
    source = save(tmp_path / "m.onnx", mlp_onnx(4))
    write_fixed_batch(source, tmp_path / "same.onnx", 4)
    with pytest.raises(CompileFailed, match="'x' has a fixed batch of 4, not 3"):
        write_fixed_batch(source, tmp_path / "other.onnx", 3)
    assert not (tmp_path / "other.onnx").exists()


SPECS = [
    TensorSpec(name="a", element_type="float32", shape=("n", 3, "length")),
    TensorSpec(name="b", element_type="int64", shape=("n", "length")),
    TensorSpec(name="c", element_type="bool", shape=("n",)),
    TensorSpec(name="d", element_type="string", shape=(None, 2)),
    TensorSpec(name="e", element_type="float16", shape=(1, 2)),
]


def test_made_up_feeds_have_the_declared_types_and_shapes() -> None:
    feed = generated_feeds(SPECS, 5, seed=1)
    assert {name: array.shape for name, array in feed.items()} == {
        "a": (5, 3, 8), "b": (5, 8), "c": (5,), "d": (5, 2), "e": (5, 2),
    }  # fmt: skip
    assert [feed[name].dtype.name for name in "abce"] == ["float32", "int64", "bool", "float16"]
    assert set(np.unique(feed["b"])) <= {0, 1}
    assert all(isinstance(word, str) for word in feed["d"].ravel())
    large = generated_feeds(SPECS[:1], 500, seed=1)["a"]
    assert large.mean() == pytest.approx(0, abs=0.05)
    assert large.std() == pytest.approx(1, abs=0.05)


def test_a_seed_gives_its_feeds() -> None:
    one, same, other = (generated_feeds(SPECS, 5, seed) for seed in (1, 1, 2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, same[name])
    assert not np.array_equal(one["a"], other["a"])


def test_values_of_odd_types_are_not_made_up() -> None:
    with pytest.raises(ValueError, match="'x' of the element type bfloat16"):
        generated_feeds([TensorSpec(name="x", element_type="bfloat16", shape=(1,))], 1, seed=1)


@pytest.mark.parametrize(
    ("sizes", "batch", "wanted"),
    [
        ([3, 2], "n", [[0, 1, 2], [3, 4]]),
        ([3, 2], 2, [[0, 1], [2, 3]]),
        ([3, 2], 5, [[0, 1, 2, 3, 4]]),
        ([3, 2], 7, [[0, 1, 2, 3, 4, 0, 1]]),
        ([3], 1, [[0], [1], [2]]),
        ([], 4, []),
    ],
)
def test_rows_are_laid_into_the_batches_that_a_model_takes(
    sizes: list[int], batch: int | str, wanted: list[list[int]]
) -> None:
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    feeds = [{"x": np.arange(start, start + size)[:, None]} for start, size in zip(starts, sizes, strict=True)]
    spec = TensorSpec(name="x", element_type="int64", shape=(batch, 1))
    assert [feed["x"][:, 0].tolist() for feed in fit_batch(feeds, [spec])] == wanted
