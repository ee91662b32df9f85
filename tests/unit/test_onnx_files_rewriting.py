"""Models rewritten into half precisions and int8: typed as asked, still sound, and near the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from profiler_agent.errors import CompileFailed, UnsupportedOperator
from profiler_agent.onnx_files import count, read_specs, write_half, write_int8_dynamic, write_int8_static
from profiler_agent.work import Precision
from tests.compiled_models import EXAMPLES, Graph, reference

value = helper.make_tensor_value_info
HALVES = {Precision.BF16: TensorProto.BFLOAT16, Precision.FP16: TensorProto.FLOAT16}


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    return path


def on_cpu(path: Path, feed: Any) -> np.ndarray:
    output: np.ndarray = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)[0]
    return output


def error(given: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(given - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("precision", list(HALVES))
@pytest.mark.parametrize("name", list(EXAMPLES))
def test_halves(name: str, precision: Precision, tmp_path: Path) -> None:
    source, target = written(tmp_path, EXAMPLES[name].onnx()), tmp_path / "half.onnx"
    write_half(source, target, precision)
    model = onnx.load(target)
    onnx.checker.check_model(model, full_check=True)
    assert read_specs(target) == read_specs(source)
    assert {tensor.data_type for tensor in model.graph.initializer} <= {HALVES[precision], TensorProto.INT64}
    assert target.stat().st_size < 0.7 * source.stat().st_size
    casts = count(target).operators["Cast"] - count(source).operators.get("Cast", 0)
    assert casts <= 2  # on the way in and out
    feed = EXAMPLES[name].feed(16)
    wanted = reference(name, feed)
    assert error(ReferenceEvaluator(model).run(None, feed)[0], wanted) < (4e-2 if precision is Precision.BF16 else 5e-3)
    if precision is Precision.FP16:  # ONNX Runtime has no bf16 operators on the CPU
        assert error(on_cpu(target, feed), wanted) < 5e-3


def odd_model() -> bytes:
    """Constants in nodes, a cast to float, an input that must stay float32, a float32 operator, a shared constant."""
    g = Graph()
    scale = g.constant(np.float32([1, 1, 2, 2]))
    g.nodes.append(helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.float32(2))))
    g.nodes.append(helper.make_node("Constant", [], ["three"], value_float=3.0))
    large = g.add("Resize", "x", "", scale, mode="nearest")
    whole = g.add("Cast", g.add("Cast", large, to=TensorProto.INT64), to=TensorProto.FLOAT)
    total = g.add("CumSum", g.add("Mul", g.add("Add", whole, "three"), "two"), np.array(3))
    filled = g.add("ConstantOfShape", g.add("Shape", large), value=numpy_helper.from_array(np.float32([0.5])))
    g.add("Identity", g.add("Add", total, filled), output="y")
    g.add("Identity", "three", output="constant")
    graph = helper.make_graph(
        g.nodes, "g", [value("x", 1, ["n", 1, 2, 2])], [value("y", 1, ["n", 1, 4, 4]), value("constant", 1, [])],
        g.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


@pytest.mark.parametrize("precision", list(HALVES))
def test_what_cannot_be_half_stays_between_casts(precision: Precision, tmp_path: Path) -> None:
    source, target = written(tmp_path, odd_model()), tmp_path / "half.onnx"
    write_half(source, target, precision)
    model = onnx.load(target)
    onnx.checker.check_model(model, full_check=True)
    feed = {"x": np.float32([[[[1, 2], [3, 4]]]])}
    wanted = ReferenceEvaluator(str(source)).run(None, feed)
    given = ReferenceEvaluator(model).run(None, feed)
    for one, other in zip(given, wanted, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-2)
    typed = onnx.shape_inference.infer_shapes(model)
    types = {info.name: info.type.tensor_type.elem_type for info in typed.graph.value_info}
    summed = next(node for node in typed.graph.node if node.op_type == "CumSum")
    assert types[summed.input[0]] == types[summed.output[0]] == TensorProto.FLOAT
    product = next(node for node in typed.graph.node if node.op_type == "Mul")
    assert types[product.output[0]] == HALVES[precision]


def test_values_beyond_a_half_are_clipped_and_infinities_kept(tmp_path: Path) -> None:
    g = Graph()
    g.add("Min", "x", np.float32([1e9, np.inf, -1e9]), output="y")
    target = tmp_path / "half.onnx"
    write_half(written(tmp_path, g.model({"x": ("float32", ["n", 3])}, {"y": ["n", 3]})), target, Precision.FP16)
    constant = numpy_helper.to_array(onnx.load(target).graph.initializer[0])
    np.testing.assert_array_equal(constant, np.float16([65504, np.inf, -65504]))


def test_control_flow_is_not_converted(tmp_path: Path) -> None:
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "b", [], [value("r", 1, [1])])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "g", [value("x", 1, [1]), value("c", 9, [])], [value("y", 1, [1])])
    source = written(tmp_path, helper.make_model(graph, ir_version=10).SerializeToString())
    with pytest.raises(UnsupportedOperator, match="models with If are not converted to bf16"):
        write_half(source, tmp_path / "half.onnx", Precision.BF16)


def test_contradictory_types_are_a_failure(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["x", "i"], ["y"])
    graph = helper.make_graph([node], "g", [value("x", 1, [1]), value("i", 7, [1])], [value("y", 1, [1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    source = written(tmp_path, model.SerializeToString())
    with pytest.raises(CompileFailed, match="cannot be converted to fp16"):
        write_half(source, tmp_path / "half.onnx", Precision.FP16)


def calibration(name: str) -> list[Any]:
    return [EXAMPLES[name].feed(32, seed) for seed in range(3)]


def agreement(given: np.ndarray, wanted: np.ndarray) -> None:
    noise = np.square(given - wanted).sum()
    assert noise > 0
    assert 10 * np.log10(np.square(wanted).sum() / noise) > 20
    assert np.mean(given.argmax(1) == wanted.argmax(1)) > 0.9


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_int8_dynamic(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, target = written(tmp_path, EXAMPLES[name].onnx()), tmp_path / "int8.onnx"
    write_int8_dynamic(source, target)
    operators = count(target).operators
    assert operators["MatMulInteger"] >= 1
    assert operators.get("Conv", 0) == count(source).operators.get("Conv", 0)  # slower quantised as they come
    feed = EXAMPLES[name].feed(64)
    agreement(on_cpu(target, feed), reference(name, feed))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("name", list(EXAMPLES))
def test_int8_static(name: str, symmetric: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, target = written(tmp_path, EXAMPLES[name].onnx()), tmp_path / "int8.onnx"
    write_int8_static(source, target, calibration(name), symmetric=symmetric)
    graph = onnx.load(target).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    points = [constants[node.input[2]] for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    if symmetric:  # what TensorRT takes
        assert {tensor.data_type for tensor in points} == {TensorProto.INT8}
        assert not any(numpy_helper.to_array(tensor).any() for tensor in points)
    else:
        activations = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
        assert {tensor.data_type for tensor in activations} == {TensorProto.UINT8}
    feed = EXAMPLES[name].feed(64)
    agreement(on_cpu(target, feed), reference(name, feed))
    assert capfd.readouterr() == ("", "")


def test_there_must_be_something_to_quantise_and_to_calibrate_on(tmp_path: Path) -> None:
    g = Graph()
    g.add("Erf", "x", output="y")
    source = written(tmp_path, g.model({"x": ("float32", ["n", 2])}, {"y": ["n", 2]}))
    with pytest.raises(CompileFailed, match="nothing to quantise dynamically"):
        write_int8_dynamic(source, tmp_path / "int8.onnx")
    with pytest.raises(CompileFailed, match="no operator that can be quantised"):
        write_int8_static(source, tmp_path / "int8.onnx", [{"x": np.ones((2, 2), np.float32)}])
    with pytest.raises(CompileFailed, match="to calibrate on, and there are none"):
        write_int8_static(source, tmp_path / "int8.onnx", [])
    source.write_bytes(b"nonsense")
    for write in (lambda: write_int8_dynamic(source, source), lambda: write_int8_static(source, source, [{}])):
        with pytest.raises(CompileFailed, match=r"no readable ONNX model|no outputs"):
            write()
