"""Models that are loaded and can be run: one file of `runtimes` per format of artifacts, named as the card names it.

Such a file has `PACKAGES`, what must be installed, and `load(artifact, threads=...)`, which imports it.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from msearch_card import Card
from msearch_running import runtimes
from msearch_running.errors import MissingOperator
from msearch_running.tensors import Feed, TensorSpec


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
    if name not in find_formats():
        raise MissingOperator(f"{card.identity} has no artifact that can be run: its format is {name}")
    loaded: LoadedModel = _runtime(name).load(artifact, threads=threads)
    return loaded


def find_formats() -> tuple[str, ...]:
    """The formats that can be run where their packages are installed: the files of `runtimes`."""
    names = (module.name for module in pkgutil.iter_modules(runtimes.__path__))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def available_formats() -> tuple[str, ...]:
    """The formats whose packages are installed here; none is imported to find out."""
    return tuple(name for name in find_formats() if all(map(find_spec, _runtime(name).PACKAGES)))


def _runtime(name: str) -> Any:
    return importlib.import_module(f"{runtimes.__name__}.{name}")


def fixed_batch(model: LoadedModel) -> int | None:
    """The number of rows that every call must have, None where it is free."""
    return next((spec.shape[0] for spec in model.inputs if spec.shape and isinstance(spec.shape[0], int)), None)
