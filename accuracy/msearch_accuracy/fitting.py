"""Fits the predictor on cross-evaluations: models run on labelled samples that are not their own.

Tables of one source hardly show a shift of classes or a mixture, yet targets do. So each labelled table also yields
pseudo-targets: skewed subsets of its classes, and mixtures with other tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.evidence import CandidateEvidence, Coreset, TargetEvidence
from msearch_accuracy.forest import Forest
from msearch_accuracy.metrics import Metric
from msearch_accuracy.predictor import FORMS, Form, FormPredictor, Predictor, interval_scale
from msearch_accuracy.problem import Problem, pose
from msearch_accuracy.row_features import FEATURES, row_features
from msearch_accuracy.witnesses import hear

Rows = NDArray[np.int64]

_FEWEST_CANDIDATES = 3
_FEWEST_ROWS = 25
_MOST_ROWS = 300


@dataclass(frozen=True, slots=True, eq=False)
class KnownModel:
    """A registered model. Models of one `group` never judge, nor are judged on, a table of that group."""

    name: str
    group: str
    classes: tuple[str, ...]
    source: Coreset | None
    accuracy: float | None
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTable:
    """A labelled sample with the outputs of models on it: rows [n, d] in ticks, labels [n], probabilities by model."""

    group: str
    ticks: NDArray[Any]
    labels: NDArray[Any]
    probabilities: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Models of one kind and the labelled tables they were run on."""

    name: str
    models: tuple[KnownModel, ...]
    tables: tuple[LabelledTable, ...]
    metric: Metric = field(default_factory=Metric)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How much evidence is drawn and how the forest grows."""

    pseudo_targets: int = 4
    rows_a_pair: int = 25
    judged_rows: int = 120
    trees: int = 60
    fold_trees: int = 12
    folds: int = 3
    leaf: int = 12
    depth: int = 14
    features: float = 0.25
    coverage: float = 0.9
    most_rows: int = 32_000
    most_rows_of_several: int = 12_000
    jobs: int = 2


@dataclass(slots=True, eq=False)
class Examples:
    """Rows to learn from, and pairs (candidate, table) to calibrate on; `fold_key` says what belongs together."""

    features: NDArray[np.float32]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]
    keys: NDArray[Any]
    pairs: list[tuple[str, NDArray[np.float32], NDArray[np.int64], tuple[str, ...], float, Metric]]


def fit(workloads: Sequence[Workload], seed: int = 0, settings: FitSettings = FitSettings()) -> Predictor:
    """Fits both forms. Intervals are calibrated on groups, or with several workloads on whole workloads, left out.

    Raises:
        AccuracyError: there is no cross-evaluation, as with a single source.
    """
    forms: dict[Form, FormPredictor] = {}
    for form in FORMS:
        drawn = [gather(workload, form, seed, settings) for workload in workloads]
        forms[form] = fit_form(drawn, seed, settings, by_workload=len(workloads) > 1)
    return Predictor(forms, tuple(workload.name for workload in workloads))


def fit_form(
    drawn: Sequence[Examples], seed: int, settings: FitSettings = FitSettings(), *, by_workload: bool
) -> FormPredictor:
    """Fits one form on gathered examples."""
    drawn = [examples for examples in drawn if len(examples.right)]
    if not drawn:
        raise AccuracyError(
            "there is no cross-evaluation to learn from: models of at least two sources with labelled validation "
            "samples of the same classes are needed, each run on the other's sample"
        )
    most = settings.most_rows_of_several if by_workload else settings.most_rows
    drawn = [_thin(examples, most, seed) for examples in drawn]
    features = np.concatenate([examples.features for examples in drawn])
    right = np.concatenate([examples.right for examples in drawn])
    # Each workload counts the same, however many models it has.
    weights = np.concatenate([examples.weights / examples.weights.sum() for examples in drawn])
    folds = _fold(drawn, settings.folds, by_workload=by_workload)
    row_folds = np.concatenate([[folds[place][key] for key in e.keys] for place, e in enumerate(drawn)]).astype(int)
    widths = _calibrate(drawn, folds, (features, right, weights, row_folds), seed, settings)
    forest = _grow(features, right, weights, trees=settings.trees, seed=seed, settings=settings)
    typical = np.average(features, axis=0, weights=weights).astype(np.float32)
    return FormPredictor(((forest, 1.0),), typical, widths, sum(len(examples.pairs) for examples in drawn))


def gather(workload: Workload, form: Form, seed: int, settings: FitSettings = FitSettings()) -> Examples:
    """Cross-evaluates a workload on its tables and on pseudo-targets made of them."""
    random = np.random.default_rng(seed)
    features, right, weights, keys = [], [], [], []
    pairs = []
    for groups, target, labels, outputs in _pseudo_targets(workload, random, settings):
        candidates = [
            CandidateEvidence(
                model.name,
                model.classes,
                outputs[model.name],
                model.source,
                model.accuracy,
                model.temperature,
            )
            for model in workload.models
            if model.group not in groups and model.name in outputs
        ]
        if len(candidates) < _FEWEST_CANDIDATES:
            continue
        key = min(groups)
        problem = pose(candidates, target, run=True)
        values = row_features(*_heard(problem if form == "outputs" else _by_sources(candidates, target)))
        if form == "signatures":
            # What is predicted are the models' own hits; what speaks are their sources.
            names = [c.name for c in candidates if c.source is not None and c.name in problem.names]
        else:
            names = list(problem.names)
        hits = problem.votes == np.array([_place(problem.classes, label) for label in labels])[None]
        chosen = random.permutation(len(labels))
        few, many = chosen[: settings.rows_a_pair], chosen[: settings.judged_rows]
        by_name = {name: place for place, name in enumerate(problem.names)}
        for place, name in enumerate(names):
            at = by_name[name]
            features.append(values[place, few])
            right.append(hits[at, few])
            keys += [key] * len(few)
            weights.append(np.full(len(few), 1 / (len(few) * len(names))))
            true = workload.metric.expect(
                hits[at].astype(float), problem.votes[at], problem.classes, np.ones(len(labels))
            )
            pairs.append((key, values[place, many], problem.votes[at, many], problem.classes, true, workload.metric))
    width = len(FEATURES)
    return Examples(
        np.concatenate([np.zeros((0, width), np.float32), *features]),
        np.concatenate([np.zeros(0, bool), *right]),
        np.concatenate([np.zeros(0), *weights]),
        np.array(keys),
        pairs,
    )


def _thin(examples: Examples, most: int, seed: int) -> Examples:
    """At most `most` rows, drawn evenly; all pairs."""
    count = len(examples.right)
    if count <= most:
        return examples
    kept = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return Examples(
        examples.features[kept], examples.right[kept], examples.weights[kept], examples.keys[kept], examples.pairs
    )


def _by_sources(candidates: Sequence[CandidateEvidence], target: TargetEvidence) -> Problem:
    return pose([candidate for candidate in candidates if candidate.source is not None], target, run=False)


def _heard(problem: Problem) -> tuple[Problem, Any]:
    return problem, hear(problem)


def _place(classes: tuple[str, ...], label: Any) -> int:
    return classes.index(label) if label in classes else -1


def _pseudo_targets(
    workload: Workload, random: np.random.Generator, settings: FitSettings
) -> Iterator[tuple[frozenset[str], TargetEvidence, list[Any], dict[str, NDArray[Any]]]]:
    """Each table, then skewed subsets and mixtures: their groups, rows, labels and outputs."""
    tables = workload.tables
    for table in tables:
        yield _join([(table, random.permutation(len(table.labels))[: 2 * _MOST_ROWS])])
    for table in tables:
        others = [other for other in tables if other.group != table.group]
        for _ in range(settings.pseudo_targets):
            kind = int(random.integers(3))
            if kind == 0 or len(others) < kind:
                parts = [(table, _skew(table, random))]
            else:
                mixed = [table, *(others[place] for place in random.choice(len(others), kind, replace=False))]
                parts = [
                    (
                        part,
                        random.permutation(len(part.labels))[: int(_MOST_ROWS * random.uniform(0.2, 1) / len(mixed))],
                    )
                    for part in mixed
                ]
            if sum(len(rows) for _, rows in parts) >= _FEWEST_ROWS:
                yield _join(parts)


def _skew(table: LabelledTable, random: np.random.Generator) -> Rows:
    """Rows of a table with class shares drawn from a Dirichlet distribution."""
    names, labels = np.unique(np.asarray(table.labels, str), return_inverse=True)
    shares = random.dirichlet(np.full(len(names), 0.5))
    chances = (shares / np.bincount(labels))[labels]
    count = min(len(labels), _MOST_ROWS)
    return np.unique(random.choice(len(labels), count, p=chances / chances.sum()))


def _join(
    parts: Sequence[tuple[LabelledTable, Rows]],
) -> tuple[frozenset[str], TargetEvidence, list[Any], dict[str, NDArray[Any]]]:
    shared = set.intersection(*[set(table.probabilities) for table, _ in parts])
    outputs = {
        name: np.concatenate([table.probabilities[name][rows] for table, rows in parts])
        for name in parts[0][0].probabilities
        if name in shared
    }
    ticks = np.concatenate([table.ticks[rows] for table, rows in parts])
    labels = [table.labels[row] for table, rows in parts for row in rows]
    return frozenset(table.group for table, _ in parts), TargetEvidence(ticks), labels, outputs


def _fold(drawn: Sequence[Examples], folds: int, *, by_workload: bool) -> list[dict[str, int]]:
    """The fold of each key: whole workloads, or groups dealt out in turn."""
    named = [sorted({*examples.keys.tolist(), *(pair[0] for pair in examples.pairs)}) for examples in drawn]
    if by_workload:
        return [dict.fromkeys(keys, place) for place, keys in enumerate(named)]
    return [{key: place % folds for place, key in enumerate(keys)} for keys in named]


def _calibrate(
    drawn: Sequence[Examples],
    folds: Sequence[dict[str, int]],
    rows: tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]],
    seed: int,
    settings: FitSettings,
) -> dict[str, float]:
    """Quantile of scaled errors, by metric kind, each pair judged by a forest that never saw its fold."""
    features, right, weights, row_folds = rows
    errors: dict[str, list[float]] = {"accuracy": []}
    for fold in sorted(set(row_folds.tolist())):
        seen = row_folds != fold
        if not seen.any():
            continue
        forest = _grow(
            features[seen], right[seen], weights[seen], trees=settings.fold_trees, seed=seed, settings=settings
        )
        for place, examples in enumerate(drawn):
            pairs = [pair for pair in examples.pairs if folds[place][pair[0]] == fold]
            if not pairs:
                continue
            chances = forest.predict(np.concatenate([pair[1] for pair in pairs]))
            ends = np.cumsum([len(pair[1]) for pair in pairs])[:-1]
            for (_, _, votes, classes, true, metric), chance in zip(pairs, np.split(chances, ends), strict=True):
                value = metric.expect(chance, votes, classes, np.ones(len(votes)))
                errors.setdefault(metric.kind, []).append(abs(value - true) / interval_scale(value))
    widths = {}
    for kind, found in errors.items():
        rank = int(np.ceil((len(found) + 1) * settings.coverage))
        widths[kind] = float(np.sort(found)[rank - 1]) if 0 < rank <= len(found) else 1.0
    return widths


def _grow(
    features: NDArray[np.float32],
    right: NDArray[np.bool_],
    weights: NDArray[np.float64],
    *,
    trees: int,
    seed: int,
    settings: FitSettings,
) -> Forest:
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415 - only fitting needs it

    forest = ExtraTreesClassifier(
        n_estimators=trees,
        min_samples_leaf=settings.leaf,
        max_depth=settings.depth,
        max_features=settings.features,
        random_state=seed,
        n_jobs=settings.jobs,
    )
    fitted = forest.fit(features, right, sample_weight=weights * len(weights) / weights.sum())
    return Forest.of_sklearn(fitted)
