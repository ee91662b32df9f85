"""Reads ONNX files and refuses those that reach beyond themselves. Imports onnx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto

from msearch_running.errors import LoadFailed, RefusedArtifact
from msearch_running.tensors import TensorSpec

_LARGEST = (1 << 31) - 1  # protobuf's own limit

# TensorProto.DataType, in the words of the model card
ELEMENT_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64",
    TensorProto.BOOL: "bool",
    TensorProto.STRING: "string",
}


def read_model(path: Path) -> ModelProto:
    """Parses a file.

    Raises:
        LoadFailed: it is damaged or larger than 2 GiB.
        RefusedArtifact: it keeps tensors in other files, which could be any file of this host, or native code.
    """
    if path.stat().st_size > _LARGEST:
        raise LoadFailed("the ONNX file is larger than 2 GiB, the limit of its format")
    try:
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except Exception as error:  # noqa: BLE001 - a DecodeError of protobuf, which only the wire imports
        raise LoadFailed(f"the file is no readable ONNX model: {error}") from None
    if not model.graph.output:
        raise LoadFailed("the file is no ONNX model: its graph has no outputs")
    for tensor in tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise RefusedArtifact(
                f"the model keeps the tensor {tensor.name!r} in another file: save it as one file"
                " (onnx.save with save_as_external_data=False)"
            )
    if any(node.op_type == "EPContext" for graph in graphs(model) for node in graph.node):
        raise RefusedArtifact(
            "the model holds a compiled engine (EPContext), which is native code: export the graph itself"
        )
    return model


def graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The graph and those nested in its nodes."""
    pending = [model.graph]
    while pending:
        graph = pending.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                pending += [attribute.g] if attribute.type == AttributeProto.GRAPH else list(attribute.graphs)


def tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every constant: initialisers, and attributes of nodes, also of functions."""
    nodes = [node for function in model.functions for node in function.node]
    for graph in graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        nodes += graph.node
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors


def inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """What must be fed: older files list constants among the inputs."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def specs(model: ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as declared; a shape that is not declared is ().

    Raises:
        LoadFailed: the model takes or gives what is no tensor.
    """
    return tuple(map(_spec, inputs(model.graph))), tuple(map(_spec, model.graph.output))


def _spec(value: ValueInfoProto) -> TensorSpec:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or kind.elem_type not in ELEMENT_TYPES:
        raise LoadFailed(f"the model takes or gives {value.name!r}, which is no tensor of a known element type")
    return TensorSpec(
        name=value.name,
        element_type=ELEMENT_TYPES[kind.elem_type],
        shape=tuple(
            extent.dim_value if extent.HasField("dim_value") else extent.dim_param or None for extent in kind.shape.dim
        ),
    )


def fix_batch(model: ModelProto, batch: int) -> ModelProto:
    """The model with its batch fixed: the first dimension of every input, and its symbol wherever it stands.

    Inferred shapes inside are dropped, since they may repeat the free dimension under another name.
    Raises LoadFailed if an input has another fixed first dimension.
    """
    fixed = ModelProto()
    fixed.CopyFrom(model)
    symbols: set[str] = set()
    for value in inputs(fixed.graph):
        if not value.type.tensor_type.shape.dim:
            continue
        first = value.type.tensor_type.shape.dim[0]
        if first.HasField("dim_value") and first.dim_value != batch:
            raise LoadFailed(f"the input {value.name!r} has a fixed batch of {first.dim_value}, not {batch}")
        symbols.add(first.dim_param)
        first.dim_value = batch
    for value in (*fixed.graph.input, *fixed.graph.output):
        for extent in value.type.tensor_type.shape.dim:
            if extent.dim_param and extent.dim_param in symbols:
                extent.dim_value = batch
    del fixed.graph.value_info[:]
    return fixed
