"""Parameters and operations, against figures worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from profiler_agent.onnx_files import Counts, count
from tests.compiled_models import Graph, cnn_onnx, encoder_onnx, mlp_onnx

value = helper.make_tensor_value_info


def counted(tmp_path: Path, content: bytes) -> Counts:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    return count(path)


def operator(tmp_path: Path, op_type: str, *inputs: Any, shape: list[Any], out: list[Any], **attributes: Any) -> Counts:
    """Counts of one operator on an input of that shape."""
    g = Graph()
    g.add(op_type, "x", *inputs, output="y", **attributes)
    graph = helper.make_graph(g.nodes, "g", [value("x", 1, shape)], [value("y", 1, out)], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return counted(tmp_path, model.SerializeToString())


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_the_mlp(tmp_path: Path) -> None:
    counts = counted(tmp_path, mlp_onnx())
    assert counts.parameters == 16 * 64 + 64 + 64 * 10 + 10
    assert counts.flops == 2 * 16 * 64 + 64 + 64 + 2 * 64 * 10 + 10
    assert counts.operators == {"Gemm": 2, "Relu": 1}
    assert counts.activation_bytes == 4 * (64 + 64 + 10)
    assert counts.size_bytes == len(mlp_onnx())
    assert "batch 1" in counts.flops_detail


def test_the_cnn(tmp_path: Path) -> None:
    first = 16 * 32 * 32 * (2 * 3 * 9 + 1) + 16 * 32 * 32
    second = 32 * 16 * 16 * (2 * 16 * 9 + 1) + 32 * 16 * 16
    counts = counted(tmp_path, cnn_onnx())
    assert counts.flops == first + second + 32 * 16 * 16 + 10 * (2 * 32 + 1)
    # Two convolutions with their activations, the pooled channels and the classes; flattening writes nothing.
    assert counts.activation_bytes == 4 * (2 * 16 * 32 * 32 + 2 * 32 * 16 * 16 + 32 + 10)


def test_the_encoder(tmp_path: Path) -> None:
    tokens, width, heads = 12, 32, 4
    products = 2 * tokens * (4 * width * width + 2 * width * 2 * width) + 4 * tokens * tokens * width
    around = counted(tmp_path, encoder_onnx()).flops
    assert around is not None
    small = 5 * heads * tokens * tokens + 2 * 7 * tokens * width + 5 * tokens * 2 * width
    assert products + small < around < 1.05 * (products + small)  # additions and the head besides


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_operations_are_of_one_sample(tmp_path: Path, batch: int | str) -> None:
    assert counted(tmp_path, cnn_onnx(batch)).flops == counted(tmp_path, cnn_onnx()).flops


@pytest.mark.parametrize(
    ("op_type", "inputs", "shape", "out", "attributes", "flops"),
    [
        ("Conv", [zeros(8, 2, 3, 3)], ["n", 4, 8, 8], ["n", 8, 6, 6], {"group": 2}, 8 * 36 * 2 * 2 * 9),
        ("ConvTranspose", [zeros(4, 6, 2, 2)], ["n", 4, 5, 5], ["n", 6, 6, 6], {}, 2 * 4 * 25 * 6 * 4),
        ("MatMul", [zeros(3, 5, 7)], ["n", 3, 4, 5], ["n", 3, 4, 7], {}, 2 * 3 * 4 * 5 * 7),
        ("Einsum", [zeros(5, 7)], ["n", 4, 5], ["n", 4, 7], {"equation": "bij,jk->bik"}, 2 * 4 * 5 * 7),
        ("LSTM", [zeros(1, 32, 6), zeros(1, 32, 8)], [9, 1, 6], [9, 1, 1, 8], {"hidden_size": 8}, 2 * 9 * 4 * 8 * 14),
        ("GRU", [zeros(1, 24, 6), zeros(1, 24, 8)], [9, 1, 6], [9, 1, 1, 8], {"hidden_size": 8}, 2 * 9 * 3 * 8 * 14),
        ("MaxPool", [], ["n", 4, 8, 8], ["n", 4, 4, 4], {"kernel_shape": [2, 2], "strides": [2, 2]}, 4 * 16 * 4),
        ("ReduceMean", [np.array([1])], ["n", 9], ["n", 1], {}, 9),
        ("Softmax", [], ["n", 9], ["n", 9], {}, 45),
        ("Add", [zeros(9)], ["n", 9], ["n", 9], {}, 9),
        ("Sum", ["x", "x"], ["n", 9], ["n", 9], {}, 18),
        ("Transpose", [], ["n", 9], [9, "n"], {"perm": [1, 0]}, 0),
    ],
)
def test_formulas(
    tmp_path: Path, op_type: str, inputs: list[Any], shape: list[Any], out: list[Any], attributes: Any, flops: int
) -> None:
    counts = operator(tmp_path, op_type, *inputs, shape=shape, out=out, **attributes)
    # A sequence has the batch on its second axis; its first counts as the batch.
    assert counts.flops == (round(flops / shape[0]) if op_type in ("LSTM", "GRU") else flops)


def test_an_attention_of_the_newest_operators(tmp_path: Path) -> None:
    names = ["q", "k", "v"]
    for shape, attributes in (([1, 4, 12, 8], {}), ([1, 12, 32], {"q_num_heads": 4, "kv_num_heads": 4})):
        graph = helper.make_graph(
            [helper.make_node("Attention", names, ["y"], **attributes)],
            "g",
            [value(name, 1, shape) for name in names],
            [value("y", 1, shape)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)
        assert counted(tmp_path, model.SerializeToString()).flops == 4 * 12 * 12 * 32 + 5 * 4 * 12 * 12


def test_what_cannot_be_counted_says_why(tmp_path: Path) -> None:
    unknown = operator(tmp_path, "Frobnicate", shape=["n", 2], out=["n", 2])
    assert unknown.flops is None
    assert "Frobnicate" in unknown.flops_detail
    assert unknown.operators == {"Frobnicate": 1}
    free = operator(tmp_path, "Relu", shape=["n", "length"], out=["n", "length"])
    assert free.flops is None
    assert "shape of 'y'" in free.flops_detail
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "b", [], [value("r", 1, [1, 2])])
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        "g",
        [value("x", 1, [1, 2]), value("c", TensorProto.BOOL, [])],
        [value("y", 1, [1, 2])],
    )
    conditional = counted(tmp_path, helper.make_model(graph, ir_version=10).SerializeToString())
    assert conditional.flops is None
    assert conditional.flops_detail == "the work of If depends on the data"
    assert conditional.operators == {"If": 1, "Relu": 2}


def test_operators_of_other_domains_are_named_so(tmp_path: Path) -> None:
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    graph = helper.make_graph([node], "g", [value("x", 1, ["n", 2])], [value("y", 1, ["n", 2])])
    counts = counted(tmp_path, helper.make_model(graph, ir_version=10).SerializeToString())
    assert counts.operators == {"com.microsoft:Gelu": 1}
    assert counts.flops is None


def test_shapes_and_indices_are_no_parameters(tmp_path: Path) -> None:
    g = Graph()
    g.add("Reshape", g.add("Gather", np.ones((5, 4), np.float32), "x"), np.array([0, 2, 2]), output="y")
    graph = helper.make_graph(g.nodes, "g", [value("x", 7, ["n"])], [value("y", 1, ["n", 2, 2])], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert counted(tmp_path, model.SerializeToString()).parameters == 20


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_a_gemm_of_any_shape(tmp_path_factory: pytest.TempPathFactory, m: int, k: int, n: int, bias: bool) -> None:
    inputs = [zeros(n, k), *([zeros(n)] if bias else [])]
    counts = operator(tmp_path_factory.mktemp("g"), "Gemm", *inputs, shape=[m, k], out=[m, n], transB=1)
    assert counts.flops == round(m * n * (2 * k + bias) / m)
    assert counts.parameters == n * k + (n if bias else 0)
