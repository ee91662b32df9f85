"""Pairs of records: the attributes as strings, or the features of the sketch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from msearch_card.encodings import FeaturiserEncoding
from msearch_card.featurising import featurise
from msearch_card.input_specs import PairsInput
from msearch_card.inputs.base import ONLY_INPUT, Prepared
from msearch_card.inputs.columns import read_column

_SCALARS = ("string", "category", "float", "integer", "boolean")


def prepare(spec: PairsInput, batch: pa.RecordBatch, base: Path | None) -> Prepared:  # noqa: ARG001 - no file is named
    """raw: [n, left + right] object (str), the left attributes first, a missing one as ""; no row is skipped.

    featuriser: [m, d] float32. The i-th left attribute is compared with the i-th right one.
    """
    name = spec.tensor or ONLY_INPUT
    if isinstance(spec.encoding, FeaturiserEncoding):
        features = featurise(spec.encoding.name, "pairs", _aligned(spec, batch))
        return Prepared({name: features.units}, features.kept, features.problem)
    paths = [(side, f"input.{side_name}[{i}]") for side_name in ("left", "right")
             for i, side in enumerate(getattr(spec, side_name))]  # fmt: skip
    strings = np.empty((len(batch), len(paths)), object)
    for position, (column, path) in enumerate(paths):
        strings[:, position] = read_column(batch, column, path, _SCALARS).cast(pa.string()).fill_null("").to_pylist()
    return Prepared({name: strings}, np.ones(len(batch), np.bool_))


def _aligned(spec: PairsInput, batch: pa.RecordBatch) -> dict[str, Any]:
    """The attributes as left_0000, right_0000, ..., since the featuriser aligns them by name; structs as they are."""
    columns: dict[str, Any] = {}
    for side, names in (("left", spec.left), ("right", spec.right)):
        for position, name in enumerate(names):
            column = read_column(batch, name, f"input.{side}[{position}]", (*_SCALARS, "struct"))
            columns[name if pa.types.is_struct(column.type) else f"{side}_{position:04}"] = column
    return columns
