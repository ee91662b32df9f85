"""What a family of canonical models is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family.

    `axes` name those of a row; `usual_input` is its shape where a file does not say. `build` adds everything from the
    graph's input to [batch, classes] and gives the name of that tensor; it may rely on the shape's length.
    """

    meaning: str
    modality: Literal["embedding", "image", "time_series"]
    axes: tuple[str, ...]
    usual_input: tuple[int, ...]
    build: Callable[[Graph, Architecture], str]
