"""What each part of the predictor is worth: own evidence, each time without one thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from benchmarks.quality.fits import Gathered
from benchmarks.quality.judging import Judged, mean_judged
from benchmarks.quality.predicting import judge_predictor
from benchmarks.quality.zoo_workloads import Bench
from msearch_accuracy import Predictor, TargetEvidence
from msearch_accuracy.fitting import Examples, FitSettings, fit_form, gather
from msearch_accuracy.predictor import FORMS, Form
from msearch_accuracy.pseudo_targets import records_of
from msearch_accuracy.row_features import GROUPS
from msearch_accuracy.stacking import moments_of

Ablation = dict[str, dict[str, Judged]]
"""Means over targets by what was left out and workload."""


def ablate(pool: Executor, benches: Mapping[str, Bench], gathered: Gathered, settings: FitSettings) -> Ablation:
    """On the workloads where no group is left out. All variants have the same few trees."""
    few = replace(settings, trees=20, fold_trees=10, lead_trees=30, most_rows=12_000, jobs=1)
    asked = [name for name, bench in benches.items() if not any(target.group for target in bench.targets)]
    tasks = [pool.submit(_ablate_one, benches[name], gathered[name], few) for name in asked]
    found: Ablation = defaultdict(dict)
    for name, task in zip(asked, tasks, strict=True):
        for variant, judged in task.result().items():
            found[variant][name] = judged
    return found


def _ablate_one(bench: Bench, full: Mapping[Form, Examples], settings: FitSettings) -> dict[str, Judged]:
    plain = gather(bench.workload, 0, replace(settings, pseudo_targets=0))
    return {
        f"{form}: {variant}": _judge(bench, form, examples, share, settings)
        for form in FORMS
        for variant, examples, share in _variants(full[form], plain[form])
    }


def _variants(full: Examples, plain: Examples) -> Sequence[tuple[str, Examples, float | None]]:
    """Name, examples, and the share of the learned leads where it is not the fitted one."""
    return [
        ("everything", full, None),
        *((f"without {group}", full.without(columns), None) for group, columns in GROUPS.items()),
        ("without pseudo-targets", plain, None),
        ("without leads", full, 0.0),
    ]


def _judge(bench: Bench, form: Form, examples: Examples, share: float | None, settings: FitSettings) -> Judged:
    fitted = fit_form([examples], 0, settings, form=form, by_workload=False)
    if share is not None:
        fitted = replace(fitted, lead_share=share)
    known = tuple(records_of(bench.workload)), tuple(moments_of(bench.workload))
    predictor = Predictor({form: fitted}, (), *known)
    run = form == "outputs"
    return mean_judged(
        [judge_predictor(bench, t, predictor, TargetEvidence(t.ticks), run=run)[0] for t in bench.targets]
    )
