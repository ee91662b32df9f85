"""How candidates are retrieved, scored and ordered.

1. Retrieval: adaptivity of every dataset in the target's space, from the index; every model whose source is among them
   and that passes the filter is a candidate.
2. Re-ranking, only where the order asks for other scores than adaptivity: those are computed for the best `retrieved`
   candidates by adaptivity, and the order is theirs.
Scores that are only shown are computed for the page alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace
from search_service.domain.catalog import Model
from search_service.domain.ports import Database
from search_service.domain.ranking import Score, ScoreValues, Source
from search_service.usecases.candidate_evidence import signatures_of
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.ordering import best_first, pareto_front, weighted_ranks
from search_service.usecases.orders import ADAPTIVITY, WeightedScore
from search_service.usecases.snapshot import Snapshot

Positions = NDArray[np.int64]
Floats = NDArray[np.float64]

_NO_SIGNATURE = "its source dataset has just been removed"


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Candidates by name, version and id. All arrays have one entry a candidate.

    `positions` in the snapshot; `values`, `support`: adaptivity; `comparable` counts the models with a source in the
    target's space before the filter.
    """

    snapshot: Snapshot
    positions: Positions
    values: Floats
    support: Floats
    comparable: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """Part of a ranking: `chosen` are positions in the retrieved arrays, best first; `ranking_values` theirs.

    `scores` holds, by name, values, support and details for `chosen`, in this order. `total` candidates were ranked.
    """

    chosen: Positions
    ranking_values: Floats
    scores: Mapping[str, ScoreValues]
    total: int


def restricted(candidates: Retrieved, mask: NDArray[np.bool_]) -> Retrieved:
    """Some of the candidates. `mask` has one entry a candidate."""
    return Retrieved(
        candidates.snapshot,
        candidates.positions[mask],
        candidates.values[mask],
        candidates.support[mask],
        candidates.comparable,
    )


def retrieve(
    catalogue: LiveCatalogue, target: Signature, mask: NDArray[np.bool_] | None, snapshot: Snapshot
) -> Retrieved:
    """All candidates with their adaptivity. `mask` [models] says which pass the filter; None means all."""
    coverage = catalogue.index.coverage(target)
    joined = snapshot.join(target.space_digest, coverage.dataset_ids)
    comparable = joined >= 0
    positions = np.flatnonzero(comparable if mask is None else comparable & mask)
    at = joined[positions]
    return Retrieved(snapshot, positions, coverage.values[at], coverage.support[at], int(comparable.sum()))


def nearest_models(candidates: Retrieved, count: int) -> list[Model]:
    """The candidates of the highest adaptivity, best first."""
    return _models_at(candidates, best_first(candidates.values, count))


class ModelScores(Protocol):
    """Further scores, of models rather than of their sources; higher is better."""

    def compute(self, name: str, models: Sequence[Model]) -> ScoreValues:
        """The values of that score for the models."""


@dataclass(frozen=True, slots=True)
class ByMeasurement:
    """Measured quantities of the retrieved candidates, larger is better, NaN where there is none. [candidates]

    `order` decides the order instead of the scores; `front` keeps the Pareto front of the scores against it.
    """

    order: Floats | None = None
    shown: Floats | None = None
    front: Floats | None = None


@dataclass(frozen=True, slots=True)
class _Pool:
    """What is put in order: `members` are positions in the retrieved arrays; `goodness` and `values` are theirs."""

    members: Positions
    goodness: Floats
    values: Floats
    known: dict[str, ScoreValues]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranker:
    """Orders retrieved candidates. `retrieved` is how many of them other scores are computed for."""

    database: Database
    catalogue: LiveCatalogue
    scores: Mapping[str, Score]
    forecast: ModelScores
    retrieved: int = 1000

    def order(
        self,
        candidates: Retrieved,
        target: Signature,
        space: FeatureSpace,
        *,
        order_by: Sequence[WeightedScore],
        shown: Sequence[str],
        first: int,
        count: int,
        measured: ByMeasurement | None = None,
    ) -> Ordered:
        """The `count` candidates from place `first` (0 is the best) on, with the scores to show."""
        if measured is None:
            pool = self._score(candidates, target, space, order_by)
        else:
            pool = self._measure(candidates, target, space, order_by, measured)
        places = best_first(pool.goodness, first + count)[first:]
        chosen = pool.members[places]
        known = {name: _taken(values, places) for name, values in pool.known.items()}
        missing = [name for name in shown if name not in known]
        known |= self._compute(candidates, chosen, target, space, missing)
        return Ordered(chosen, pool.values[places], {name: known[name] for name in shown}, pool.members.size)

    def _score(
        self, candidates: Retrieved, target: Signature, space: FeatureSpace, order_by: Sequence[WeightedScore]
    ) -> _Pool:
        """The candidates by the scores of the order."""
        if [part.score for part in order_by] == [ADAPTIVITY]:
            return _Pool(np.arange(candidates.positions.size), candidates.values, candidates.values, {})
        # In name order, so that ties of the new order fall the same way.
        members = np.sort(best_first(candidates.values, self.retrieved))
        names = [part.score for part in order_by]
        computed = self._compute(candidates, members, target, space, names)
        goodness = [self._goodness(name, computed[name].values) for name in names]
        if len(names) == 1:
            return _Pool(members, goodness[0], computed[names[0]].values, computed)
        ranked = weighted_ranks(goodness, [part.weight for part in order_by])
        return _Pool(members, ranked, ranked, computed)

    def _measure(
        self,
        candidates: Retrieved,
        target: Signature,
        space: FeatureSpace,
        order_by: Sequence[WeightedScore],
        measured: ByMeasurement,
    ) -> _Pool:
        """The candidates by a measured quantity, or those on a Pareto front."""
        if measured.front is None and measured.order is not None and measured.shown is not None:
            return _Pool(np.arange(candidates.positions.size), measured.order, measured.shown, {})
        pool = self._score(candidates, target, space, order_by)
        if measured.front is not None:
            kept = np.flatnonzero(pareto_front(pool.goodness, measured.front[pool.members]))
            known = {name: _taken(values, kept) for name, values in pool.known.items()}
            pool = _Pool(pool.members[kept], pool.goodness[kept], pool.values[kept], known)
        if measured.order is not None and measured.shown is not None:
            by_metric, shown = measured.order[pool.members], measured.shown[pool.members]
            pool = _Pool(pool.members, by_metric, shown, pool.known)
        return pool

    def _goodness(self, name: str, values: Floats) -> Floats:
        score = self.scores.get(name)  # of a forecast, higher is better throughout
        return values if score is None or score.info.higher_is_better else -values

    def _compute(
        self, candidates: Retrieved, chosen: Positions, target: Signature, space: FeatureSpace, names: Sequence[str]
    ) -> dict[str, ScoreValues]:
        """Values of these scores for the chosen candidates."""
        computed: dict[str, ScoreValues] = {}
        if ADAPTIVITY in names:
            computed[ADAPTIVITY] = ScoreValues(candidates.values[chosen], candidates.support[chosen], {})
        others = [name for name in names if name != ADAPTIVITY]
        if not others:
            return computed
        models = _models_at(candidates, chosen)
        computed |= {name: self.forecast.compute(name, models) for name in others if name not in self.scores}
        others = [name for name in others if name in self.scores]
        if not others:
            return computed
        signatures = signatures_of(self.database, self.catalogue, target.space_digest, models)
        at = [place for place, model in enumerate(models) if model.dataset_id in signatures]
        sources = [_source(models[place], signatures) for place in at]
        for name in others:
            values = self.scores[name].compute(target, sources, space)
            computed[name] = values if len(at) == len(models) else _spread(values, at, len(models))
        return computed


def _source(model: Model, signatures: Mapping[str, Signature]) -> Source:
    measured = None if model.validation is None else model.validation.statistics
    return Source(signatures[model.dataset_id], model.claimed_accuracy, measured)


def _models_at(candidates: Retrieved, chosen: Positions) -> list[Model]:
    return [candidates.snapshot.models[position] for position in candidates.positions[chosen].tolist()]


def _taken(values: ScoreValues, places: Positions) -> ScoreValues:
    details = {new: values.details[old] for new, old in enumerate(places.tolist()) if old in values.details}
    return ScoreValues(values.values[places], values.support[places], details)


def _spread(values: ScoreValues, at: Sequence[int], count: int) -> ScoreValues:
    """The values at their places among `count` candidates; those between have none."""
    spread, support = np.full(count, np.nan), np.zeros(count)
    spread[list(at)], support[list(at)] = values.values, values.support
    details = dict.fromkeys(range(count), _NO_SIGNATURE)
    for place in at:
        del details[place]
    details |= {at[old]: detail for old, detail in values.details.items()}
    return ScoreValues(spread, support, details)
