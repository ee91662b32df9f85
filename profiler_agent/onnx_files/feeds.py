"""Makes up feeds for declared inputs, where no rows are to be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.work import TensorSpec

Feed = Mapping[str, NDArray[Any]]
"""Tensors by name, each with the batch on its first axis."""

_FREE_EXTENT = 8  # of a dimension other than the batch that the model leaves free
_SMALL = 2  # integers are 0 or 1: in range for any embedding, mask or index
_WORDS = np.array(["alpha", "beta", "gamma", "delta", "42"], dtype=object)


def generated_feeds(specs: Sequence[TensorSpec], rows: int, seed: int) -> dict[str, NDArray[Any]]:
    """One feed of that many rows: floats from a standard normal, integers 0 or 1, words for strings.

    A free dimension takes 8; the same symbol the same extent. The same seed gives the same rows. The first dimension is
    the batch, whatever the model declares: a model of a fixed batch needs `rows` to be that.

    Raises:
        ValueError: an element type that nothing is made up for, such as complex numbers.
    """
    rng = np.random.default_rng(seed)
    return {spec.name: _generate(rng, spec, rows) for spec in specs}


def fit_batch(feeds: Sequence[Feed], specs: Sequence[TensorSpec]) -> list[Feed]:
    """The same rows in feeds that a model of a fixed batch takes; as they are if its batch is free.

    Rows that fill no batch are left out, unless there is none otherwise: then rows are repeated.
    """
    batch = next((spec.shape[0] for spec in specs if spec.shape), None)
    if not isinstance(batch, int) or not feeds:
        return list(feeds)
    joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
    rows = len(next(iter(joined.values())))
    if rows < batch:
        joined = {name: np.resize(array, (batch, *array.shape[1:])) for name, array in joined.items()}
    starts = range(0, max(rows, batch) - batch + 1, batch)
    return [{name: array[start : start + batch] for name, array in joined.items()} for start in starts]


def _generate(rng: np.random.Generator, spec: TensorSpec, rows: int) -> NDArray[Any]:
    shape = tuple(
        rows if axis == 0 else extent if isinstance(extent, int) else _FREE_EXTENT
        for axis, extent in enumerate(spec.shape)
    )
    kind = spec.element_type
    if kind == "string":
        return rng.choice(_WORDS, shape)
    if kind == "bool":
        return rng.random(shape) < 0.5
    if kind in ("float64", "float32", "float16"):
        return rng.standard_normal(shape).astype(kind)
    if kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        return rng.integers(0, _SMALL, shape).astype(kind)
    raise ValueError(f"no values can be made up for the input {spec.name!r} of the element type {kind}")
