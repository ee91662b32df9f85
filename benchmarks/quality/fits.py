"""Predictors for the benchmark, each fitted without what it is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.quality.zoo_workloads import Bench, Target
from msearch_accuracy.fitting import Examples, FitSettings, Workload, fit_form, gather
from msearch_accuracy.predictor import FORMS, Form, FormPredictor, Predictor

FOLDS = 4
Key = tuple[str, Form]


@dataclass(slots=True)
class OwnPredictors:
    """Predictors on a workload's own cross-evaluations, by fold of the targets' groups."""

    by_fold: dict[int, Predictor]
    folds: dict[str, int]

    def of(self, target: Target) -> Predictor:
        """The one that saw no table of the target's group."""
        return self.by_fold[self.folds.get(target.group, 0)]


def fit_own(bench: Bench, seed: int, settings: FitSettings, gathered: dict[Key, Examples]) -> OwnPredictors:
    """Fits on cross-evaluations. Where the claim is about new groups, the tables of a fold's groups are left out."""
    groups = sorted({target.group for target in bench.targets if target.group})
    if not groups:
        forms = {form: fit_form([gathered[bench.name, form]], seed, settings, by_workload=False) for form in FORMS}
        return OwnPredictors({0: Predictor(forms, (bench.name,))}, {})
    folds = {group: place % FOLDS for place, group in enumerate(groups)}
    by_fold = {}
    for fold in range(FOLDS):
        kept = tuple(table for table in bench.workload.tables if folds.get(table.group) != fold)
        rest = replace(bench.workload, tables=kept)
        drawn = {form: gather(rest, form, seed, settings) for form in FORMS}
        forms = {form: fit_form([drawn[form]], seed, settings, by_workload=False) for form in FORMS}
        by_fold[fold] = Predictor(forms, (bench.name,))
    return OwnPredictors(by_fold, folds)


def fit_default(workloads: Sequence[str], seed: int, settings: FitSettings, gathered: dict[Key, Examples]) -> Predictor:
    """The default predictor on these workloads' evidence; intervals from whole workloads left out."""
    forms: dict[Form, FormPredictor] = {
        form: fit_form([gathered[name, form] for name in workloads], seed, settings, by_workload=len(workloads) > 1)
        for form in FORMS
    }
    return Predictor(forms, tuple(workloads))


def without_groups(examples: Examples, columns: Sequence[int]) -> Examples:
    """Examples with some features made constant, for the ablation."""
    features = examples.features.copy()
    features[:, list(columns)] = 0
    return Examples(features, examples.right, examples.weights, examples.keys, [])


def plain(workload: Workload, form: Form, seed: int, settings: FitSettings) -> Examples:
    """Cross-evaluations on whole tables alone, without pseudo-targets."""
    return gather(workload, form, seed, replace(settings, pseudo_targets=0))


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` positions, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
