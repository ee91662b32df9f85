"""The tensors that a model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Feed = Mapping[str, NDArray[Any]]
"""Tensors by name, each with the batch on its first axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or output of a model. A dimension is its extent, the symbol of a free one, or None."""

    name: str
    element_type: str
    shape: tuple[int | str | None, ...]
