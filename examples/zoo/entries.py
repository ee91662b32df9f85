"""What a builder hands over: models with their cards and sources, targets without labels, the labels apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from examples.zoo.fetch import Archives

LABEL = "label"
"""Column of the class in source and validation samples."""

MOST_SOURCE_ROWS = 2000

Notice = Callable[[str], None]
"""Takes a line about what is being built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A sample of the data a model was trained on, with labels; shared by models trained on the same data."""

    name: str
    description: str
    licence: str
    tags: tuple[str, ...]
    rows: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooModel:
    """A model: its card without metrics, its ONNX bytes, its source and labelled rows held out from its training.

    `source` is None where the data the model was trained on is not at hand.
    """

    card: dict[str, Any]
    graph: bytes
    source: Source | None
    validation: pa.Table

    @property
    def name(self) -> str:
        """The card's name."""
        return str(self.card["name"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Rows without labels, and apart from them the labels that only the truth is computed from.

    `related` names models whose source is the same person, device or site at another time: true candidates,
    but left out where the question is how well models carry over.
    """

    name: str
    description: str
    rows: pa.Table
    labels: tuple[str, ...]
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Everything of one kind of workload. `metric` is what its models are judged by: accuracy or f1."""

    models: Sequence[ZooModel]
    targets: Sequence[Target]
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a workload is built: which archives it cannot do without, and the function that builds it.

    `tag` is on every model of it; `demo_target` is the target that the demo asks about.
    """

    name: str
    title: str
    tag: str
    needs: tuple[str, ...]
    demo_target: str
    build: Callable[[Archives, Notice], Workload]


def generator(name: str) -> np.random.Generator:
    """A generator seeded by a name, so that adding one model does not change the others."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))


def labelled(rows: pa.Table, labels: Sequence[str]) -> pa.Table:
    """The rows with a label column."""
    return rows.append_column(LABEL, pa.array(list(labels), pa.string()))


def sample(table: pa.Table, most: int, name: str) -> pa.Table:
    """At most `most` rows in shuffled order, chosen by the name's generator."""
    return table.take(generator(f"sample {name}").permutation(table.num_rows)[:most])
