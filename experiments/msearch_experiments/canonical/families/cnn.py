"""Plain convolutions."""

from __future__ import annotations

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.families._convolution import convolve, pooled_classes
from msearch_experiments.canonical.families._definition import Family
from msearch_experiments.canonical.graph import INPUT, Graph

_SMALLEST_SIDE = 4


def _build(graph: Graph, architecture: Architecture) -> str:
    channels, height, width = architecture.input
    tensor = INPUT
    for layer in range(1, architecture.layers + 1):
        tensor = convolve(graph, tensor, (channels, architecture.width), (height, width))
        tensor = graph.add("Relu", tensor)
        channels = architecture.width
        if layer % 2 == 0 and min(height, width) >= 2 * _SMALLEST_SIDE:
            tensor = graph.add("MaxPool", tensor, kernel_shape=[2, 2], strides=[2, 2])
            height, width = height // 2, width // 2
    return pooled_classes(graph, tensor, channels, architecture.classes)


FAMILY = Family(
    meaning="`layers` 3 × 3 convolutions of `width` channels with rectifiers, halved in size after every second one",
    modality="image",
    axes=("channels", "height", "width"),
    usual_input=(1, 28, 28),
    build=_build,
)
