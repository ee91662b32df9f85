"""The model card: what a model is, how rows become its input, and what its output means (docs/model-card.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from msearch_card.errors import Problems
from msearch_card.fields import Label, Name, Number, Part, Positive, Text, Version, Whole
from msearch_card.input_specs import Input

Modality = Literal["image", "text", "tabular", "time_series", "pairs", "embedding"]

_RATIOS = frozenset({"accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "roc_auc"})


class Metric(Part):
    """A metric that the owner claims."""

    name: Label = Field(description='For example "accuracy" or "f1".')
    value: Number = Field(description="Ratios are in [0, 1].")
    dataset: Text = Field(default="", description="On which data; free text.")

    @model_validator(mode="after")
    def _ratio(self) -> Metric:
        if self.name in _RATIOS and not 0 <= self.value <= 1:
            raise Problems([("value", f"{self.name} is a ratio in [0, 1], not {self.value:g} (93 percent is 0.93)")])
        return self


class Artifact(Part):
    """What the model's bytes are, and where: uploaded (no uri), elsewhere (uri), or nowhere (format none)."""

    format: Literal["onnx", "torch_export", "none"] = Field(default="none", description="none: a hosted model.")
    uri: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://\S+$", max_length=2000)] | None = Field(
        default=None,
        description="Where an external artifact or a hosted model is found; null if the bytes are uploaded.",
    )


class Output(Part):
    """What the output tensor holds."""

    tensor: Label | None = Field(
        default=None, description="Name of the output tensor; default: the model's only output."
    )
    kind: Literal["logits", "probabilities"]
    axis: Annotated[Whole, Field(ge=-8, le=8)] = Field(
        default=-1, description="Axis of the classes; axis 0 is the batch."
    )
    temperature: Positive = Field(default=1.0, description="Logits are divided by it before the softmax.")

    @field_validator("axis")
    @classmethod
    def _not_the_batch(cls, axis: int) -> int:
        if axis == 0:
            raise ValueError("must not be 0, which is the batch")
        return axis

    @model_validator(mode="after")
    def _temperature_of_logits(self) -> Output:
        if self.kind == "probabilities" and self.temperature != 1:
            raise Problems(
                [("temperature", f"applies to logits; for probabilities it must be 1, not {self.temperature:g}")]
            )
        return self


class Card(Part):
    """A model card. Immutable; equal cards have equal `canonical_json`."""

    name: Name = Field(description="Letters, digits and . _ - /, at most 200; unique together with the version.")
    version: Version = Field(default="1", description='Without "@".')
    description: Text = Field(default="", description="For people; the search finds words of it.")
    licence: Annotated[Text, Field(max_length=200)] = Field(default="", description="Best as an SPDX identifier.")
    tags: Annotated[tuple[Label, ...], Field(max_length=100)] = Field(
        default=(), description="Kept sorted and distinct."
    )
    task: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,99}$")] = Field(description="Say, classification.")
    modality: Modality = Field(description="The kind of data a row holds.")
    classes: Annotated[tuple[Label, ...], Field(max_length=100_000)] = Field(
        default=(), description="In the output's order."
    )
    metrics: Annotated[tuple[Metric, ...], Field(max_length=1000)] = Field(
        default=(), description="What the owner claims."
    )
    parent: str | None = Field(default=None, description='The model it was made from, "name@version".')
    artifact: Artifact = Artifact()
    input: Input | None = Field(default=None, description="How Arrow columns become the model's tensors.")
    output: Output | None = Field(default=None, description="What the output tensor means.")

    _base: Path | None = PrivateAttr(None)

    @property
    def base(self) -> Path | None:
        """The folder that relative file names of the card refer to; None if it was not read from a file."""
        return self._base

    @property
    def identity(self) -> str:
        """Name and version, as in name@version."""
        return f"{self.name}@{self.version}"

    def with_base(self, base: str | Path | None) -> Card:
        """The same card, its relative file names referring to the folder `base`."""
        card = self.model_copy()
        card._base = None if base is None else Path(base)  # noqa: SLF001 - its own class
        return card

    def canonical_json(self) -> str:
        """JSON with sorted keys, defaults written out, nulls left out, no spaces, ASCII; without `base`."""
        values = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Card) and self.canonical_json() == other.canonical_json()

    def __hash__(self) -> int:
        return hash(self.canonical_json())

    @field_validator("tags")
    @classmethod
    def _sorted(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(tags)))

    @field_validator("parent")
    @classmethod
    def _identity_of_a_model(cls, parent: str | None) -> str | None:
        if parent is None:
            return None
        name, _, version = parent.partition("@")
        if not (name and version) or "@" in version or any(character.isspace() for character in parent):
            raise ValueError(f'must read "name@version", not {parent!r}')
        return parent

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        if problems := [*_class_problems(self), *_part_problems(self)]:
            raise Problems(problems)
        return self


def _class_problems(card: Card) -> list[tuple[str, str]]:
    seen: dict[str, int] = {}
    for position, name in enumerate(card.classes):
        if name in seen:
            return [(f"classes[{position}]", f"{name!r} stands already at classes[{seen[name]}]; classes are distinct")]
        seen[name] = position
    if card.task == "classification" and card.output is not None and not card.classes:
        return [("classes", "is required for a classification model with an output: the names in the output's order")]
    if card.task == "classification" and len(card.classes) == 1:
        return [("classes", "must hold at least 2 classes for a classification model")]
    return []


def _part_problems(card: Card) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if card.input is not None and card.modality != card.input.kind:
        problems.append(("modality", f"is {card.modality}, but input.kind is {card.input.kind}; they must be the same"))
    if card.artifact.format != "none":
        if card.input is None:
            problems.append(("input", f"is required for a model with a {card.artifact.format} artifact"))
        if card.output is None and card.classes:
            problems.append(("output", f"is required for a model with classes and a {card.artifact.format} artifact"))
    return problems
