"""The model card of a canonical model, so that it registers like any other."""

from __future__ import annotations

from typing import Any

from msearch_card import Card
from msearch_experiments.canonical.architecture import GENERATOR_VERSION, Architecture
from msearch_experiments.canonical.checking import canonical, completed, family_of
from msearch_experiments.canonical.graph import OUTPUT


def card_of(architecture: Architecture) -> Card:
    """Its card. Raises ArchitectureError for an unknown family."""
    whole = completed(architecture)
    family = family_of(whole)
    sizes = family.meaning.replace("`layers`", str(whole.layers)).replace("`width`", str(whole.width))
    return Card(
        name=canonical(architecture).name,
        version=GENERATOR_VERSION,
        description=f"Canonical {whole.family}: {sizes}. Weights are drawn with seed {whole.seed}; it knows nothing.",
        licence="CC0-1.0",
        tags=("canonical", whole.family),
        task="classification",
        modality=family.modality,
        classes=tuple(str(number) for number in range(whole.classes)),
        artifact={"format": "onnx"},  # type: ignore[arg-type]  # pydantic reads the part
        input=_input(family.modality, whole.input),  # type: ignore[arg-type]
        output={"kind": "logits", "tensor": OUTPUT},  # type: ignore[arg-type]
    )


def _input(modality: str, shape: tuple[int, ...]) -> dict[str, Any]:
    match modality:
        case "image":
            channels, height, width = shape
            return {"kind": "image", "column": "image", "channels": channels, "height": height, "width": width}
        case "time_series":
            steps, channels = shape
            return {"kind": "time_series", "column": "series", "channels": channels, "length": steps, "layout": "TC"}
        case _:
            return {"kind": "embedding", "column": "vector", "length": shape[0]}
