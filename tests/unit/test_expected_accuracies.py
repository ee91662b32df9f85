"""Which accuracy a recommendation expects: predictions and claims never stand in one choice."""

from __future__ import annotations

from dataclasses import dataclass

from msearch_client import AccuracyPrediction, ScoreValue
from msearch_client._accuracies import CLAIM, accuracies, settle
from msearch_deployment import Wish


@dataclass
class Named:
    id: str


@dataclass
class Ranked:
    """What matters of a candidate."""

    model: Named
    scores: tuple[ScoreValue, ...]
    prediction: AccuracyPrediction | None


def ranked(id: str, claim: float | None, predicted: float | None, form: str = "signatures") -> Ranked:
    prediction = AccuracyPrediction(
        accuracy=predicted, low=None if predicted is None else predicted - 0.1,
        high=None if predicted is None else predicted + 0.1, form=form, evidence_count=9, predictor_version="x",
    )  # fmt: skip
    return Ranked(Named(id), (ScoreValue(score=CLAIM, value=claim),), prediction)


def test_claims_stand_in_only_where_nothing_is_predicted() -> None:
    both = accuracies([ranked("a", 0.99, 0.6), ranked("b", 0.98, None)])
    assert {name: (one.value, one.origin) for name, one in both.items()} == {"a": (0.6, "predicted")}
    claimed = accuracies([ranked("a", 0.99, None), ranked("b", None, None)])
    assert {name: (one.value, one.origin) for name, one in claimed.items()} == {"a": (0.99, "claimed")}


def test_the_accuracy_decides_where_it_is_predicted_and_the_place_where_it_is_claimed() -> None:
    wish, notices = settle(Wish(prefer=""), [ranked("a", 0.9, None)])
    assert wish.prefer == "place"
    assert "claimed" in notices[0]
    wish, notices = settle(Wish(prefer=""), [ranked("a", 0.9, 0.7)])
    assert wish.prefer == "accuracy"
    assert "from signatures alone" in notices[0]
    wish, notices = settle(Wish(prefer=""), [ranked("a", 0.9, 0.7, "outputs")])
    assert (wish.prefer, notices) == ("accuracy", ())
    assert settle(Wish(prefer="replicas"), [ranked("a", 0.9, 0.7)])[0].prefer == "replicas"
