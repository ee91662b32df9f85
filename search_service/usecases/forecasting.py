"""Predicted accuracies for one target, and the scores of how candidates behave on it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from msearch_accuracy import AccuracyError, CandidateEvidence, Prediction, TargetEvidence, predict
from msearch_sketch.signature import Signature
from search_service.domain.catalog import Model
from search_service.domain.evaluation import EvaluationSample
from search_service.domain.ports import BlobStore, Clock, Database
from search_service.domain.ranking import AccuracyPrediction, ScoreInfo, ScoreValues
from search_service.usecases.behaviour import behaviour_infos, compute_behaviour
from search_service.usecases.candidate_evidence import Coresets, evidence_of, signatures_of
from search_service.usecases.evidence import seen_sample
from search_service.usecases.fields import invalid
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.live_predictor import LivePredictor
from search_service.usecases.orders import ADAPTIVITY, WeightedScore
from search_service.usecases.predictors import PredictorInUse
from search_service.usecases.target_outputs import TargetOutputs, load_target

PREDICTED_ACCURACY = "predicted_accuracy"

CONTEXT = 40
"""Candidates nearest to the target that are heard beside those that are asked for."""

MOST_CELLS = 50_000_000
"""Candidates x rows x classes that are looked at together: 200 MB. The predictor thins the rows to so many:"""

ROWS_JUDGED, FEWEST_ROWS, MOST_ROWS = 48_000, 40, 1_000

LEAST_EVIDENCE = 20
"""Cross-evaluations below which a predictor does not order candidates (`msearch_accuracy.Predictor.trusted`)."""

_KEPT = 16

INFO = ScoreInfo(
    name=PREDICTED_ACCURACY,
    summary="Accuracy that the predictor expects of the model on the target.",
    formula="mean over the target's rows of P(the model is right)",
    source="docs/predictor.md",
    support_unit="cross-evaluations behind the predictor",
    lowest=0.0,
    highest=1.0,
)


@lru_cache(maxsize=1)
def forecast_infos() -> dict[str, ScoreInfo]:
    """The scores of this module by name: the predicted accuracy, and those of behaviour."""
    return {PREDICTED_ACCURACY: INFO} | behaviour_infos()


class KeptPredictions:
    """The predictions of the last pools of candidates, for their next page. Safe to share between threads."""

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, dict[str, AccuracyPrediction]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], dict[str, AccuracyPrediction]]) -> dict[str, AccuracyPrediction]:
        """What was predicted under that key, or what `make` gives."""
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = make()
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecaster:
    """Makes forecasts."""

    database: Database
    blobs: BlobStore
    catalogue: LiveCatalogue
    clock: Clock
    predictors: LivePredictor
    coresets: Coresets = field(default_factory=Coresets)
    kept: KeptPredictions = field(default_factory=KeptPredictions)

    def about(self, target: Signature, digest: str, *, sample_id: str, token_id: str, explain: bool) -> Forecast:
        """The forecast for the target of that signature (with its digest), for whoever calls with that token.

        Raises:
            NotFound: EVALUATION_SAMPLE_NOT_FOUND, also for the target of another token.
            InvalidArgument: the sample lies in another feature space than the signature.
        """
        sample = None
        if sample_id:
            with self.database.begin() as unit:
                sample = seen_sample(unit, sample_id, token_id, self.clock())
            if sample.space_digest != target.space_digest:
                raise invalid(
                    "options.sample_id",
                    f"sample {sample_id} lies in feature space {sample.space_digest[:12]}, and the signature in "
                    f"{target.space_digest[:12]}: search with the signature that came back with the sample",
                )
        return Forecast(self, target, digest, sample, explain=explain)


class Forecast:
    """What is expected of candidates on one target.

    `nearest`: the models nearest to the target, best first; set before the first prediction. The first CONTEXT of them
    are heard as witnesses beside those that are asked for. Larger pools first: what is predicted once is not predicted
    again.
    """

    def __init__(
        self, forecaster: Forecaster, target: Signature, digest: str, sample: EvaluationSample | None, *, explain: bool
    ) -> None:
        self.nearest: Sequence[Model] = ()
        self.explain = explain
        self._forecaster = forecaster
        self._target = target
        self._digest = digest
        self._sample = sample
        self._made: dict[str, AccuracyPrediction] = {}
        self._seen: tuple[tuple[str, ...], TargetOutputs, list[CandidateEvidence]] | None = None
        self._predictor: PredictorInUse | None = None

    @property
    def predictor(self) -> PredictorInUse:
        """The one in use, the same for the whole search."""
        if self._predictor is None:
            self._predictor = self._forecaster.predictors.current()
        return self._predictor

    def predict(self, models: Sequence[Model]) -> dict[str, AccuracyPrediction]:
        """What each model is expected to reach, by model id."""
        if any(model.id not in self._made for model in models):
            pool = self._pool(models)
            self._made |= self._predict(pool)
        return {model.id: self._made[model.id] for model in models}

    def usable_order(self, order: tuple[WeightedScore, ...]) -> tuple[tuple[WeightedScore, ...], tuple[str, ...]]:
        """The order to use, and a notice where it is not the one that was asked for."""
        if not _asks_for_predictions(order) or self.predictor.trusted:
            return order, ()
        return _by_adaptivity(order), (_too_little(self.predictor.evidence_count),)

    def found_nothing(self, order: tuple[WeightedScore, ...]) -> bool:
        """Whether the order asks for predictions, and no candidate got one."""
        asked = _asks_for_predictions(order) and bool(self._made)
        return asked and all(one.accuracy is None for one in self._made.values())

    def without_predictions(
        self, order: tuple[WeightedScore, ...]
    ) -> tuple[tuple[WeightedScore, ...], tuple[str, ...]]:
        """The order to use where no candidate got a prediction, and a notice that says why."""
        reasons = dict.fromkeys(notice for one in self._made.values() for notice in one.notices)
        return _by_adaptivity(order), (
            f"no accuracy could be predicted ({'; '.join(list(reasons)[:3])}): ordered by adaptivity instead",
        )

    def compute(self, name: str, models: Sequence[Model]) -> ScoreValues:
        """A score of `forecast_infos` for the models."""
        if name == PREDICTED_ACCURACY:
            return _as_score(models, self.predict(models), self.predictor)
        if self._sample is None:
            raise AssertionError("the options were checked before")  # pragma: no cover
        pool = self._pool(models)
        key = tuple(model.id for model in pool)
        if self._seen is None or self._seen[0] != key:  # several scores look at one pool
            loaded = self._load(pool)
            self._seen = (key, loaded, self._evidence(pool, loaded))
        return compute_behaviour(name, models, self._seen[2], self._seen[1])

    def _pool(self, models: Sequence[Model]) -> list[Model]:
        """Those models and the context, the nearest first."""
        asked = {model.id: model for model in (*self.nearest[:CONTEXT], *models)}
        nearest = [asked.pop(model.id) for model in self.nearest if model.id in asked]
        return [*nearest, *asked.values()]

    def _predict(self, pool: Sequence[Model]) -> dict[str, AccuracyPrediction]:
        loaded = self._load(pool)
        revisions = tuple((model.id, model.revision) for model in pool)
        ran = (len(loaded.ticks), *sorted(loaded.probabilities)) if self._sample else ()
        sample_id = self._sample.id if self._sample else ""
        key = (self._digest, sample_id, ran, self.predictor.digest, revisions, self.explain)
        return self._forecaster.kept.get(key, lambda: self._make(pool, loaded))

    def _make(self, pool: Sequence[Model], loaded: TargetOutputs) -> dict[str, AccuracyPrediction]:
        judged = pool[: most_judged(pool)]
        candidates = self._evidence(judged, loaded)
        try:
            target = TargetEvidence(loaded.ticks) if self._sample else TargetEvidence.of(self._target)
            found = predict(self.predictor.predictor, candidates, target, explain=self.explain)
        except (AccuracyError, ArithmeticError, LookupError, ValueError) as error:
            # Evidence comes from strangers: what is wrong with it must not fail the search.
            return {model.id: self._none(str(error)) for model in pool}
        told = {prediction.name: self._told(prediction, loaded) for prediction in found}
        reason = f"the candidates have too many classes to judge all of them: the nearest {len(judged)} were"
        return told | {model.id: self._none(reason) for model in pool[len(judged) :]}

    def _load(self, pool: Sequence[Model]) -> TargetOutputs:
        if self._sample is None:
            return TargetOutputs(np.zeros((0, len(self._target.sums)), np.int16))
        forecaster = self._forecaster
        return load_target(forecaster.database, forecaster.blobs, self._sample, [model.id for model in pool])

    def _evidence(self, pool: Sequence[Model], loaded: TargetOutputs) -> list[CandidateEvidence]:
        forecaster = self._forecaster
        signatures = signatures_of(forecaster.database, forecaster.catalogue, self._target.space_digest, pool)
        return evidence_of(pool, signatures, forecaster.coresets, loaded.probabilities)

    def _told(self, prediction: Prediction, loaded: TargetOutputs) -> AccuracyPrediction:
        refused = loaded.refused.get(prediction.name)
        return AccuracyPrediction(
            accuracy=prediction.accuracy,
            low=prediction.low,
            high=prediction.high,
            form=prediction.form,
            evidence_count=prediction.evidence_count,
            predictor_version=self.predictor.version,
            contributions=tuple(prediction.contributions.items()),
            notices=(*([f"its outputs are not used: {refused}"] if refused else []), *prediction.notices),
        )

    def _none(self, reason: str) -> AccuracyPrediction:
        return AccuracyPrediction(
            accuracy=None,
            low=None,
            high=None,
            form="outputs" if self._sample else "signatures",
            evidence_count=0,
            predictor_version=self.predictor.version,
            notices=(reason,),
        )


def most_judged(pool: Sequence[Model]) -> int:
    """How many of the models can be judged together within MOST_CELLS."""
    count = len(pool)
    while count > 1:
        classes = len({name for model in pool[:count] for name in model.classes})
        rows = min(max(ROWS_JUDGED // count, FEWEST_ROWS), MOST_ROWS)
        if count * rows * classes <= MOST_CELLS:
            break
        count -= max(1, count // 4)
    return count


def _asks_for_predictions(order: tuple[WeightedScore, ...]) -> bool:
    return any(part.score == PREDICTED_ACCURACY for part in order)


def _by_adaptivity(order: tuple[WeightedScore, ...]) -> tuple[WeightedScore, ...]:
    """The order with adaptivity in the place of predicted accuracy."""
    weights: dict[str, float] = {}
    for part in order:
        name = ADAPTIVITY if part.score == PREDICTED_ACCURACY else part.score
        weights[name] = weights.get(name, 0.0) + part.weight
    return tuple(WeightedScore(name, weight) for name, weight in weights.items())


def _too_little(count: int) -> str:
    return (
        f"the accuracy predictor rests on {count} cross-evaluations only, {LEAST_EVIDENCE} are needed: ordered by "
        "adaptivity instead"
    )


def _as_score(
    models: Sequence[Model], predictions: Mapping[str, AccuracyPrediction], predictor: PredictorInUse
) -> ScoreValues:
    found = [predictions[model.id] for model in models]
    values = np.array([np.nan if one.accuracy is None else one.accuracy for one in found], np.float64)
    details = {at: "; ".join(one.notices) or "no prediction" for at, one in enumerate(found) if one.accuracy is None}
    return ScoreValues(values, np.full(len(models), float(predictor.evidence_count)), details)
