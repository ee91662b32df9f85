"""Fits the predictor on cross-evaluations: models run on labelled samples that are not their own.

A forest learns, row by row, whether a candidate is right. A second forest and a linear regression learn how far each
candidate lies above or below the mean of all, from what forests expect that saw neither the pseudo-target's fold nor
any of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.cross_evaluations import KnownModel, LabelledTable, Workload
from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.forest import Forest
from msearch_accuracy.form_predictor import FORMS, Form, FormPredictor, Mixture, ask, interval_scale, put_in_order
from msearch_accuracy.gathering import Examples, Known, deal
from msearch_accuracy.gathering import gather as gather_examples
from msearch_accuracy.linear import Linear
from msearch_accuracy.pair_features import pair_features, whole_of
from msearch_accuracy.predictor import Predictor
from msearch_accuracy.pseudo_targets import records_of
from msearch_accuracy.row_features import GROUPS, RECORDS
from msearch_accuracy.stacking import moments_of

__all__ = [
    "Examples",
    "FitSettings",
    "Known",
    "KnownModel",
    "LabelledTable",
    "Workload",
    "fit",
    "fit_form",
    "gather",
]

Rows = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]
"""Features, what is to be learned, weights."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How much evidence is drawn and how the forests grow.

    How much candidates differ is particular to a kind of data: a predictor of several workloads takes only half of the
    lead from the regression of leads, which is then linear alone, and half from the forest over rows.
    """

    pseudo_targets: int = 3
    rows_a_pair: int = 40
    judged_rows: int = 60
    trees: int = 32
    fold_trees: int = 24
    lead_trees: int = 50
    folds: int = 3
    leaf: int = 12
    lead_leaf: int = 6
    lead_strength: float = 0.1
    depth: int = 14
    features: float = 0.25
    lead_share_of_several: float = 0.5
    lead_forest_share: float = 0.5
    coverage: float = 0.9
    most_rows: int = 14_000
    most_rows_of_several: int = 6_000
    jobs: int = 2


def fit(workloads: Sequence[Workload], seed: int = 0, settings: FitSettings = FitSettings()) -> Predictor:
    """Fits both forms on a registry's own evidence. Intervals are calibrated on groups of tables left out.

    The predictor keeps records, by which it knows the models again.

    Raises:
        AccuracyError: there is no cross-evaluation, as with a single source.
    """
    drawn = [gather(workload, seed, settings) for workload in workloads]
    forms: dict[Form, FormPredictor] = {
        form: fit_form([examples[form] for examples in drawn], seed, settings, form=form, by_workload=False)
        for form in FORMS
    }
    records = [record for workload in workloads for record in records_of(workload)]
    moments = [found for workload in workloads for found in moments_of(workload)]
    return Predictor(forms, tuple(workload.name for workload in workloads), tuple(records), tuple(moments))


def gather(workload: Workload, seed: int, settings: FitSettings = FitSettings()) -> dict[Form, Examples]:
    """Examples of a workload under these settings, for both forms; see `gathering.gather`."""
    return gather_examples(
        workload,
        seed,
        pseudo_targets=settings.pseudo_targets,
        rows_a_pair=settings.rows_a_pair,
        judged_rows=settings.judged_rows,
        folds=settings.folds,
    )


def fit_form(
    drawn: Sequence[Examples], seed: int, settings: FitSettings = FitSettings(), *, form: Form, by_workload: bool
) -> FormPredictor:
    """Fits one form on gathered examples.

    `by_workload`: the predictor is for other workloads' models. The folds are then whole workloads, and nothing is
    learned from records, for there are none of models that are not known. Else the folds are groups of tables.

    Raises:
        AccuracyError: there is no cross-evaluation.
    """
    drawn = [examples for examples in drawn if len(examples.right)]
    if not drawn:
        raise AccuracyError(
            "there is no cross-evaluation to learn from: models of at least two sources with labelled validation "
            "samples of the same classes are needed, each run on the other's sample"
        )
    most = settings.most_rows_of_several if by_workload else settings.most_rows
    if by_workload:
        drawn = [examples.without(GROUPS[RECORDS]) for examples in drawn]
    folds = [
        dict.fromkeys(keys, place) if by_workload else deal(keys, settings.folds)
        for place, keys in enumerate(_keys_of(examples) for examples in drawn)
    ]
    rows = (
        np.concatenate([examples.features for examples in drawn]),
        np.concatenate([examples.right for examples in drawn]).astype(np.float64),
        np.concatenate([examples.weights for examples in drawn]),
    )
    row_folds = np.concatenate([[folds[place][key] for key in e.keys] for place, e in enumerate(drawn)]).astype(int)
    judged = _judge_folds(drawn, folds, rows, row_folds, most=most, seed=seed, settings=settings)
    rows = _thin(rows, drawn, np.ones(len(rows[1]), bool), most, seed)
    typical = np.average(rows[0], axis=0, weights=rows[2]).astype(np.float32)
    forest = _grow(rows, settings.trees, settings.leaf, seed, settings)
    share = settings.lead_share_of_several if by_workload else 1.0
    # From outputs, kinds of data never met are ordered best by a line; from sources alone, all are by a forest.
    mixed = 1.0 if form == "signatures" else 0.0 if by_workload else settings.lead_forest_share
    leads = _learn_leads(judged, settings.lead_trees, mixed, seed, settings)
    widths = _calibrate(judged, share, mixed, seed, settings)
    pairs, independent = sum(e.pairs for e in drawn), sum(e.independent for e in drawn)
    return FormPredictor(((forest, 1.0),), leads, share, typical, widths, pairs, independent)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A pseudo-target with the metrics [C] that a forest expected which never saw its fold."""

    known: Known
    values: NDArray[np.float64]
    fold: int
    weight: float

    @property
    def features(self) -> NDArray[np.float32]:
        return pair_features(whole_of(self.known.features), self.values)


def _keys_of(examples: Examples) -> list[str]:
    return sorted({*examples.keys.tolist(), *(known.key for known in examples.known)})


def _judge_folds(
    drawn: Sequence[Examples],
    folds: Sequence[dict[str, int]],
    rows: Rows,
    row_folds: NDArray[np.int64],
    *,
    most: int,
    seed: int,
    settings: FitSettings,
) -> list[_Judged]:
    judged = []
    for fold in sorted(set(row_folds.tolist())):
        held_out = [[k for k in e.known if folds[place][k.key] == fold] for place, e in enumerate(drawn)]
        seen = (row_folds != fold) & ~_asked_about(drawn, held_out)
        if not seen.any():
            seen = row_folds != fold if (row_folds != fold).any() else np.ones(len(seen), bool)
        forest = _grow(_thin(rows, drawn, seen, most, seed), settings.fold_trees, settings.leaf, seed, settings)
        for examples, asked in zip(drawn, held_out, strict=True):
            for known in asked:
                chances = forest.predict(known.features.reshape(-1, rows[0].shape[1])).reshape(known.votes.shape)
                judged.append(_Judged(known, known.expect(chances), fold, 1 / len(examples.known)))
    return judged


def _thin(rows: Rows, drawn: Sequence[Examples], kept: NDArray[np.bool_], most: int, seed: int) -> Rows:
    """The kept rows, of each workload at most so many, drawn evenly; each workload counts the same."""
    random = np.random.default_rng(seed)
    chosen: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    weights = [np.zeros(0)]
    start = 0
    for examples in drawn:
        own = start + np.flatnonzero(kept[start : start + len(examples.right)])
        chosen.append(own if len(own) <= most else np.sort(random.choice(own, most, replace=False)))
        told = rows[2][chosen[-1]]
        weights.append(told / told.sum() if len(told) else told)
        start += len(examples.right)
    places = np.concatenate(chosen)
    return rows[0][places], rows[1][places], np.concatenate(weights)


def _asked_about(drawn: Sequence[Examples], held_out: Sequence[Sequence[Known]]) -> NDArray[np.bool_]:
    """Which rows to learn from are also rows of a held-out pseudo-target: tables of different groups may share rows."""
    found = [
        np.isin(examples.rows, np.concatenate([np.zeros(0, np.int64), *(known.rows for known in asked)]))
        for examples, asked in zip(drawn, held_out, strict=True)
    ]
    return np.concatenate(found)


def _learn_leads(judged: Sequence[_Judged], trees: int, share: float, seed: int, settings: FitSettings) -> Mixture:
    """A linear regression and, with this share, a forest: they err differently."""
    pairs = _pairs_of(judged)
    found: list[tuple[Forest | Linear, float]] = []
    if share < 1:
        found.append((Linear.of_examples(*pairs, settings.lead_strength), 1 - share))
    if share > 0:
        found.append((_grow(pairs, trees, settings.lead_leaf, seed, settings), share))
    return tuple(found)


def _pairs_of(judged: Sequence[_Judged]) -> Rows:
    """What leads are learned from: how far each candidate lies above the mean of all."""
    return (
        np.concatenate([one.features for one in judged]),
        np.concatenate([one.known.true - one.known.true.mean() for one in judged]),
        np.concatenate([np.full(len(one.values), one.weight / len(one.values)) for one in judged]),
    )


def _calibrate(
    judged: Sequence[_Judged], share: float, mixed: float, seed: int, settings: FitSettings
) -> dict[str, float]:
    """Quantile of scaled errors, by metric kind; each pseudo-target is judged by forests that never saw its fold."""
    errors: dict[str, list[float]] = {"accuracy": []}
    for fold, held_out in _by_fold(judged):
        rest = [one for one in judged if one.fold != fold] or held_out
        leads = _learn_leads(rest, settings.fold_trees, mixed, seed, settings)
        for one in held_out:
            values = put_in_order(one.values, ask(leads, one.features), share)
            scaled = [abs(v - t) / interval_scale(float(v)) for v, t in zip(values, one.known.true, strict=True)]
            errors.setdefault(one.known.metric.kind, []).extend(scaled)
    widths = {}
    for kind, found in errors.items():
        rank = int(np.ceil((len(found) + 1) * settings.coverage))
        widths[kind] = float(np.sort(found)[rank - 1]) if 0 < rank <= len(found) else 1.0
    return widths


def _by_fold(judged: Sequence[_Judged]) -> Iterator[tuple[int, list[_Judged]]]:
    for fold in sorted({one.fold for one in judged}):
        yield fold, [one for one in judged if one.fold == fold]


def _grow(rows: Rows, trees: int, leaf: int, seed: int, settings: FitSettings) -> Forest:
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415 - only fitting needs it

    forest: Any = ExtraTreesRegressor(
        n_estimators=trees,
        min_samples_leaf=leaf,
        max_depth=settings.depth,
        max_features=settings.features,
        random_state=seed,
        n_jobs=settings.jobs,
    )
    features, learned, weights = rows
    return Forest.of_sklearn(forest.fit(features, learned, sample_weight=weights * len(weights) / weights.sum()))
