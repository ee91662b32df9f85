"""The outputs that candidates gave on a target: loaded together, on the rows that all of them took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from search_service.domain.errors import NotFound
from search_service.domain.evaluation import Evaluation, EvaluationSample
from search_service.domain.ports import BlobStore, Database
from search_service.usecases.outputs import Outputs
from search_service.usecases.points import Points

LARGEST_SHARE_MISSING = 0.1
"""A candidate that took fewer of the rows is not judged by its outputs."""

MOST_ROWS = 2000
"""Rows that count; more are thinned evenly."""

LARGEST_BYTES = 512 << 20
"""Outputs that are loaded for one search; the candidates nearest to the target go first."""


@dataclass(frozen=True, slots=True, eq=False)
class TargetOutputs:
    """`ticks` [n, d] of the rows that count; by model id `probabilities` [n, K] and `noisy` [s, n].

    `refused` says why the outputs of a model do not count.
    """

    ticks: NDArray[np.int16]
    probabilities: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    noisy: Mapping[str, NDArray[np.int16]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def load_target(
    database: Database, blobs: BlobStore, sample: EvaluationSample, model_ids: Sequence[str]
) -> TargetOutputs:
    """What the models, the nearest first, gave on the sample. Raises NotFound where it was deleted meanwhile."""
    points = Points.decode(blobs.read(sample.points_digest))
    with database.begin() as unit:
        evaluations = unit.evaluations.on_sample(sample.id, model_ids)
    readable = np.flatnonzero(points.readable)
    found, refused = _load(blobs, [evaluations[one] for one in model_ids if one in evaluations])
    for model_id, outputs in list(found.items()):
        taken = int(np.count_nonzero(outputs.taken[readable]))
        if taken < (1 - LARGEST_SHARE_MISSING) * len(readable):
            refused[model_id] = f"it took only {taken} of {len(readable)} rows of the target"
            del found[model_id]
    rows = readable
    for outputs in found.values():
        rows = rows[outputs.taken[rows]]
    if not len(rows):  # each left out other rows: the sources alone can speak
        refused |= dict.fromkeys(found, "no row of the target was taken by all candidates that were run")
        rows, found = readable, {}
    kept = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).round().astype(np.int64))]
    return TargetOutputs(
        points.ticks[kept],
        {model_id: outputs.probabilities[kept] for model_id, outputs in found.items()},
        {model_id: outputs.noisy[:, kept] for model_id, outputs in found.items() if len(outputs.noisy)},
        refused,
    )


def _load(blobs: BlobStore, evaluations: Sequence[Evaluation]) -> tuple[dict[str, Outputs], dict[str, str]]:
    found: dict[str, Outputs] = {}
    refused: dict[str, str] = {}
    loaded = 0
    for evaluation in evaluations:
        loaded += evaluation.outputs_size_bytes
        if loaded > LARGEST_BYTES:
            refused[evaluation.model_id] = "the outputs on this sample are too large to look at all: take fewer rows"
            continue
        try:
            chunks = blobs.read(evaluation.outputs_digest)
            found[evaluation.model_id] = Outputs.decode(evaluation.classes, chunks)
        except NotFound:
            refused[evaluation.model_id] = "its outputs have just been removed"
    return found, refused
