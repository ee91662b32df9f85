"""Counting and summing up in the benchmark of few labels."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the benchmark needs scipy (extra: examples)")

from benchmarks.bench_labels import Course, follow_counted, follow_posterior, needed, print_and_keep, run_trial
from benchmarks.bench_labels import Trial as LabelTrial
from benchmarks.quality.target_labels import count_metric
from benchmarks.report import Report
from msearch_accuracy import Metric
from msearch_accuracy.few_labels import Labelling
from msearch_accuracy.foresight import Foresight
from tests.unit.test_few_labels import made_up


def made_up_trial() -> LabelTrial:
    candidates, labels, true = made_up(0, rows=80)
    right = np.tile(true[:, None], (1, 80))
    foresight = Foresight(right, true, true - 0.05, true + 0.05)
    return LabelTrial("made up", Labelling.of(candidates).problem, foresight, labels, Metric(), true)


def test_metrics_are_counted() -> None:
    votes, labels = np.array([[1, 1, 0, 0], [1, 0, 0, -1]]), np.array([1, 0, 1, -1])
    assert count_metric(votes, labels, None).tolist() == [0.25, 0.75]
    assert count_metric(votes, labels, 1).tolist() == [0.5, pytest.approx(2 / 3)]
    assert count_metric(votes[:, :0], labels[:0], None).tolist() == [0, 0]


def test_labels_needed_count_to_the_last_time_above() -> None:
    courses = [Course([0.5, 0.0, 0.2, 0.0, 0.0]), Course([0.0, 0.0, 0.0, 0.0, 0.0]), Course([0.1, 0.0, 0.0, 0.0, 0.0])]
    assert needed(courses, 4) == 1
    assert math.isinf(needed([Course([0.1] * 5)], 4))


def test_courses_begin_without_labels_and_end_at_the_truth() -> None:
    trial = made_up_trial()
    counted = follow_counted(trial, np.arange(80), 80)
    assert counted.regrets[0] == pytest.approx(trial.truth.max() - trial.truth.mean())
    assert counted.regrets[-1] == 0
    asked = follow_posterior(trial, None, 80, 0)
    assert len(asked.regrets) == len(asked.inside) == len(asked.sure) == 81
    assert asked.regrets[0] == 0
    assert asked.inside[0] == 1
    assert asked.regrets[-1] == 0
    assert asked.stopped is not None
    assert asked.stopped[0] < 40


def test_what_is_printed_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    courses = run_trial(made_up_trial(), 15, 0)
    assert {len(several[0].regrets) for several in courses.values()} == {16}
    report = Report("labels", quick=True)
    print_and_keep({"images": courses, "topics": courses}, report, 15)
    printed = capsys.readouterr().out
    assert "share of the 90 % intervals that hold the truth" in printed
    assert report.figures["coverage: mean"].keys() == {"0", "5", "10"}
    assert report.figures["coverage: mean"]["0"] == 1
    assert report.figures["asked for, posterior: mean"]["0"] == 0
    assert {bar.name for bar in report.bars} == {
        "labels_wrong_winners",
        "labels_interval_coverage_low",
        "labels_regret_20_of_random",
    }
