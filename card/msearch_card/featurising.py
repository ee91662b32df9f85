"""The sketch featuriser's features as model input: what a model sees is then what the search compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_card.errors import InputError
from msearch_sketch.column_types import name_type
from msearch_sketch.errors import SketchError
from msearch_sketch.featurisers import get_featuriser
from msearch_sketch.featurisers.base import Columns, Featuriser
from msearch_sketch.spaces import TICKS_PER_UNIT


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """`units` [m, d] float32: ticks / TICKS_PER_UNIT. `kept` [n] and `problem` as in `Prepared`."""

    units: NDArray[np.float32]
    kept: NDArray[np.bool_]
    problem: str


def featurise(featuriser: str, modality: str, columns: Mapping[str, Any]) -> Features:
    """The features of the columns in the featuriser's data-independent space; `featuriser` is "name@version".

    Raises:
        InputError: there is no such featuriser, it is of another modality, its space is fitted on data, or it cannot
            read the columns.
    """
    found = _get(featuriser)
    if found.modality != modality:
        raise InputError(f"featuriser {featuriser} (input.encoding.name) reads {found.modality}, not {modality}")
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    types = {name: name_type(array.type) or "" for name, array in columns.items()}
    named = Columns(tuple(sorted(types)), tuple(types[name] for name in sorted(types)))
    try:
        space = found.fixed_space(named)
        if space is None:
            raise InputError(f"featuriser {featuriser} (input.encoding.name) is fitted on data, so it cannot be used")
        features = found.transform(batch, named, space)
    except SketchError as error:
        raise InputError(str(error)) from None
    return Features(features.ticks.astype(np.float32) / np.float32(TICKS_PER_UNIT), features.kept, features.problem)


def featurised_dimension(featuriser: str) -> int | None:
    """How many features a row becomes; None if the featuriser is not installed here, or fits its space on data."""
    try:
        space = get_featuriser(featuriser).fixed_space(Columns((), ()))
    except SketchError:
        return None
    return None if space is None else space.dimension


def _get(featuriser: str) -> Featuriser:
    try:
        return get_featuriser(featuriser)
    except SketchError as error:
        raise InputError(f"{error} (input.encoding.name)") from None
