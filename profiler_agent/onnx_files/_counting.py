"""Counts parameters and floating-point operations from declared and inferred shapes. Imports onnx."""

from __future__ import annotations

import math
from collections import Counter

import onnx.inliner
import onnx.shape_inference
from onnx import ModelProto, NodeProto, TensorProto

from profiler_agent.errors import JobError
from profiler_agent.onnx_files import _reading
from profiler_agent.onnx_files._batching import fix_batch
from profiler_agent.onnx_files._flops import CONTROL_FLOW, Shapes, UnknownShape, flops_of, is_known
from profiler_agent.onnx_files.words import Counts

_WEIGHT_TYPES = frozenset(
    {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT8,
     TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4}
)  # fmt: skip


def count(model: ModelProto, size_bytes: int) -> Counts:
    """See `onnx_files.count`."""
    operators = Counter(_name(node) for graph in _reading.graphs(model) for node in graph.node)
    flops, detail = _flops(model)
    return Counts(
        parameters=sum(
            math.prod(tensor.dims) for tensor in _reading.tensors(model) if tensor.data_type in _WEIGHT_TYPES
        ),
        flops=flops,
        flops_detail=detail,
        operators=dict(sorted(operators.items())),
        size_bytes=size_bytes,
    )


def _name(node: NodeProto) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}:{node.op_type}"


def infer_shapes(model: ModelProto) -> ModelProto:
    """With functions inlined and the types and shapes of all tensors that can be known.

    Raises what onnx raises for models that contradict themselves.
    """
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _flops(model: ModelProto) -> tuple[int | None, str]:
    batch = _fixed_batch(model)
    try:
        inferred = infer_shapes(fix_batch(model, batch))
    except (JobError, ValueError, RuntimeError, onnx.shape_inference.InferenceError) as error:
        return None, f"shapes cannot be inferred: {' '.join(str(error).split())[:300]}"
    shapes: Shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.graph.initializer}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape"):
            shapes[value.name] = tuple(d.dim_value if d.HasField("dim_value") else None for d in dims)
    total = 0
    for node in inferred.graph.node:
        if node.op_type in CONTROL_FLOW:
            return None, f"the work of {node.op_type} depends on the data"
        if not is_known(node):
            return None, f"the operations of {_name(node)} are not known"
        try:
            total += flops_of(node, shapes)
        except UnknownShape as error:
            return None, f"the shape of {error.name!r}, which {_name(node)} takes or gives, cannot be inferred"
    return round(total / batch), "from shapes at batch 1; a multiply-add is two operations"


def _fixed_batch(model: ModelProto) -> int:
    for value in _reading.inputs(model.graph):
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].HasField("dim_value"):
            return max(1, int(dims[0].dim_value))
    return 1
