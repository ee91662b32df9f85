"""Models that are loaded and can be run: one file of `runtimes` per format of artifacts."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from msearch_card import Card
from msearch_running.errors import MissingOperator
from msearch_running.tensors import Feed, TensorSpec

FORMATS = {"onnx": ("onnx", "onnxruntime"), "torch_export": ("torch",)}
"""The formats that can be run, each with the packages that it takes."""


class LoadedModel(Protocol):
    """A model ready to run on the CPU, in this process."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def has_weights(self) -> bool:
        """Whether there is a floating tensor of two or more dimensions to put noise on."""

    def run(self, feed: Feed) -> dict[str, NDArray[Any]]:
        """The outputs by name. Raises WrongOutput with the runtime's words if it fails on these rows."""

    def with_noise(self, eta: float, seed: int) -> LoadedModel:
        """The same model with noise on its weights, drawn by the seed; see `noise`."""


def load_model(card: Card, artifact: Path, *, threads: int = 1) -> LoadedModel:
    """Opens the artifact as its card says. Nothing in it is executed but the operators of its graph.

    Raises:
        RuntimeMissing: the runtime for its format is not installed; the message says how to install it.
        RefusedArtifact: it holds what could run code or reach other files.
        LoadFailed: it is damaged, or needs what the runtime lacks.
    """
    name = card.artifact.format
    if name not in FORMATS:
        raise MissingOperator(f"{card.identity} has no artifact that can be run: its format is {name}")
    loaded: LoadedModel = importlib.import_module(f"msearch_running.runtimes.{name}").load(artifact, threads=threads)
    return loaded


def available_formats() -> tuple[str, ...]:
    """The formats whose packages are installed here; nothing is imported to find out."""
    return tuple(name for name, packages in FORMATS.items() if all(map(find_spec, packages)))


def fixed_batch(model: LoadedModel) -> int | None:
    """The number of rows that every call must have, None where it is free."""
    return next((spec.shape[0] for spec in model.inputs if spec.shape and isinstance(spec.shape[0], int)), None)
