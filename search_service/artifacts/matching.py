"""Holds what an artifact declares against what its card says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from msearch_card import Card
from msearch_card.encodings import FeaturiserEncoding, HashingEncoding, RawTextEncoding
from msearch_card.featurising import featurised_dimension
from msearch_card.input_specs import EmbeddingInput, ImageInput, PairsInput, TabularInput, TextInput, TimeSeriesInput
from search_service.artifacts.base import Inspection
from search_service.domain.catalog import Tensor

Problem = tuple[str, str]
"""Path of a field of the card, and what is wrong with it."""

FLOATS = ("float32", "float16", "bfloat16", "float64")
INTEGERS = ("int64", "int32")
STRINGS = ("string",)

_MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis after the batch: its extent by the card (None: any), and the field that says so."""

    field: str
    extent: int | None


@dataclass(frozen=True, slots=True)
class Expected:
    """A tensor that the card fills: the field that names it, its name (None: the only input), types, and axes."""

    field: str
    name: str | None
    types: tuple[str, ...]
    axes: tuple[Axis, ...]


def mismatches(card: Card, inspection: Inspection) -> list[Problem]:
    """Every field of the card that the artifact contradicts; empty where they agree."""
    problems: list[Problem] = []
    if card.input is not None and inspection.inputs is not None:
        problems += _check_inputs(expected_tensors(card.input), inspection.inputs, inspection.unranked)
    if card.output is not None and inspection.outputs is not None:
        problems += _check_output(card, inspection.outputs, inspection.unranked)
    return problems


@singledispatch
def expected_tensors(spec: object) -> list[Expected]:
    """The tensors that an input of the card fills."""
    raise TypeError(f"no rule for the input {type(spec).__name__}")


@expected_tensors.register
def _(spec: ImageInput) -> list[Expected]:
    channels, height, width = (Axis(f"input.{name}", getattr(spec, name)) for name in ("channels", "height", "width"))
    axes = (channels, height, width) if spec.layout == "NCHW" else (height, width, channels)
    return [Expected("input.tensor", spec.tensor, FLOATS, axes)]


@expected_tensors.register
def _(spec: TextInput) -> list[Expected]:
    encoding = spec.encoding
    if isinstance(encoding, RawTextEncoding):
        axes = (Axis("input.encoding.rank", 1),) * (encoding.rank - 1)
        return [Expected("input.tensor", spec.tensor, STRINGS, axes)]
    if isinstance(encoding, HashingEncoding):
        return [Expected("input.tensor", spec.tensor, FLOATS, (Axis("input.encoding.features", encoding.features),))]
    if isinstance(encoding, FeaturiserEncoding):
        return _features(spec.tensor, encoding)
    length = (Axis("input.encoding.length", encoding.length),)
    companions = {"attention_mask": encoding.attention_mask, "token_types": encoding.token_types}
    return [
        Expected("input.tensor", spec.tensor, INTEGERS, length),
        *(Expected(f"input.encoding.{field}", name, INTEGERS, length) for field, name in companions.items() if name),
    ]


@expected_tensors.register
def _(spec: TabularInput) -> list[Expected]:
    return [Expected("input.tensor", spec.tensor, FLOATS, (Axis("input.columns", len(spec.columns)),))]


@expected_tensors.register
def _(spec: TimeSeriesInput) -> list[Expected]:
    if isinstance(spec.encoding, FeaturiserEncoding):
        return _features(spec.tensor, spec.encoding)
    channels, length = Axis("input.channels", spec.channels), Axis("input.length", spec.length)
    axes = (channels, length) if spec.layout == "CT" else (length, channels)
    return [Expected("input.tensor", spec.tensor, FLOATS, axes)]


@expected_tensors.register
def _(spec: PairsInput) -> list[Expected]:
    if isinstance(spec.encoding, FeaturiserEncoding):
        return _features(spec.tensor, spec.encoding)
    columns = Axis("input.left", len(spec.left) + len(spec.right))
    return [Expected("input.tensor", spec.tensor, STRINGS, (columns,))]


@expected_tensors.register
def _(spec: EmbeddingInput) -> list[Expected]:
    return [Expected("input.tensor", spec.tensor, FLOATS, (Axis("input.length", spec.length),))]


def _features(tensor: str | None, encoding: FeaturiserEncoding) -> list[Expected]:
    axis = Axis("input.encoding.name", featurised_dimension(encoding.name))
    return [Expected("input.tensor", tensor, FLOATS, (axis,))]


def _check_inputs(expected: list[Expected], inputs: tuple[Tensor, ...], unranked: frozenset[str]) -> list[Problem]:
    listed = _list([tensor.name for tensor in inputs])
    if len(inputs) != 1 and any(one.name is None for one in expected):
        return [("input.tensor", f"is required, since the artifact has {len(inputs)} inputs: {listed}")]
    by_name = {tensor.name: tensor for tensor in inputs}
    problems: list[Problem] = []
    filled: set[str] = set()
    for one in expected:
        name = inputs[0].name if one.name is None else one.name
        if name not in by_name:
            problems.append((one.field, f"is {name!r}, but the artifact's inputs are {listed}"))
            continue
        filled.add(name)
        problems += _check_tensor(one, by_name[name], ranked=name not in unranked)
    if not problems and (left := [name for name in by_name if name not in filled]):
        problems.append(("input", f"fills {_list(sorted(filled))}, but the artifact also needs {_list(left)}"))
    return problems


def _check_tensor(expected: Expected, tensor: Tensor, *, ranked: bool) -> list[Problem]:
    if tensor.element_type not in expected.types:
        wanted = " or ".join(expected.types)
        return [(expected.field, f"is filled with {wanted}, but input {tensor.name!r} takes {tensor.element_type}")]
    if not ranked:
        return []
    if len(tensor.shape) != len(expected.axes) + 1:
        filled = f"{_shape(expected)}, {len(expected.axes) + 1} axes"
        declared = f"{show_shape(tensor)}, {len(tensor.shape)} axes"
        return [(expected.field, f"is filled with {filled}, but input {tensor.name!r} is {declared}")]
    return [
        (
            axis.field,
            f"gives {axis.extent}, but input {tensor.name!r}, {show_shape(tensor)}, has {extent} on axis {position}",
        )
        for position, (axis, extent) in enumerate(zip(expected.axes, tensor.shape[1:], strict=True), start=1)
        if axis.extent is not None and isinstance(extent, int) and extent != axis.extent
    ]


def _shape(expected: Expected) -> str:
    extents = ("any" if axis.extent is None else str(axis.extent) for axis in expected.axes)
    return f"[{', '.join(['batch', *extents])}]"


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "none") + more


def show_shape(tensor: Tensor) -> str:
    """A shape for people, as [batch, 3, ?]."""
    return f"[{', '.join('?' if extent is None else str(extent) for extent in tensor.shape)}]"


def _check_output(card: Card, outputs: tuple[Tensor, ...], unranked: frozenset[str]) -> list[Problem]:
    output = card.output
    if output is None:
        return []
    listed = _list([tensor.name for tensor in outputs])
    if output.tensor is None and len(outputs) != 1:
        return [("output.tensor", f"is required, since the artifact has {len(outputs)} outputs: {listed}")]
    tensor = next((one for one in outputs if output.tensor in (None, one.name)), None)
    if tensor is None:
        return [("output.tensor", f"is {output.tensor!r}, but the artifact's outputs are {listed}")]
    if tensor.element_type not in FLOATS:
        return [("output.tensor", f"holds {output.kind}, but output {tensor.name!r} is {tensor.element_type}")]
    if tensor.name in unranked:
        return []
    shape, rank = show_shape(tensor), len(tensor.shape)
    axis = output.axis if output.axis >= 0 else rank + output.axis
    if not 1 <= axis < rank:
        return [("output.axis", f"is {output.axis}, but output {tensor.name!r} is {shape} with the batch on axis 0")]
    extent = tensor.shape[axis]
    if card.classes and isinstance(extent, int) and extent != len(card.classes):
        return [
            (
                "classes",
                f"names {len(card.classes)}, but output {tensor.name!r}, {shape}, has {extent} on axis {output.axis}",
            )
        ]
    return []
