"""Counts parameters and floating-point operations from declared and inferred shapes. Imports onnx."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import onnx.helper
import onnx.inliner
import onnx.shape_inference
from onnx import ModelProto, NodeProto, TensorProto

from msearch_running import onnx_files
from msearch_running.counts import Counts
from msearch_running.errors import RunError
from msearch_running.onnx_flops import CONTROL_FLOW, Shapes, UnknownShape, flops_of, is_known

_WEIGHT_TYPES = frozenset(
    {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT8,
     TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4}
)  # fmt: skip


_VIEWS = frozenset(
    {"Constant", "Dropout", "Flatten", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze"}
)  # fmt: skip


def count(model: ModelProto, size_bytes: int) -> Counts:
    """Parameters, operators, and FLOPs and activations of one sample, as far as they can be said."""
    operators = Counter(_name(node) for graph in onnx_files.graphs(model) for node in graph.node)
    flops, activation_bytes, detail = _of_a_sample(model)
    return Counts(
        parameters=sum(
            math.prod(tensor.dims) for tensor in onnx_files.tensors(model) if tensor.data_type in _WEIGHT_TYPES
        ),
        flops=flops,
        flops_detail=detail,
        activation_bytes=activation_bytes,
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


def _of_a_sample(model: ModelProto) -> tuple[int | None, int | None, str]:
    """FLOPs and bytes of activations of one sample, None where they cannot be said; and what to know of the FLOPs."""
    batch = _fixed_batch(model)
    try:
        inferred = infer_shapes(onnx_files.fix_batch(model, batch))
    except (RunError, ValueError, RuntimeError, onnx.shape_inference.InferenceError) as error:
        return None, None, f"shapes cannot be inferred: {' '.join(str(error).split())[:300]}"
    shapes: Shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.graph.initializer}
    item_bytes: dict[str, int] = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            shapes[value.name] = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
            item_bytes[value.name] = _item_bytes(kind.elem_type)
    flops, detail = _flops(inferred, shapes)
    written = _written_bytes(inferred, shapes, item_bytes)
    return (
        None if flops is None else round(flops / batch),
        None if written is None else round(written / batch),
        detail,
    )


def _flops(inferred: ModelProto, shapes: Shapes) -> tuple[int | None, str]:
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
    return total, "from shapes at batch 1; a multiply-add is two operations"


def _written_bytes(inferred: ModelProto, shapes: Shapes, item_bytes: Mapping[str, int]) -> int | None:
    """Bytes of all tensors that nodes write; None if the shape of one is not known. Views write nothing."""
    total = 0
    for node in inferred.graph.node:
        if node.op_type in _VIEWS:
            continue
        for name in filter(None, node.output):
            extents = [extent for extent in shapes.get(name, (None,)) if extent is not None]
            if len(extents) != len(shapes.get(name, (None,))):
                return None
            total += math.prod(extents) * item_bytes.get(name, 4)
    return total


def _item_bytes(element_type: int) -> int:
    try:
        return int(onnx.helper.tensor_dtype_to_np_dtype(element_type).itemsize)
    except (KeyError, TypeError, ValueError):
        return 4


def _fixed_batch(model: ModelProto) -> int:
    for value in onnx_files.inputs(model.graph):
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].HasField("dim_value"):
            return max(1, int(dims[0].dim_value))
    return 1
