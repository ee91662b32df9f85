"""What labelling a few rows returns."""

from __future__ import annotations

from dataclasses import dataclass

from msearch_client._rankings import FailedModel
from msearch_client._records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelStanding(Record):
    """Where a candidate stands. `accuracy`: the metric on all rows of the target; `low`, `high`: its 90 % interval.

    `best`: the chance that it is the best; `within`: that it is at most the tolerance below the best. `right` of
    `labelled` rows it got right, which is no estimate of its accuracy: the rows were chosen for being telling.
    """

    model: str
    model_id: str
    accuracy: float
    low: float
    high: float
    best: float
    within: float
    right: int
    labelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelVerdict(Record):
    """Who leads after the labels so far. `winner` is the leader once it is sure enough, None before.

    `confidence`: the chance that the leader is at most `tolerance` below the best; `wanted` is the one asked for.
    `exhausted`: no further row tells the candidates apart. `standings`: the best first. `failed`: candidates that could
    not be run.
    """

    leader: str
    winner: str | None
    confidence: float
    wanted: float
    tolerance: float
    labels: int
    exhausted: bool
    standings: tuple[LabelStanding, ...]
    failed: tuple[FailedModel, ...] = ()
    notices: tuple[str, ...] = ()
