"""What the families for images share."""

from __future__ import annotations

from msearch_experiments.canonical.graph import Graph


def convolve(
    graph: Graph,
    tensor: str,
    channels: tuple[int, int],
    size: tuple[int, int],
    *,
    kernel: int = 3,
    stride: int = 1,
    gain: float = 1.0,
) -> str:
    """A convolution with a square kernel that keeps the size, or divides it by `stride` and rounds up.

    `channels` of its input and of its output; `size` is height and width of its input.
    """
    (inputs, outputs), (height, width) = channels, size
    weights = graph.uniform(outputs, inputs, kernel, kernel, fan_in=inputs * kernel * kernel, gain=gain)
    return graph.add(
        "Conv",
        tensor,
        weights,
        graph.zeros(outputs),
        elements=outputs * -(-height // stride) * -(-width // stride),
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[kernel // 2] * 4,
    )


def pooled_classes(graph: Graph, tensor: str, channels: int, classes: int) -> str:
    """The mean over all places, and a fully connected layer to the classes."""
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", tensor), axis=1)
    return graph.dense(pooled, channels, classes)
