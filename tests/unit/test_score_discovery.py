"""Scores are found by being there."""

from __future__ import annotations

from importlib import metadata

import pytest

from search_service import scores
from search_service.scores.jaccard import SCORE

EXPECTED = {
    "adaptivity",
    "adaptivity_jsd",
    "adaptivity_paircount",
    "containment",
    "containment_of_source",
    "cosine",
    "coverage_knn",
    "frechet",
    "hellinger",
    "jaccard",
    "jsd",
    "l2",
    "mmd",
    "nearest",
    "source_accuracy",
}


def plug_in(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = metadata.EntryPoint("mine", value, scores.ENTRY_POINT_GROUP)
    monkeypatch.setattr(scores.metadata, "entry_points", lambda group: [point] if group == point.group else [])


def test_every_module_is_found_under_its_own_name() -> None:
    found = scores.find_scores()
    assert set(found) >= EXPECTED
    assert list(found) == sorted(found)
    assert found["jaccard"] is SCORE


def test_a_plug_in_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "no_such_package:SCORE")
    with pytest.raises(RuntimeError, match="no_such_package:SCORE"):
        scores.find_scores()


def test_two_scores_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "search_service.scores.jaccard:SCORE")
    with pytest.raises(RuntimeError, match="two scores are called 'jaccard'"):
        scores.find_scores()


def test_an_entry_point_adds_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "tests.plugged_in_score:SCORE")
    assert "row_ratio" in scores.find_scores()
