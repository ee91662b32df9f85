"""Fully connected layers."""

from __future__ import annotations

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.families._definition import Family
from msearch_experiments.canonical.graph import INPUT, Graph


def _build(graph: Graph, architecture: Architecture) -> str:
    tensor, inputs = INPUT, architecture.input[0]
    for _ in range(architecture.layers):
        tensor = graph.add("Relu", graph.dense(tensor, inputs, architecture.width))
        inputs = architecture.width
    return graph.dense(tensor, inputs, architecture.classes)


FAMILY = Family(
    meaning="`layers` fully connected layers of `width` neurons with rectifiers, then the classes",
    modality="embedding",
    axes=("length",),
    usual_input=(784,),
    build=_build,
)
