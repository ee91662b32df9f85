"""Predicts: will this candidate be right on this row, and how far does it lead the other candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.evidence import CandidateEvidence, TargetEvidence
from msearch_accuracy.form_predictor import Form, FormPredictor, interval_scale, put_in_order
from msearch_accuracy.metrics import Metric
from msearch_accuracy.pair_features import pair_features, whole_of
from msearch_accuracy.plausibility import find_implausible
from msearch_accuracy.predictor import LEAST_PAIRS, Predictor
from msearch_accuracy.problem import Problem, pose
from msearch_accuracy.row_features import GROUPS, row_features
from msearch_accuracy.witnesses import hear

_FEW_ROWS = 30
_EXPLAINED_ROWS = 20
_EXPLAINED = 40
"""Contributions are worked out for the best only."""
_ROWS_POSED, _MOST_ROWS, _FEWEST_ROWS = 48_000, 1_000, 40
_ROWS_JUDGED, _FEWEST_JUDGED = 5_000, 6


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a candidate is expected to reach on the target.

    `accuracy`, `low`, `high`: the metric and its 90 % interval, None where the candidate was refused. `form` says
    whether its outputs or only its source spoke. `evidence_count`: cross-evaluations behind the predictor.
    `contributions`: change of `accuracy` that each group of features makes against typical values, the largest first.
    """

    name: str
    accuracy: float | None
    low: float | None
    high: float | None
    form: Form
    evidence_count: int
    contributions: dict[str, float]
    notices: tuple[str, ...]


def predict(
    predictor: Predictor,
    candidates: Sequence[CandidateEvidence],
    target: TargetEvidence,
    metric: Metric | None = None,
    *,
    explain: bool = True,
) -> list[Prediction]:
    """Predicted metric of every candidate, in their order; bad candidates are refused one by one.

    Those with outputs are judged by them, the others by their source alone.
    """
    metric = metric or Metric()
    found: dict[str, Prediction] = {}
    split: dict[Form, list[CandidateEvidence]] = {
        "outputs": [c for c in candidates if c.probabilities is not None],
        "signatures": [c for c in candidates if c.probabilities is None],
    }
    for form, members in split.items():
        if not members:
            continue
        thinned, rows = _thin(members, target)
        try:
            problem = pose(thinned, rows, run=form == "outputs")
        except AccuracyError as error:
            reasons = dict.fromkeys([c.name for c in members], str(error))
            found |= {name: _refusal(name, reason, form) for name, reason in reasons.items()}
            continue
        found |= {name: _refusal(name, reason, form) for name, reason in problem.refused.items()}
        for prediction in _judge(predictor, problem, metric, form, explain=explain):
            found[prediction.name] = prediction
    count = target.row_count
    few = f"the target has only {count} row{'' if count == 1 else 's'}, so chance decides much"
    few = few if count < _FEW_ROWS else ""
    weak = "" if predictor.trusted else f"fewer than {LEAST_PAIRS} cross-evaluations: rather rank by adaptivity"
    more = tuple(notice for notice in (few, weak) if notice)
    return [replace(found[c.name], notices=(*found[c.name].notices, *more)) for c in candidates]


def _judge(predictor: Predictor, problem: Problem, metric: Metric, form: Form, *, explain: bool) -> list[Prediction]:
    form_predictor = predictor.forms[form]
    features, implausible = _features(predictor, problem, form)
    candidates, count, _ = features.shape
    kept = _spread(count, max(_FEWEST_JUDGED, _ROWS_JUDGED // candidates))
    chances = form_predictor.chances(features[:, kept])
    rows_say = _expect(metric, problem, chances, kept)
    leads = form_predictor.lead(pair_features(whole_of(features), rows_say))
    values = put_in_order(rows_say, leads, form_predictor.lead_share)
    best = np.argsort(-values, kind="stable")[:_EXPLAINED] if explain else np.zeros(0, np.int64)
    contributions = _contributions(form_predictor, features, problem, metric, best, level=float(rows_say.mean()))
    width = form_predictor.widths.get(metric.kind, max(form_predictor.widths.values(), default=1.0))
    predictions = []
    for at, name in enumerate(problem.names):
        value = float(values[at])
        half = width * interval_scale(value)
        notices = list(problem.notices[name])
        source = problem.sources[at]
        if source is not None and source.name in implausible:
            notices.append(implausible[source.name])
        predictions.append(
            Prediction(
                name=name,
                accuracy=value,
                low=max(0.0, value - half),
                high=min(1.0, value + half),
                form=form,
                evidence_count=form_predictor.pairs,
                contributions=contributions.get(at, {}),
                notices=tuple(notices),
            )
        )
    return predictions


def _refusal(name: str, reason: str, form: Form) -> Prediction:
    return Prediction(name, None, None, None, form, 0, {}, (reason,))


def _thin(
    candidates: Sequence[CandidateEvidence], target: TargetEvidence
) -> tuple[list[CandidateEvidence], TargetEvidence]:
    """Fewer rows where there are many candidates, spread evenly, so that the cost stays bounded."""
    most = int(np.clip(_ROWS_POSED // len(candidates), _FEWEST_ROWS, _MOST_ROWS))
    count = len(target.ticks)
    if count <= most:
        return list(candidates), target
    kept = _spread(count, most)
    weights = None if target.weights is None else target.weights[kept]
    fewer = [
        c
        if c.probabilities is None or np.shape(c.probabilities)[:1] != (count,)
        else replace(c, probabilities=np.asarray(c.probabilities)[kept])
        for c in candidates
    ]
    return fewer, TargetEvidence(target.ticks[kept], weights)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` positions of `count`, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _expect(
    metric: Metric,
    problem: Problem,
    chances: NDArray[np.float32],
    kept: NDArray[np.int64],
    chosen: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """The metric of the chosen candidates (all of them by default) from their chances on the kept rows."""
    weights = problem.weights[kept]
    asked = np.arange(len(problem.names)) if chosen is None else chosen
    return np.array(
        [
            metric.expect(chance, problem.votes[at, kept], problem.classes, weights)
            for at, chance in zip(asked, chances, strict=True)
        ]
    )


def _contributions(
    form_predictor: FormPredictor,
    features: NDArray[np.float32],
    problem: Problem,
    metric: Metric,
    chosen: NDArray[np.int64],
    *,
    level: float,
) -> dict[int, dict[str, float]]:
    """What the prediction loses, by group, when the candidate's features of the group are set to typical values.

    The groups stand by the size of their changes, the largest first.
    """
    if not len(chosen):
        return {}
    kept = _spread(features.shape[1], max(2, min(_EXPLAINED_ROWS, 400 // len(chosen))))
    shown = features[np.ix_(chosen, kept)]
    variants = np.repeat(shown[None], len(GROUPS) + 1, axis=0)
    for place, columns in enumerate(GROUPS.values()):
        variants[place][:, :, list(columns)] = form_predictor.typical[list(columns)]
    usual = whole_of(features).mean(axis=0)
    values = []
    for variant, chances in zip(variants, form_predictor.chances(variants), strict=True):
        rows_say = _expect(metric, problem, chances, kept, chosen)
        leads = form_predictor.lead(pair_features(whole_of(variant), rows_say, usual, level))
        values.append(put_in_order(rows_say, leads, form_predictor.lead_share, level))
    changes = values[-1] - np.stack(values[:-1])
    groups = list(GROUPS)
    return {
        int(at): {groups[place]: round(float(of_one[place]), 4) for place in np.argsort(-np.abs(of_one), kind="stable")}
        for at, of_one in zip(chosen, changes.T, strict=True)
    }


def row_chances(predictor: Predictor, problem: Problem) -> NDArray[np.float32]:
    """P(right) of every candidate on every row [C, n], by the outputs with which the problem was posed."""
    return predictor.forms["outputs"].chances(_features(predictor, problem, "outputs")[0])


def _features(predictor: Predictor, problem: Problem, form: Form) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Features of all rows by all that the predictor knows, and why sources are implausible, by name."""
    implausible = find_implausible(problem)
    testimony = hear(problem, frozenset(implausible), predictor.records, predictor.moments, run=form == "outputs")
    return row_features(problem, testimony), implausible
