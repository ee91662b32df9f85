"""ONNX files (github.com/onnx/onnx, onnx.proto): inputs, outputs, opset; tensors are measured but not read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from search_service.artifacts.base import Content, Inspection, UnreadableArtifact
from search_service.artifacts.onnx_tensors import ELEMENT_TYPES, read_tensor
from search_service.artifacts.wire_format import SPAN, VARINT, Span, WireReader
from search_service.domain.catalog import Tensor

_DEEPEST = 32
_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_STANDARD_DOMAINS = ("", "ai.onnx")


def read(content: Content) -> Inspection:
    """Reads the file in place: a few bytes around each tensor, whatever the size of the weights.

    Raises:
        UnreadableArtifact: it is truncated or malformed, keeps data in external files, a tensor is larger or smaller
            than it says, or nothing computes an output.
    """
    reader = WireReader(content)
    ir_version = opset = None
    graph: _Graph | None = None
    has_opsets = False
    for number, kind, value, span in reader.fields(reader.whole):
        if number not in _MODEL_FIELDS:
            raise UnreadableArtifact(f"is not an ONNX model: it has the field {number}, which ONNX does not know")
        if number == 1 and kind == VARINT:
            ir_version = value
        elif number == 7 and kind == SPAN:
            if graph is not None:  # protobuf would merge the two, and a reader see what was not checked here
                raise UnreadableArtifact("is malformed: it has more than one graph")
            graph = _read_graph(reader, span)
        elif number == 8 and kind == SPAN:
            has_opsets = True
            domain, version = _read_opset(reader, span)
            opset = version if domain in _STANDARD_DOMAINS else opset
        elif number == 25 and kind == SPAN:
            _check_function(reader, span)
    if ir_version is None or graph is None:
        raise UnreadableArtifact("is not an ONNX model: it has no " + ("graph" if ir_version else "IR version"))
    if not has_opsets:
        raise UnreadableArtifact("is truncated: it does not say which operator set it uses")
    return _inspect(graph, opset)


@dataclass(slots=True)
class _Graph:
    inputs: list[tuple[Tensor, bool]] = field(default_factory=list)
    outputs: list[tuple[Tensor, bool]] = field(default_factory=list)
    initialisers: set[str] = field(default_factory=set)
    computed: set[str] = field(default_factory=set)
    parameters: int = 0


def _inspect(graph: _Graph, opset: int | None) -> Inspection:
    inputs = [(tensor, ranked) for tensor, ranked in graph.inputs if tensor.name not in graph.initialisers]
    if not graph.outputs:
        raise UnreadableArtifact("has a graph without outputs")
    known = graph.computed | graph.initialisers | {tensor.name for tensor, _ in inputs}
    for tensor, _ in graph.outputs:
        if tensor.name not in known:
            raise UnreadableArtifact(f"has the output {tensor.name!r}, which nothing in its graph computes")
    return Inspection(
        inputs=tuple(tensor for tensor, _ in inputs),
        outputs=tuple(tensor for tensor, _ in graph.outputs),
        unranked=frozenset(tensor.name for tensor, ranked in [*inputs, *graph.outputs] if not ranked),
        opset=opset,
        parameters=graph.parameters,
    )


def _read_graph(reader: WireReader, span: Span, depth: int = 0) -> _Graph:
    if depth > _DEEPEST:
        raise UnreadableArtifact(f"has graphs nested more than {_DEEPEST} deep")
    graph = _Graph()
    for number, kind, _, part in reader.fields(span):
        if kind != SPAN:
            continue
        if number == 1:
            graph.computed.update(_read_node(reader, part, depth))
        elif number in (5, 15):
            name, count = read_tensor(reader, part) if number == 5 else _read_sparse(reader, part)
            graph.initialisers.add(name)
            graph.parameters += count
        elif number in (11, 12):
            (graph.inputs if number == 11 else graph.outputs).append(_read_value(reader, part))
    return graph


def _read_node(reader: WireReader, span: Span, depth: int) -> Iterator[str]:
    """Yields what the node computes, and checks the tensors and graphs among its attributes."""
    for number, kind, _, part in reader.fields(span):
        if number == 2 and kind == SPAN:
            yield reader.text(part)
        elif number == 5 and kind == SPAN:
            _check_attribute(reader, part, depth)


def _check_attribute(reader: WireReader, span: Span, depth: int) -> None:
    for number, kind, _, part in reader.fields(span):
        if kind != SPAN:
            continue
        if number in (5, 10):
            read_tensor(reader, part)
        elif number in (22, 23):
            _read_sparse(reader, part)
        elif number in (6, 11):
            _read_graph(reader, part, depth + 1)


def _check_function(reader: WireReader, span: Span) -> None:
    for number, kind, _, part in reader.fields(span):
        if number == 7 and kind == SPAN:
            for _ in _read_node(reader, part, 1):
                pass


def _read_sparse(reader: WireReader, span: Span) -> tuple[str, int]:
    name, parameters = "", 0
    for number, kind, _, part in reader.fields(span):
        if number in (1, 2) and kind == SPAN:
            found, count = read_tensor(reader, part)
            if number == 1:
                name, parameters = found, count
    return name, parameters


def _read_opset(reader: WireReader, span: Span) -> tuple[str, int]:
    domain, version = "", 0
    for number, kind, value, part in reader.fields(span):
        if number == 1 and kind == SPAN:
            domain = reader.text(part)
        elif number == 2 and kind == VARINT:
            version = value
    return domain, version


def _read_value(reader: WireReader, span: Span) -> tuple[Tensor, bool]:
    """An input or output, and whether its shape is declared."""
    name, element_type = "", "undefined"
    shape: tuple[int | str | None, ...] | None = None
    for number, kind, _, part in reader.fields(span):
        if number == 1 and kind == SPAN:
            name = reader.text(part)
        elif number == 2 and kind == SPAN:
            element_type, shape = _read_type(reader, part)
    if not name:
        raise UnreadableArtifact("has an input or output without a name")
    return Tensor(name=name, element_type=element_type, shape=shape or ()), shape is not None


def _read_type(reader: WireReader, span: Span) -> tuple[str, tuple[int | str | None, ...] | None]:
    for number, kind, _, part in reader.fields(span):
        if number == 1 and kind == SPAN:
            return _read_tensor_type(reader, part)
        if number in _OTHER_TYPES:
            return _OTHER_TYPES[number], None
    return "undefined", None


_OTHER_TYPES = {4: "sequence", 5: "map", 7: "opaque", 8: "sparse_tensor", 9: "optional"}


def _read_tensor_type(reader: WireReader, span: Span) -> tuple[str, tuple[int | str | None, ...] | None]:
    element_type, shape = "undefined", None
    for number, kind, value, part in reader.fields(span):
        if number == 1 and kind == VARINT:
            element_type = ELEMENT_TYPES[value].name if value in ELEMENT_TYPES else f"type {value}"
        elif number == 2 and kind == SPAN:
            shape = tuple(_read_dimension(reader, each) for key, _, _, each in reader.fields(part) if key == 1)
    return element_type, shape


def _read_dimension(reader: WireReader, span: Span) -> int | str | None:
    for number, kind, value, part in reader.fields(span):
        if number == 1 and kind == VARINT:
            # Some exporters write -1 or 0 for a free dimension.
            return value if 0 < value < 1 << 63 else None
        if number == 2 and kind == SPAN:
            return reader.text(part) or None
    return None
