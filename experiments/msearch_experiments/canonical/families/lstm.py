"""Recurrent layers with long short-term memory."""

from __future__ import annotations

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.families._definition import Family
from msearch_experiments.canonical.graph import INPUT, Graph

_GATES = 4


def _build(graph: Graph, architecture: Architecture) -> str:
    steps, inputs = architecture.input
    hidden = architecture.width
    tensor = graph.add("Transpose", INPUT, perm=[1, 0, 2])  # the operator wants steps first
    for layer in range(architecture.layers):
        last = layer == architecture.layers - 1
        weights = graph.uniform(1, _GATES * hidden, inputs, fan_in=inputs, gain=2.0)
        recurrent = graph.uniform(1, _GATES * hidden, hidden, fan_in=hidden, gain=0.5)
        bias = graph.zeros(1, 2 * _GATES * hidden)
        # The outputs are the states of all steps [steps, 1, batch, hidden] and the last one [1, batch, hidden].
        states = graph.add(
            "LSTM",
            tensor,
            weights,
            recurrent,
            bias,
            outputs=2 if last else 1,
            elements=steps * _GATES * hidden,
            hidden_size=hidden,
        )
        tensor = graph.add("Squeeze", states, graph.integers(0 if last else 1))
        inputs = hidden
    return graph.dense(tensor, hidden, architecture.classes)


FAMILY = Family(
    meaning="`layers` LSTM layers of `width` cells over the steps of a series, then the classes from the last step",
    modality="time_series",
    axes=("steps", "channels"),
    usual_input=(32, 16),
    build=_build,
)
