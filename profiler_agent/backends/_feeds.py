"""Holds a feed against the declared inputs of a compiled model, and makes small ones."""

from __future__ import annotations

from collections.abc import Sequence

from profiler_agent.backends.base import Feed
from profiler_agent.work import TensorSpec

_KINDS = {"string": "OSUT", "bool": "b"}  # kinds of numpy types; numbers by name


def check_feed(feed: Feed, inputs: Sequence[TensorSpec]) -> None:
    """Raises ValueError that names the tensor, what is wrong with it and what is expected.

    A runtime would say it in other words, or convert silently. Symbols must take one extent throughout a feed.
    """
    if feed.keys() != {spec.name for spec in inputs}:
        missing = [spec.name for spec in inputs if spec.name not in feed]
        unknown = sorted(feed.keys() - {spec.name for spec in inputs})
        said = [f"{what} {', '.join(map(repr, names))}" for what, names in
                (("lacks the input", missing), ("has the unknown", unknown)) if names]  # fmt: skip
        raise ValueError(f"the feed {' and '.join(said)}; the model takes {', '.join(map(describe, inputs))}")
    extents: dict[str, int] = {}
    for spec in inputs:
        array = feed[spec.name]
        if not (array.dtype.name == spec.element_type or array.dtype.kind in _KINDS.get(spec.element_type, "")):
            raise ValueError(f"the input {spec.name!r} is {array.dtype.name}, but the model takes {describe(spec)}")
        fits = array.ndim == len(spec.shape) and all(
            declared is None
            or (extents.setdefault(declared, found) if isinstance(declared, str) else declared) == found
            for declared, found in zip(spec.shape, array.shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"the input {spec.name!r} has the shape {list(array.shape)}, but the model takes {describe(spec)}"
            )


def describe(spec: TensorSpec) -> str:
    """E.g. "'image' float32 [batch, 3, 32, 32]"."""
    shape = ", ".join("?" if extent is None else str(extent) for extent in spec.shape)
    return f"{spec.name!r} {spec.element_type} [{shape}]"


def check_batch(inputs: Sequence[TensorSpec], batch_size: int) -> str:
    """Why a model with these inputs cannot take batches of that size; empty if it can."""
    for spec in inputs:
        if spec.shape and isinstance(spec.shape[0], int) and spec.shape[0] != batch_size:
            return (
                f"the model takes {describe(spec)}, a fixed batch of {spec.shape[0]}, not {batch_size}: export it with"
                " a free first dimension, or ask for that batch"
            )
    return ""
