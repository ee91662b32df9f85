"""What the two text workloads share: a hashing vectoriser in the card, and a linear model behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from examples.zoo.entries import LABEL, generator, labelled
from examples.zoo.onnx_graphs import export_sequential
from examples.zoo.running import card_of, input_tensor
from examples.zoo.training import fit_linear


@dataclass(frozen=True, slots=True)
class Texts:
    """Labelled texts with the group (review, author, ...) each belongs to; a group is never split."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]

    def take(self, chosen: Sequence[int]) -> Texts:
        """The chosen rows."""
        columns = (self.texts, self.labels, self.groups)
        return Texts(*(tuple(column[position] for position in chosen) for column in columns))

    def shuffled(self, name: str, most: int) -> Texts:
        """At most `most` rows in the order that `name` draws."""
        return self.take(generator(f"order {name}").permutation(len(self.texts))[:most].tolist())

    def split(self, name: str, shares: Sequence[float]) -> list[Texts]:
        """Parts of about these shares of the groups, no group in two parts."""
        groups = sorted(set(self.groups))
        order = generator(f"split {name}").permutation(len(groups))
        bounds = np.cumsum(shares) * len(groups)
        part_of = {groups[group]: int(np.searchsorted(bounds, place, "right")) for place, group in enumerate(order)}
        return [
            self.take([row for row, group in enumerate(self.groups) if part_of[group] == part])
            for part in range(len(shares))
        ]

    def rows(self) -> pa.Table:
        """A table with the column `text`."""
        return pa.table({"text": pa.array(self.texts, pa.string())})

    def labelled_rows(self) -> pa.Table:
        """The same with labels."""
        return labelled(self.rows(), self.labels)

    def __add__(self, other: Texts) -> Texts:
        return Texts(self.texts + other.texts, self.labels + other.labels, self.groups + other.groups)


def text_card(
    *, name: str, description: str, licence: str, tags: list[str], classes: Sequence[str], encoding: dict[str, Any]
) -> dict[str, Any]:
    """A card of a text classifier on hashed n-grams."""
    return {
        "name": name,
        "version": "1",
        "description": description,
        "licence": licence,
        "tags": tags,
        "task": "classification",
        "modality": "text",
        "classes": list(classes),
        "artifact": {"format": "onnx"},
        "input": {"kind": "text", "column": "text", "encoding": {"type": "hashing", **encoding}},
        "output": {"kind": "logits"},
    }


def fit_text_model(card: dict[str, Any], rows: pa.Table, strength: float, balanced: bool = False) -> bytes:
    """Fits a logistic regression on labelled rows and writes it as ONNX; `balanced` gives classes equal weight."""
    classes = card["classes"]
    answers = np.array([classes.index(label) for label in rows.column(LABEL).to_pylist()], np.int64)
    tensor = input_tensor(card_of(card), rows)
    layer = fit_linear(tensor, answers, len(classes), strength=strength, balanced=balanced)
    return export_sequential(nn.Sequential(layer), tensor.shape[1:], len(classes))
