"""A canonical model as an ONNX file: the same bytes for the same architecture."""

from __future__ import annotations

from typing import Any

from msearch_experiments.canonical.architecture import GENERATOR_VERSION, Architecture
from msearch_experiments.canonical.checking import completed, plan_graph
from msearch_experiments.canonical.graph import INPUT, OUTPUT
from msearch_experiments.canonical.weights import draw

IR_VERSION = 10
OPSET = 20
"""What ONNX Runtime, OpenVINO and TensorRT of the last two years read."""


def onnx_bytes(architecture: Architecture) -> bytes:
    """The ONNX file of an architecture: float32 [batch, *input] in, float32 logits [batch, classes] out, batch free.

    Raises:
        ArchitectureError: it cannot be made; nothing was allocated.
        ModuleNotFoundError: onnx is not installed.
    """
    graph = plan_graph(architecture)
    import onnx  # noqa: PLC0415 - only who makes models needs it
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    whole = completed(architecture)
    nodes = [
        helper.make_node(operator.name, list(operator.inputs), list(operator.outputs), **operator.attributes)
        for operator in graph.operators
    ]
    proto = helper.make_graph(
        nodes,
        whole.family,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", *whole.input])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", whole.classes])],
        [numpy_helper.from_array(draw(weight, whole.seed), weight.name) for weight in graph.weights],
    )
    model: Any = helper.make_model(
        proto,
        producer_name="msearch",
        producer_version=GENERATOR_VERSION,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
