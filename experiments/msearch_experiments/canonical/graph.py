"""A network under construction: operators, and weights of which only the shapes exist yet.

So the size of a model is known, exactly and from the same code that makes it, before anything is allocated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

INPUT = "input"
OUTPUT = "logits"

Kind = Literal["uniform", "zeros", "ones", "shape"]


@dataclass(frozen=True, slots=True)
class Weight:
    """A constant of the graph. `bound`: uniform weights lie within plus or minus it. `values`: those of a "shape"."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    bound: float = 0.0
    values: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Operator:
    """A node: operator, names of its inputs ("" for one that is left out), names of its outputs, attributes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(slots=True)
class Graph:
    """Nodes in order. `largest_activation` counts the numbers of the largest tensor that one row brings about."""

    operators: list[Operator] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    largest_activation: int = 0

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return sum(weight.elements for weight in self.weights if weight.kind != "shape")

    def add(self, name: str, *inputs: str, outputs: int = 1, elements: int = 0, **attributes: Any) -> str:
        """Adds an operator and gives the name of its last output; earlier ones of several are dropped.

        `elements` is the size of the output for one row, where it may be the largest.
        """
        number = len(self.operators)
        names = ("",) * (outputs - 1) + (f"t{number}",)
        self.operators.append(Operator(name, inputs, names, attributes))
        self.largest_activation = max(self.largest_activation, elements)
        return names[-1]

    def uniform(self, *shape: int, fan_in: int, gain: float = 1.0) -> str:
        """Weights that keep the variance of what they take in, behind a rectifier.

        The bound is gain × sqrt(6 / fan_in): He et al., Delving Deep into Rectifiers, 2015, equation 10.
        """
        return self._weight(Weight(f"w{len(self.weights)}", shape, "uniform", gain * math.sqrt(6 / fan_in)))

    def zeros(self, *shape: int) -> str:
        """A bias."""
        return self._weight(Weight(f"w{len(self.weights)}", shape, "zeros"))

    def ones(self, *shape: int) -> str:
        """A scale."""
        return self._weight(Weight(f"w{len(self.weights)}", shape, "ones"))

    def integers(self, *values: int) -> str:
        """Whole numbers that say how a tensor is shaped; no parameters."""
        return self._weight(Weight(f"w{len(self.weights)}", (len(values),), "shape", values=values))

    def name_output(self, tensor: str) -> None:
        """Makes the last operator's output, which is `tensor`, that of the network."""
        last = self.operators[-1]
        if last.outputs[-1] != tensor:
            raise ValueError(f"{tensor} is not what the last operator gives")
        self.operators[-1] = replace(last, outputs=(*last.outputs[:-1], OUTPUT))

    def dense(self, tensor: str, inputs: int, outputs: int) -> str:
        """A fully connected layer over [batch, inputs]."""
        weights, bias = self.uniform(inputs, outputs, fan_in=inputs), self.zeros(outputs)
        return self.add("Gemm", tensor, weights, bias, elements=outputs)

    def _weight(self, weight: Weight) -> str:
        self.weights.append(weight)
        return weight.name
