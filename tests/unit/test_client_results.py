"""Results: how they print and convert, and lists that come page by page."""

from __future__ import annotations

import dataclasses
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from msearch_client import (
    Artifact,
    Candidate,
    Exclusion,
    Filter,
    Listing,
    LocalError,
    Metric,
    Modality,
    Model,
    Ranking,
    Score,
    Scores,
    ScoreValue,
    Tensor,
    WeightedScore,
)
from msearch_client._listing import Page
from msearch_client._searching import _collect, weigh

TIME = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def make_model(name: str = "digits", **fields: Any) -> Model:
    values: dict[str, Any] = {
        "id": f"id-{name}", "name": name, "version": "1", "description": "reads digits", "licence": "MIT",
        "tags": ("a", "b"), "task": "classification", "modality": Modality.IMAGE, "classes": ("0", "1"),
        "metrics": (Metric(name="accuracy", value=0.9),), "parent": "", "artifact": Artifact(format="onnx"),
        "inputs": (Tensor(name="x", element_type="float32", shape=("batch", 1, None)),), "outputs": (),
        "dataset_id": "d", "card_json": "", "created_at": TIME, "updated_at": TIME, "revision": 1,
    }  # fmt: skip
    return Model(**(values | fields))


def make_candidate(rank: int, name: str = "digits", nearest: float | None = 0.25) -> Candidate:
    scores = (
        ScoreValue(score="adaptivity", value=1 / rank, support=1600),
        ScoreValue(score="nearest", value=nearest, detail="" if nearest else "no coreset"),
    )
    return Candidate(rank=rank, model=make_model(name), dataset_name="mnist", scores=scores, ranking_value=1 / rank)


def make_ranking(count: int = 2, **fields: Any) -> Ranking:
    values: dict[str, Any] = {
        "candidates": tuple(make_candidate(rank) for rank in range(1, count + 1)), "total": count,
        "order_by": (WeightedScore("adaptivity"),), "space_digest": "ab" * 32, "target_row_count": 500,
    }  # fmt: skip
    return Ranking(**(values | fields))


def test_a_ranking_prints_as_a_short_table() -> None:
    candidates = (make_candidate(1, "digits-with-a-very-long-name-that-nobody-reads"), make_candidate(2, nearest=None))
    text = repr(make_ranking(candidates=candidates, notices=("the target is small",)))
    assert text.splitlines() == [
        "Ranking of 2 for 500 rows by adaptivity",
        "   model                                     dataset  adaptivity  nearest",
        "1  digits-with-a-very-long-name-that-nob...  mnist        1.0000   0.2500",
        "2  digits@1                                  mnist        0.5000        -",
        "note: the target is small",
    ]


def test_a_long_ranking_prints_its_beginning() -> None:
    lines = repr(make_ranking(100)).splitlines()
    assert len(lines) < 30
    assert lines[-1] == "... 80 more"


def test_an_empty_ranking_has_no_best() -> None:
    ranking = make_ranking(0)
    assert ranking.best is None
    assert (len(ranking), list(ranking), ranking.to_dicts()) == (0, [], [])
    assert "Ranking of 0" in repr(ranking)


def test_a_ranking_is_a_sequence_of_candidates() -> None:
    ranking = make_ranking(3)
    assert ranking.best is ranking[0]
    assert [candidate.rank for candidate in ranking] == [1, 2, 3]
    assert ranking[1].score("adaptivity") == 0.5
    with pytest.raises(KeyError, match="adaptivity, nearest"):
        ranking[0].score("mmd")


def test_dictionaries_are_json() -> None:
    ranking = make_ranking(2, exclusions=(Exclusion(criterion="tasks", count=3, detail="another task"),))
    document = json.loads(json.dumps(ranking.to_dict(), allow_nan=False))
    assert document["candidates"][0]["model"]["created_at"] == "2026-03-01T12:30:00+00:00"
    assert document["candidates"][0]["model"]["inputs"][0]["shape"] == ["batch", 1, None]
    assert document["exclusions"] == [{"criterion": "tasks", "count": 3, "detail": "another task"}]
    assert "signature" not in document


def test_a_frame_has_a_column_a_score() -> None:
    frame = make_ranking(2).to_pandas()
    assert frame["adaptivity"].tolist() == [1.0, 0.5]
    assert frame["model"].tolist() == ["digits", "digits"]
    assert frame["modality"].tolist() == ["image", "image"]


def test_a_frame_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(LocalError, match="needs pandas"):
        make_ranking().to_pandas()


def test_results_are_frozen_and_travel() -> None:
    model = make_model()
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.name = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(model)) == model
    assert repr(model) == "Model(digits@1, classification, image, onnx)"


def test_a_filter_takes_a_lone_string_for_one_value() -> None:
    kept = Filter(tasks="classification", modalities="time-series", tags=["a"])  # type: ignore[arg-type]
    assert kept == Filter(tasks=("classification",), modalities=(Modality.TIME_SERIES,), tags=("a",))
    with pytest.raises(LocalError, match="modality 'sound' is unknown"):
        Filter(modalities=("sound",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), ()),
        ("mmd", (WeightedScore("mmd"),)),
        ({"mmd": 2.0, "l2": 1.0}, (WeightedScore("mmd", 2.0), WeightedScore("l2", 1.0))),
        ([WeightedScore("l2", 3.0)], (WeightedScore("l2", 3.0),)),
    ],
)
def test_orders_may_be_given_in_several_ways(given: Any, expected: Any) -> None:
    assert weigh(given) == expected


def test_scores_are_found_by_name() -> None:
    score = Score(
        name="mmd",
        summary="",
        formula="",
        source="",
        lowest=None,
        highest=0.0,
        higher_is_better=True,
        support_unit="rows",
    )
    scores = Scores(scores=(score,), default_order_by=(WeightedScore("mmd"),))
    assert scores["mmd"] is score
    assert (len(scores), list(scores)) == (1, [score])
    assert scores.to_pandas()["name"].tolist() == ["mmd"]
    with pytest.raises(KeyError, match="only mmd"):
        scores["l2"]


class Pages:
    """Numbered models in pages of two, counting how often a page is fetched."""

    def __init__(self, count: int) -> None:
        self.models = [make_model(f"m{number}") for number in range(count)]
        self.fetched: list[str] = []

    def __call__(self, token: str) -> Page[Model]:
        self.fetched.append(token)
        start = int(token or 0)
        end = min(start + 2, len(self.models))
        return Page(tuple(self.models[start:end]), str(end) if end < len(self.models) else "", len(self.models))


def test_a_listing_fetches_each_page_once_and_only_when_needed() -> None:
    pages = Pages(5)
    listing = Listing(pages)
    assert pages.fetched == []
    assert len(listing) == listing.total == 5
    assert listing[1].name == "m1"
    assert pages.fetched == [""]
    assert [model.name for model in listing] == [model.name for model in listing] == ["m0", "m1", "m2", "m3", "m4"]
    assert pages.fetched == ["", "2", "4"]
    assert listing[-1].name == "m4"
    assert len(listing.to_dicts()) == len(listing.to_pandas()) == 5
    with pytest.raises(IndexError):
        listing[5]


def test_an_empty_listing() -> None:
    listing = Listing(Pages(0))
    assert (list(listing), len(listing), listing.to_dicts()) == ([], 0, [])
    assert repr(listing) == "Listing of 0:"


def test_a_listing_prints_its_beginning() -> None:
    lines = repr(Listing(Pages(12))).splitlines()
    assert lines[0] == "Listing of 12:"
    assert lines[-1] == "  ... 2 more"


@pytest.mark.parametrize(("top", "expected"), [(1, 1), (1000, 1000), (1500, 1500), (None, 2300), (5000, 2300)])
def test_a_search_collects_as_many_pages_as_it_takes(top: int | None, expected: int) -> None:
    sizes = []

    def fetch(size: int, token: str) -> Ranking:
        sizes.append(size)
        start = int(token or 0)
        end = min(start + size, 2300)
        candidates = tuple(make_candidate(rank) for rank in range(start + 1, end + 1))
        return make_ranking(candidates=candidates, total=2300, next_page_token=str(end) if end < 2300 else "")

    ranking = _collect(fetch, top)
    assert [candidate.rank for candidate in ranking] == list(range(1, expected + 1))
    assert len(set(sizes)) == 1


def test_a_search_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="top must be 1 or more"):
        _collect(lambda size, token: make_ranking(), 0)
