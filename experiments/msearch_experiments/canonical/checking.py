"""Which canonical models can be made: decided from the architecture alone, before anything is allocated."""

from __future__ import annotations

import difflib
from dataclasses import replace

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.families import families
from msearch_experiments.canonical.families._definition import Family
from msearch_experiments.canonical.graph import Graph
from msearch_experiments.errors import ArchitectureError

MOST_LAYERS = 256
LARGEST_WIDTH = 1 << 16
LARGEST_EXTENT = 1 << 16
MOST_CLASSES = 10_000
MOST_PARAMETERS = 64 << 20
"""Weights of a canonical model: 256 MiB in fp32."""

LARGEST_ACTIVATION = 64 << 20
"""Numbers in the largest tensor that one row brings about: 256 MiB in fp32."""


def family_of(architecture: Architecture) -> Family:
    """Its family. Raises ArchitectureError with the nearest known one."""
    known = families()
    if architecture.family in known:
        return known[architecture.family]
    near = difflib.get_close_matches(architecture.family, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    raise ArchitectureError("family", f"there is no family {architecture.family!r}; {hint}")


def canonical(architecture: Architecture) -> Architecture:
    """The same architecture with its usual input left out, so that equal models have equal names."""
    usual = architecture.input == family_of(architecture).usual_input
    return replace(architecture, input=()) if usual else architecture


def completed(architecture: Architecture) -> Architecture:
    """The same architecture with its input written out."""
    return replace(architecture, input=architecture.input or family_of(architecture).usual_input)


def plan_graph(architecture: Architecture) -> Graph:
    """The network of an architecture, without a single weight allocated.

    Raises:
        ArchitectureError: a number is out of range, the shape is not one of the family, or the model cannot fit.
    """
    family = family_of(architecture)
    whole = completed(architecture)
    _check_numbers(whole)
    _check_input(whole, family)
    graph = Graph()
    graph.name_output(family.build(graph, whole))
    if graph.parameters > MOST_PARAMETERS:
        size = graph.parameters * 4 / 2**30
        raise ArchitectureError(
            "width",
            f"{canonical(whole).name} would have {graph.parameters:,} parameters ({size:.3g} GiB), "
            f"at most {MOST_PARAMETERS:,} are generated: take fewer layers or a smaller width",
        )
    if graph.largest_activation > LARGEST_ACTIVATION:
        raise ArchitectureError(
            "input",
            f"a row of {canonical(whole).name} would need a tensor of {graph.largest_activation:,} numbers, at most "
            f"{LARGEST_ACTIVATION:,} are allowed: take a smaller input or width",
        )
    return graph


def _check_numbers(architecture: Architecture) -> None:
    for name, largest in (("layers", MOST_LAYERS), ("width", LARGEST_WIDTH)):
        value = getattr(architecture, name)
        if not 1 <= value <= largest:
            raise ArchitectureError(name, f"must be from 1 to {largest:,}, not {value:,}")
    if not 2 <= architecture.classes <= MOST_CLASSES:
        raise ArchitectureError("classes", f"must be from 2 to {MOST_CLASSES:,}, not {architecture.classes:,}")
    if not 0 <= architecture.seed < 1 << 63:
        raise ArchitectureError("seed", f"must be from 0 to 2^63 - 1, not {architecture.seed}")


def _check_input(architecture: Architecture, family: Family) -> None:
    shape = architecture.input
    if len(shape) != len(family.axes):
        raise ArchitectureError(
            "input",
            f"a row of {architecture.family} is [{', '.join(family.axes)}], such as {list(family.usual_input)}, "
            f"not {list(shape)}",
        )
    for axis, extent in zip(family.axes, shape, strict=True):
        if not 1 <= extent <= LARGEST_EXTENT:
            raise ArchitectureError("input", f"{axis} must be from 1 to {LARGEST_EXTENT:,}, not {extent:,}")
    if family.modality == "image":
        if shape[0] not in (1, 3):
            raise ArchitectureError("input", f"images have 1 or 3 channels, not {shape[0]}")
        if max(shape[1:]) > 8192:  # what a card allows
            raise ArchitectureError("input", f"images are at most 8192 pixels wide and high, not {max(shape[1:])}")
