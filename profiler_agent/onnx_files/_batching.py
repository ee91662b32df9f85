"""Fixes the free dimensions of a model. Imports onnx."""

from __future__ import annotations

from onnx import ModelProto

from profiler_agent.errors import CompileFailed
from profiler_agent.onnx_files import _reading


def fix_batch(model: ModelProto, batch: int) -> ModelProto:
    """The model with its batch fixed: the first dimension of every input, and its symbol wherever it stands.

    Inferred shapes inside are dropped, since they may repeat the free dimension under another name.
    Raises CompileFailed if an input has another fixed first dimension.
    """
    fixed = ModelProto()
    fixed.CopyFrom(model)
    symbols: set[str] = set()
    for value in _reading.inputs(fixed.graph):
        if not value.type.tensor_type.shape.dim:
            continue
        first = value.type.tensor_type.shape.dim[0]
        if first.HasField("dim_value") and first.dim_value != batch:
            raise CompileFailed(f"the input {value.name!r} has a fixed batch of {first.dim_value}, not {batch}")
        symbols.add(first.dim_param)
        first.dim_value = batch
    for value in (*fixed.graph.input, *fixed.graph.output):
        for extent in value.type.tensor_type.shape.dim:
            if extent.dim_param and extent.dim_param in symbols:
                extent.dim_value = batch
    del fixed.graph.value_info[:]
    return fixed
