"""What a search answers."""

from __future__ import annotations

from dataclasses import dataclass

from search_service.domain.catalog import Model
from search_service.domain.profiling import Profile
from search_service.domain.ranking import AccuracyPrediction
from search_service.usecases.explanations import Exclusion
from search_service.usecases.orders import WeightedScore


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """One score of one candidate; `value` is None where it cannot be computed, and `detail` says why."""

    score: str
    value: float | None
    support: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One ranked model; `rank` counts from 1. `ranking_value` is NaN where the one score has no value.

    `profile` speaks for it, without histogram and runs; None where no profile was asked for or none counts.
    `prediction` is None where none was asked for.
    """

    rank: int
    model: Model
    dataset_name: str
    scores: tuple[ScoreValue, ...]
    ranking_value: float
    profile: Profile | None = None
    prediction: AccuracyPrediction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One page of a ranking.

    `unmeasured` are the best of the candidates whose profiles cannot tell whether the limits hold, `unmeasured_total`
    how many there are.
    """

    candidates: tuple[Candidate, ...]
    next_page_token: str
    total: int
    order_by: tuple[WeightedScore, ...]
    space_digest: str
    target_rows: int
    notices: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    unmeasured: tuple[Candidate, ...] = ()
    unmeasured_total: int = 0
