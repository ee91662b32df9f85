"""Predictors for the benchmark, each fitted without what it is judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.quality.zoo_workloads import Bench, Target
from msearch_accuracy.fitting import Examples, FitSettings, Workload, fit_form, gather
from msearch_accuracy.gathering import deal
from msearch_accuracy.predictor import FORMS, Form, FormPredictor, Predictor
from msearch_accuracy.pseudo_targets import records_of
from msearch_accuracy.stacking import moments_of

FOLDS = 4
QUICK = FitSettings(
    pseudo_targets=0, trees=10, fold_trees=5, lead_trees=10, rows_a_pair=8, most_rows=3_000, most_rows_of_several=1_000
)
"""For runs that only show that a benchmark works."""
Gathered = Mapping[str, Mapping[Form, Examples]]
"""Examples by workload."""


@dataclass(slots=True)
class OwnPredictors:
    """Predictors on a workload's own cross-evaluations, by fold of the targets' groups."""

    by_fold: dict[int, Predictor]
    folds: dict[str, int]

    def of(self, target: Target) -> Predictor:
        """The one that saw no table of the target's group."""
        return self.by_fold[self.folds.get(target.group, 0)]


def fit_own(bench: Bench, seed: int, settings: FitSettings, gathered: Gathered) -> OwnPredictors:
    """Fits on cross-evaluations. Where the claim is about new groups, the tables of a fold's groups are left out."""
    folds = deal([target.group for target in bench.targets if target.group], FOLDS)
    if not folds:
        return OwnPredictors({0: fit_evidence(bench.workload, gathered[bench.name], seed, settings)}, {})
    by_fold = {}
    for fold in range(FOLDS):
        kept = tuple(table for table in bench.workload.tables if folds.get(table.group) != fold)
        rest = replace(bench.workload, tables=kept)
        by_fold[fold] = fit_evidence(rest, gather(rest, seed, settings), seed, settings)
    return OwnPredictors(by_fold, folds)


def fit_evidence(workload: Workload, drawn: Mapping[Form, Examples], seed: int, settings: FitSettings) -> Predictor:
    """A predictor on a workload's gathered examples that knows its models again, as `fitting.fit` gives it."""
    forms: dict[Form, FormPredictor] = {
        form: fit_form([drawn[form]], seed, settings, form=form, by_workload=False) for form in FORMS
    }
    return Predictor(forms, (workload.name,), tuple(records_of(workload)), tuple(moments_of(workload)))


def fit_default(workloads: Sequence[str], seed: int, settings: FitSettings, gathered: Gathered) -> Predictor:
    """The default predictor on these workloads' evidence; intervals from whole workloads left out."""
    forms: dict[Form, FormPredictor] = {
        form: fit_form([gathered[name][form] for name in workloads], seed, settings, form=form, by_workload=True)
        for form in FORMS
    }
    return Predictor(forms, tuple(workloads))
