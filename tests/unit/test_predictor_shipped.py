"""The default predictor that ships with the package."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from msearch_accuracy import default_predictor, predict
from msearch_accuracy.predictor import FORMS
from msearch_accuracy.shipped import FIGURES, FILE
from tests.made_up_accuracy import made_up_target


def test_it_is_small_trusted_and_of_this_version() -> None:
    assert len(FILE.read_bytes()) < 5_000_000
    predictor = default_predictor()
    assert predictor.trusted
    assert predictor.workloads == ("images", "activity", "sentiment", "topics", "matching")
    assert all(form.widths.keys() == {"accuracy", "f1"} for form in predictor.forms.values())


def test_it_orders_candidates_of_a_kind_it_has_never_seen() -> None:
    found, reached = [], []
    for domain in (0, 2, 5):
        candidates, target, true = made_up_target(domain)
        found.append([prediction.accuracy for prediction in predict(default_predictor(), candidates, target)])
        reached.append(true)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(np.array(found, float), reached, strict=True)]
    assert np.mean(correlations) > 0.8


def test_what_it_reaches_on_unseen_workloads_is_beside_it() -> None:
    figures = json.loads(FIGURES.read_text())["each workload judged by a predictor of the other four"]
    assert figures.keys() == set(default_predictor().workloads)
    for forms in figures.values():
        assert forms.keys() == set(FORMS)
        assert all(-1 <= form["spearman"] <= 1 and form["regret_1"] >= 0 for form in forms.values())


def test_predicting_needs_no_scikit_learn() -> None:
    program = (
        "import sys, msearch_accuracy, msearch_accuracy.fitting, msearch_accuracy.behaviour as behaviour\n"
        "behaviour.find_behaviour_scores(); msearch_accuracy.default_predictor()\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'sklearn', 'scipy', 'grpc', 'sqlalchemy'}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
