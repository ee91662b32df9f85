"""Encoder layers of self-attention: Vaswani et al., Attention Is All You Need, 2017, section 3.

Normalisation comes first in each branch (Xiong et al., On Layer Normalization in the Transformer Architecture, 2020),
so that deep ones stay finite without training. Each step of the series is projected to `width`; there are no positions.
"""

from __future__ import annotations

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.families._definition import Family
from msearch_experiments.canonical.graph import INPUT, Graph

_MOST_HEADS = 16
_SMALLEST_HEAD = 16
_INNER = 4  # the feed-forward layers are so many times as wide


def heads_of(width: int) -> int:
    """As many heads as a power of two up to 16 allows with at least 16 numbers each; one at least."""
    heads = 1
    while heads < _MOST_HEADS and width % (2 * heads) == 0 and width // (2 * heads) >= _SMALLEST_HEAD:
        heads *= 2
    return heads


def _build(graph: Graph, architecture: Architecture) -> str:
    steps, inputs = architecture.input
    width = architecture.width
    tensor = _project(graph, INPUT, (inputs, width), steps)
    for _ in range(architecture.layers):
        attended = _attention(graph, _normalise(graph, tensor, width), steps, width)
        tensor = graph.add("Add", tensor, attended)
        inner = _project(graph, _normalise(graph, tensor, width), (width, _INNER * width), steps)
        outer = _project(graph, graph.add("Relu", inner), (_INNER * width, width), steps)
        tensor = graph.add("Add", tensor, outer)
    mean = graph.add("ReduceMean", _normalise(graph, tensor, width), graph.integers(1), keepdims=0)
    return graph.dense(mean, width, architecture.classes)


def _attention(graph: Graph, tensor: str, steps: int, width: int) -> str:
    heads = heads_of(width)
    size = width // heads
    split = graph.integers(0, 0, heads, size)  # 0 keeps the axis, so that the batch stays free
    # The products are divided by sqrt(size) in the weights of the queries: one operator less, as runtimes fold it.
    queries, keys, values = (
        graph.add("Transpose", graph.add("Reshape", projected, split), perm=order)
        for projected, order in (
            (_project(graph, tensor, (width, width), steps, gain=size**-0.5), [0, 2, 1, 3]),
            (_project(graph, tensor, (width, width), steps), [0, 2, 3, 1]),
            (_project(graph, tensor, (width, width), steps), [0, 2, 1, 3]),
        )
    )
    scores = graph.add("MatMul", queries, keys, elements=heads * steps * steps)
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), values)
    joined = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), graph.integers(0, 0, width))
    return _project(graph, joined, (width, width), steps)


def _project(graph: Graph, tensor: str, widths: tuple[int, int], steps: int, *, gain: float = 1.0) -> str:
    inputs, outputs = widths
    # Without a rectifier in front half the variance is right.
    weights = graph.uniform(inputs, outputs, fan_in=inputs, gain=gain * 0.5**0.5)
    return graph.add("Add", graph.add("MatMul", tensor, weights, elements=steps * outputs), graph.zeros(outputs))


def _normalise(graph: Graph, tensor: str, width: int) -> str:
    return graph.add("LayerNormalization", tensor, graph.ones(width), graph.zeros(width), axis=-1, epsilon=1e-5)


FAMILY = Family(
    meaning="`layers` encoder layers of `width` with self-attention over the steps of a series, then their mean",
    modality="time_series",
    axes=("steps", "channels"),
    usual_input=(64, 32),
    build=_build,
)
