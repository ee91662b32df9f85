"""Residual blocks: He et al., Deep Residual Learning for Image Recognition, 2015, section 4.2.

Batch normalisation is folded into the convolutions, as every inference runtime does. Without it each block would double
the variance; the second convolution of a block is therefore scaled by 1 / sqrt(layers) (Zhang et al., Fixup
Initialization, 2019).
"""

from __future__ import annotations

import math

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.families._convolution import convolve, pooled_classes
from msearch_experiments.canonical.families._definition import Family
from msearch_experiments.canonical.graph import INPUT, Graph

_STAGES = 3


def _build(graph: Graph, architecture: Architecture) -> str:
    channels, height, width = architecture.input
    gain = 1 / math.sqrt(architecture.layers)
    tensor = graph.add("Relu", convolve(graph, INPUT, (channels, architecture.width), (height, width)))
    channels, stage = architecture.width, 0
    for block in range(architecture.layers):
        entered = block * _STAGES // architecture.layers
        stride = 2 if entered > stage else 1
        outputs = architecture.width << entered
        inner = convolve(graph, tensor, (channels, outputs), (height, width), stride=stride)
        shortcut = tensor
        if outputs != channels:
            shortcut = convolve(graph, tensor, (channels, outputs), (height, width), kernel=1, stride=stride)
        height, width = -(-height // stride), -(-width // stride)
        inner = convolve(graph, graph.add("Relu", inner), (outputs, outputs), (height, width), gain=gain)
        tensor = graph.add("Relu", graph.add("Add", inner, shortcut))
        channels, stage = outputs, entered
    return pooled_classes(graph, tensor, channels, architecture.classes)


FAMILY = Family(
    meaning="`layers` residual blocks of two 3 × 3 convolutions in three stages, the channels `width` times 1, 2, 4",
    modality="image",
    axes=("channels", "height", "width"),
    usual_input=(3, 32, 32),
    build=_build,
)
