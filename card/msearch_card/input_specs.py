"""The `input` of a card, one model per kind: how Arrow columns become the model's tensors.

What each adapter does with these fields stands in `msearch_card.inputs`, one file per kind.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from msearch_card.encodings import FeaturiserEncoding, PlainEncoding, RawEncoding, TextEncoding
from msearch_card.errors import Problems
from msearch_card.fields import Extent, Flag, Label, Number, Part, Positive, Text


class _Input(Part):
    tensor: Label | None = Field(default=None, description="Name of the model's input tensor; default: its only input.")


def _zeros(data: dict[str, Any]) -> tuple[float, ...]:
    return (0.0,) * (data["channels"] or 0)


def _ones(data: dict[str, Any]) -> tuple[float, ...]:
    return (1.0,) * (data["channels"] or 0)


def _per_channel(channels: int, **values: tuple[float, ...]) -> list[tuple[str, str]]:
    return [
        (field, f"must hold one value per channel: channels is {channels}, but {len(given)} are given")
        for field, given in values.items()
        if len(given) != channels
    ]


class ImageInput(_Input):
    """Encoded images, one a row: tensor = (pixels * scale - mean) / std, float32, after resizing to width x height."""

    kind: Literal["image"]
    column: Label = Field(description="Column of encoded images: binary, or a struct {bytes, path}.")
    width: Annotated[int, Field(strict=True, ge=1, le=8192)]
    height: Annotated[int, Field(strict=True, ge=1, le=8192)]
    channels: Literal[1, 3] = Field(description="1: luminance, 3: red, green, blue.")
    layout: Literal["NCHW", "NHWC"] = Field(default="NCHW", description="Order of the tensor's axes.")
    scale: Positive = Field(default=1 / 255, description="Factor on the pixels 0..255, before mean and std.")
    mean: tuple[Number, ...] = Field(default_factory=_zeros, description="Subtracted, one per channel; default 0.")
    std: tuple[Positive, ...] = Field(default_factory=_ones, description="Divided by, one per channel; default 1.")
    resample: Literal["bilinear", "nearest", "area"] = Field(default="bilinear", description="Filter used to resize.")
    invert: Flag = Field(default=False, description="Whether dark and light are swapped first (255 - pixel).")

    @model_validator(mode="after")
    def _lengths(self) -> ImageInput:
        if problems := _per_channel(self.channels, mean=self.mean, std=self.std):
            raise Problems(problems)
        return self


class TextInput(_Input):
    """One string a row."""

    kind: Literal["text"]
    column: Label = Field(description="Column of strings.")
    encoding: TextEncoding


def _scalar(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # A float here keeps the union below from taking an integer for a truth value or a text.
        if not abs(value) <= sys.float_info.max:
            raise ValueError("must be finite")
        return float(value)
    if value is None or isinstance(value, (bool, str)):
        return value
    raise ValueError("must be a number, true, false, a category or null")


Fill = Annotated[
    Flag | Number | Text | None, BeforeValidator(_scalar, json_schema_input_type=bool | float | str | None)
]


class TabularColumn(Part):
    """One feature of a tabular model. Without `fill`, rows that miss the value are skipped."""

    name: Label
    type: Literal["number", "boolean", "category"] = "number"
    fill: Fill = Field(
        default=None, description="Stands in for a missing value: of the column's type, or -1 for a category."
    )
    categories: tuple[Label, ...] = Field(default=(), description="Categories in order; the tensor holds the position.")

    @model_validator(mode="after")
    def _consistent(self) -> TabularColumn:
        problems: list[tuple[str, str]] = []
        if self.type == "category":
            if not self.categories:
                problems.append(("categories", "is required for a column of type category"))
            elif len(set(self.categories)) < len(self.categories):
                problems.append(("categories", "must be distinct"))
            elif self.fill is not None and self._position(self.fill) is None:
                problems.append(("fill", f"must be one of the categories, or -1, not {self.fill!r}"))
        else:
            if self.categories:
                problems.append(("categories", f"is only for columns of type category, this one is a {self.type}"))
            expected = bool if self.type == "boolean" else float
            if self.fill is not None and not isinstance(self.fill, expected):
                problems.append(("fill", f"must be a {self.type}, not {self.fill!r}"))
        if problems:
            raise Problems(problems)
        return self

    @property
    def fill_number(self) -> float | None:
        """What a missing value becomes in the tensor; None where its row is skipped."""
        if self.fill is None:
            return None
        return self._position(self.fill) if self.type == "category" else float(self.fill)

    def _position(self, fill: bool | float | str) -> float | None:
        if isinstance(fill, float):
            if fill == -1:
                return -1.0
            fill = f"{fill:.0f}" if fill.is_integer() else str(fill)
        return float(self.categories.index(fill)) if fill in self.categories else None


class TabularInput(_Input):
    """Several columns in a fixed order: tensor [n, columns] float32."""

    kind: Literal["tabular"]
    columns: Annotated[tuple[TabularColumn, ...], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _distinct(self) -> TabularInput:
        seen: set[str] = set()
        for position, column in enumerate(self.columns):
            if column.name in seen:
                raise Problems([(f"columns[{position}].name", f"{column.name!r} stands twice in the list")])
            seen.add(column.name)
        return self


class TimeSeriesInput(_Input):
    """One series of channels x steps a row: tensor = (values - mean) / std, cut or padded at the end to `length`."""

    kind: Literal["time_series"]
    column: Label = Field(description="Column of list<float> (one channel) or list<list<float>> (channels x steps).")
    encoding: PlainEncoding = RawEncoding()
    channels: Extent | None = Field(default=None, description="Number of channels; required for raw.")
    length: Extent | None = Field(default=None, description="Number of steps; required for raw.")
    layout: Literal["CT", "TC"] = Field(
        default="CT", description="Axes after the batch: channels x steps or steps x channels."
    )
    pad: Number = Field(default=0.0, description="Value of the steps that are missing at the end, after normalisation.")
    mean: tuple[Number, ...] = Field(default_factory=_zeros, description="Subtracted, one per channel; default 0.")
    std: tuple[Positive, ...] = Field(default_factory=_ones, description="Divided by, one per channel; default 1.")

    @model_validator(mode="after")
    def _consistent(self) -> TimeSeriesInput:
        if isinstance(self.encoding, FeaturiserEncoding):
            return self
        problems = [(name, "is required") for name in ("channels", "length") if getattr(self, name) is None]
        if self.channels is not None:
            problems += _per_channel(self.channels, mean=self.mean, std=self.std)
        if problems:
            raise Problems(problems)
        return self


class PairsInput(_Input):
    """Two records a row. Columns are named as in the data; `struct.field` names a field of a struct column."""

    kind: Literal["pairs"]
    left: Annotated[tuple[Label, ...], Field(min_length=1, max_length=1000)]
    right: Annotated[tuple[Label, ...], Field(min_length=1, max_length=1000)]
    encoding: PlainEncoding

    @model_validator(mode="after")
    def _distinct(self) -> PairsInput:
        sides: dict[str, str] = {}
        for side, names in (("left", self.left), ("right", self.right)):
            for position, name in enumerate(names):
                if name in sides:
                    raise Problems([(f"{side}[{position}]", f"{name!r} stands already in {sides[name]}")])
                sides[name] = side
        return self


class EmbeddingInput(_Input):
    """One vector of fixed length a row: tensor [n, length] float32."""

    kind: Literal["embedding"]
    column: Label = Field(description="Column of lists of numbers.")
    length: Extent


Input = Annotated[
    ImageInput | TextInput | TabularInput | TimeSeriesInput | PairsInput | EmbeddingInput,
    Field(discriminator="kind"),
]
