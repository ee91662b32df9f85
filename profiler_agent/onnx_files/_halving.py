"""Rewrites a model into bf16 or fp16 by types in the file, as strongly typed runtimes want it. Imports onnx.

Constants and whatever an operator's schema allows become half; the rest stays float32 between casts. Inputs and outputs
of the model keep their types. Where the schemas of the model's operator set know no bfloat16 the model is first brought
to set 22, the first in which convolutions and pooling do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx.defs
import onnx.shape_inference
import onnx.version_converter
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.defs import SchemaError
from onnx.shape_inference import InferenceError
from onnx.version_converter import ConvertError

from msearch_running.onnx_counting import infer_shapes
from msearch_running.onnx_flops import CONTROL_FLOW
from profiler_agent.errors import CompileFailed, UnsupportedOperator
from profiler_agent.onnx_files import _reading
from profiler_agent.work import Precision

_HALVES = {
    Precision.BF16: (TensorProto.BFLOAT16, "tensor(bfloat16)", 22),
    Precision.FP16: (TensorProto.FLOAT16, "tensor(float16)", 13),
}
_LARGEST_FP16 = 65504.0
_LARGEST_BF16 = 3.3895314e38
# Scales of quantised tensors, and sums that outgrow a short mantissa.
_KEPT = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "Range", "CumSum",
     "EyeLike", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)  # fmt: skip


def halve(model: ModelProto, precision: Precision) -> ModelProto:
    """See `onnx_files.write_half`."""
    element_type, word, least_opset = _HALVES[precision]
    if found := sorted({node.op_type for node in model.graph.node} & CONTROL_FLOW):
        raise UnsupportedOperator(f"models with {found[0]} are not converted to {precision}")
    try:
        if _reading.opset(model) < least_opset:
            model = onnx.version_converter.convert_version(model, least_opset)
        typed = infer_shapes(model)
        return _Halving(typed, element_type, word).result()
    except (ValueError, RuntimeError, InferenceError, ConvertError, SchemaError) as error:
        raise CompileFailed(f"the model cannot be converted to {precision}: {' '.join(str(error).split())}") from None


class _Halving:
    """One conversion: `_half` tensors are half under their own name, all other float32 ones are as they were."""

    def __init__(self, model: ModelProto, element_type: int, word: str) -> None:
        self._model = model
        self._type = element_type
        self._word = word
        self._opset = _reading.opset(model)
        graph = model.graph
        self._floats = {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
        for value in (*graph.input, *graph.value_info, *graph.output):
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                self._floats.add(value.name)
        self._constants = {tensor.name: tensor for tensor in graph.initializer if tensor.name in self._floats}
        self._outputs = {value.name for value in graph.output}
        self._half: set[str] = set()
        self._nodes: list[NodeProto] = []
        self._added: dict[str, TensorProto] = {}
        self._casts: set[str] = set()
        self._used: set[str] = set()

    def result(self) -> ModelProto:
        """The converted model, its types checked."""
        graph = self._model.graph
        for node in graph.node:
            self._convert(node)
        for name in self._outputs & self._constants.keys():
            self._used.add(name)
        constants = [
            tensor for tensor in graph.initializer if tensor.name not in self._constants or tensor.name in self._used
        ]
        inputs = [value for value in graph.input if value.name not in self._constants]
        made = helper.make_graph(
            self._nodes, graph.name or "graph", inputs, list(graph.output), [*constants, *self._added.values()]
        )
        model = helper.make_model(
            made, opset_imports=list(self._model.opset_import), ir_version=max(self._model.ir_version, 8)
        )
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        return model

    def _convert(self, node: NodeProto) -> None:
        node = _copy(node)
        if node.op_type == "Constant" and node.output[0] in self._floats:
            self._constants[node.output[0]] = _constant(node)
            return
        taken, given = self._halved_ends(node)
        for index, name in enumerate(node.input):
            if name in self._floats:
                node.input[index] = self._as_half(name) if taken[index] else self._as_float(name)
        if node.op_type == "Cast" and given[0]:
            _set_attribute(node, "to", self._type)
        elif node.op_type == "ConstantOfShape" and given[0]:
            value = next((a.t for a in node.attribute if a.name == "value"), None)
            array = numpy_helper.to_array(value) if value is not None else np.zeros(1, np.float32)
            _set_attribute(node, "value", self._tensor("", array))
        self._nodes.append(node)
        for index, name in enumerate(node.output):
            if not given[index]:
                continue
            if name in self._outputs:
                node.output[index] = f"{name}__half"
                self._nodes.append(helper.make_node("Cast", [f"{name}__half"], [name], to=TensorProto.FLOAT))
                self._casts.add(f"{name}__half")
            else:
                self._half.add(name)

    def _halved_ends(self, node: NodeProto) -> tuple[list[bool], list[bool]]:
        """Which inputs and outputs become half: float32 ones for which the schema allows it."""
        if node.op_type in _KEPT or node.domain not in ("", "ai.onnx"):
            return [False] * len(node.input), [False] * len(node.output)
        schema = onnx.defs.get_schema(node.op_type, self._opset, "")
        return self._allowed(node.input, schema.inputs), self._allowed(node.output, schema.outputs)

    def _allowed(self, names: Iterable[str], parameters: Sequence[onnx.defs.OpSchema.FormalParameter]) -> list[bool]:
        last = len(parameters) - 1  # the last one may be variadic
        return [
            name in self._floats and self._word in parameters[min(index, last)].types
            for index, name in enumerate(names)
        ]

    def _as_half(self, name: str) -> str:
        if name in self._half:
            return name
        half = f"{name}__half"
        if name in self._constants:
            if half not in self._added:
                self._added[half] = self._tensor(half, numpy_helper.to_array(self._constants[name]))
        elif half not in self._casts:
            self._casts.add(half)
            self._nodes.append(helper.make_node("Cast", [name], [half], to=self._type))
        return half

    def _as_float(self, name: str) -> str:
        if name in self._constants:
            if not any(name == tensor.name for tensor in self._model.graph.initializer):
                self._added[name] = self._constants[name]
            self._used.add(name)
            return name
        if name not in self._half:
            return name
        full = f"{name}__float"
        if full not in self._casts:
            self._casts.add(full)
            self._nodes.append(helper.make_node("Cast", [name], [full], to=TensorProto.FLOAT))
        return full

    def _tensor(self, name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> TensorProto:
        largest = _LARGEST_FP16 if self._type == TensorProto.FLOAT16 else _LARGEST_BF16
        finite = np.where(np.isfinite(values), np.clip(values, -largest, largest), values)
        half = finite.astype(helper.tensor_dtype_to_np_dtype(self._type))
        return numpy_helper.from_array(half, name)


def _copy(node: NodeProto) -> NodeProto:
    copied = NodeProto()
    copied.CopyFrom(node)
    return copied


def _constant(node: NodeProto) -> TensorProto:
    """The value of a Constant as a tensor of the name of its output."""
    attribute = node.attribute[0]
    value = helper.get_attribute_value(attribute)
    array = numpy_helper.to_array(value) if attribute.name == "value" else np.array(value, np.float32)
    return numpy_helper.from_array(array, node.output[0])


def _set_attribute(node: NodeProto, name: str, value: object) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
