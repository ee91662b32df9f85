"""Judging and fitting in the quality benchmark, on numbers whose outcome is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the benchmark needs scipy (extra: examples)")

from benchmarks.quality.fits import fit_default
from benchmarks.quality.judging import bootstrap_difference, judge, mean_judged
from benchmarks.quality.zoo_workloads import group_of, target_group
from msearch_accuracy.fitting import FitSettings, gather
from tests.made_up_accuracy import made_up_workload

_SETTINGS = FitSettings(pseudo_targets=0, trees=4, fold_trees=2, rows_a_pair=6, jobs=1)


def test_a_perfect_estimate_has_no_regret_and_no_error() -> None:
    truth = np.array([0.2, 0.9, 0.5])
    found = judge(truth, truth, estimates=True, inside=np.ones(3))
    assert (found.spearman, found.kendall, found.regret_1, found.top_1, found.mae) == pytest.approx((1, 1, 0, 1, 0))
    assert found.coverage == 1.0


def test_a_reversed_order_loses_the_most() -> None:
    truth = np.array([0.2, 0.9, 0.5])
    found = judge(-truth, truth)
    assert (found.spearman, found.regret_1, found.top_1) == pytest.approx((-1, 0.7, 0))
    assert math.isnan(found.mae)


def test_values_that_are_not_known_rank_last() -> None:
    truth = np.array([0.2, 0.9, 0.5])
    found = judge(np.array([0.1, np.nan, 0.3]), truth, estimates=True)
    assert found.regret_1 == pytest.approx(0.4)
    assert found.mae == pytest.approx(0.15)


def test_means_leave_out_what_is_not_known() -> None:
    truth = np.array([0.2, 0.9])
    mean = mean_judged([judge(truth, truth, estimates=True), judge(truth, truth)])
    assert mean.mae == 0.0
    assert math.isnan(mean.coverage)


def test_the_bootstrap_is_paired_and_over_workloads() -> None:
    first = {"a": [0.9, 0.1] * 10, "b": [0.5] * 5}
    second = {"a": [0.8, 0.0] * 10, "b": [0.5] * 5}
    mean, low, high = bootstrap_difference(first, second)
    # Paired: the same difference everywhere leaves no doubt, however much the targets differ.
    assert (mean, low, high) == pytest.approx((0.05, 0.05, 0.05))


def test_groups_keep_people_and_tasks_apart() -> None:
    assert group_of("activity", "activity-person1-left") == target_group("activity", "person1-right")
    assert group_of("matching", "matching-song") == target_group("matching", "song")
    assert target_group("images", "mnist") == ""


def test_a_default_of_several_workloads_counts_the_evidence_of_all() -> None:
    gathered = {name: gather(made_up_workload(seed=seed), seed, _SETTINGS) for seed, name in enumerate(["one", "two"])}
    found = fit_default(["one", "two"], 0, _SETTINGS, gathered)
    assert found.workloads == ("one", "two")
    assert found.forms["outputs"].pairs == sum(gathered[name]["outputs"].pairs for name in ("one", "two"))
    assert found.records == ()


def test_features_left_out_are_constant() -> None:
    examples = gather(made_up_workload(), 0, _SETTINGS)["outputs"]
    without = examples.without((0, 3))
    assert not without.features[:, [0, 3]].any()
    assert not without.known[0].features[..., [0, 3]].any()
    assert np.array_equal(without.features[:, 1], examples.features[:, 1])


def test_evidence_is_counted_in_models_on_tables_of_others_however_many_targets_are_made_of_them() -> None:
    for settings in (_SETTINGS, FitSettings(pseudo_targets=2)):
        assert gather(made_up_workload(domains=4), 0, settings)["outputs"].pairs == 4 * 3


def test_a_row_has_the_same_number_in_every_table_that_holds_it() -> None:
    workload = made_up_workload(domains=4)
    first, second, *rest = workload.tables
    shared = replace(second, ticks=first.ticks, labels=first.labels)
    examples = gather(replace(workload, tables=(first, shared, *rest)), 0, _SETTINGS)["outputs"]
    numbers = {known.key: set(known.rows.tolist()) for known in examples.known if not known.seen}
    assert numbers["source-0"] & numbers["source-1"]
    assert not numbers["source-0"] & numbers["source-2"]
    assert len(examples.rows) == len(examples.right)
