"""Rankings with predicted accuracies and behaviour scores, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import types_pb2
from msearch_accuracy import FormPredictor
from msearch_accuracy.behaviour import find_behaviour_scores
from msearch_sketch.sketcher import Sketcher
from search_service.usecases import forecasting
from search_service.usecases.predictors import the_default
from tests.evaluation_at_work import SmallRegistry
from tests.forecasts_at_work import (
    MadeUpTarget,
    fill_made_up,
    made_up_signature,
    put_target,
    rank,
    register_made_up,
    run_all,
    ticks_of,
)
from tests.made_up_accuracy import CLASSES, outputs
from tests.service_in_process import card, header, names, refusal, service_in_process
from tests.signatures import SPACE


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SmallRegistry]:
    """Six models of six domains."""
    with service_in_process(tmp_path) as running:
        yield fill_made_up(running)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallRegistry]:
    """One that no test changes."""
    with service_in_process(tmp_path_factory.mktemp("idle")) as running:
        yield fill_made_up(running)


@pytest.fixture(scope="module")
def ran(idle: SmallRegistry) -> MadeUpTarget:
    """A target of domain 1 that all six models were run on."""
    target = put_target(idle, 1)
    run_all(idle, target, 1)
    return target


def predicted(ranking: spb.Ranking) -> dict[str, float]:
    return {
        one.model.name: one.prediction.accuracy for one in ranking.candidates if one.prediction.HasField("accuracy")
    }


def test_signatures_alone_order_candidates(idle: SmallRegistry) -> None:
    target = put_target(idle, 2)
    ranking = rank(idle, target)
    assert set(names(ranking)[:3]) <= {"model-1", "model-2", "model-3"}, "the domains around the target's"
    values = [one.prediction.accuracy for one in ranking.candidates]
    assert values == sorted(values, reverse=True)
    for one in ranking.candidates:
        found = one.prediction
        assert found.low <= found.accuracy <= found.high
        assert (found.form, found.predictor_version) == ("signatures", "default")
        assert found.evidence_count > 20
        assert not found.contributions, "only with explain"
        assert one.ranking_value == found.accuracy
        (score,) = one.scores
        assert (score.score, score.value) == ("predicted_accuracy", found.accuracy)
    assert not ranking.notices


def test_outputs_tell_more_than_signatures(idle: SmallRegistry, ran: MadeUpTarget) -> None:
    ranking = rank(idle, ran, sample_id=ran.sample.id)
    assert names(ranking)[0] == ran.best == "model-1"
    assert {one.prediction.form for one in ranking.candidates} == {"outputs"}
    errors = [abs(ran.true[name] - value) for name, value in predicted(ranking).items()]
    assert np.mean(errors) < 0.15
    without = rank(idle, ran)
    assert {one.prediction.form for one in without.candidates} == {"signatures"}, "outputs count where they are named"


def test_predictions_can_be_shown_in_any_order(idle: SmallRegistry, ran: MadeUpTarget) -> None:
    plain = rank(idle, ran, "adaptivity")
    assert not any(one.HasField("prediction") for one in plain.candidates)
    shown = rank(idle, ran, "adaptivity", predict_accuracy=True, sample_id=ran.sample.id)
    assert names(shown) == names(plain)
    assert predicted(shown) == predicted(rank(idle, ran, sample_id=ran.sample.id))
    named = rank(idle, ran, "adaptivity", scores=["predicted_accuracy"], sample_id=ran.sample.id)
    assert predicted(named) == predicted(shown)


def test_pages_tell_the_same_as_one_list(idle: SmallRegistry, ran: MadeUpTarget) -> None:
    whole = rank(idle, ran, sample_id=ran.sample.id)
    first = rank(idle, ran, sample_id=ran.sample.id, page_size=2)
    second = rank(idle, ran, sample_id=ran.sample.id, page_size=2, page_token=first.next_page_token)
    assert names(first) + names(second) == names(whole)[:4]
    assert predicted(first) | predicted(second) == dict(list(predicted(whole).items())[:4])


def test_explained_predictions_say_what_spoke(idle: SmallRegistry, ran: MadeUpTarget) -> None:
    ranking = rank(idle, ran, sample_id=ran.sample.id, explain=True)
    for one in ranking.candidates:
        changes = [part.change for part in one.prediction.contributions]
        assert changes
        assert changes == sorted(changes, key=abs, reverse=True)
        assert "own outputs" in {part.evidence for part in one.prediction.contributions}


def test_behaviour_scores_are_listed_and_computed(idle: SmallRegistry, ran: MadeUpTarget) -> None:
    listed = {score.name: score for score in idle.running.search.ListScores(spb.ListScoresRequest()).scores}
    usable = [
        name for name, score in find_behaviour_scores().items() if not {"labels", "features"} & set(score.info.needs)
    ]
    assert {"predicted_accuracy", *usable} <= set(listed)
    assert "logme" not in listed
    assert listed["confidence"].formula == find_behaviour_scores()["confidence"].info.formula
    ranking = rank(idle, ran, "dawid_skene", scores=usable, sample_id=ran.sample.id)
    best = ranking.candidates[0]
    assert best.model.name == "model-1"
    values = {score.score: score for score in best.scores}
    for name in ("confidence", "entropy", "nuclear_norm", "consensus", "dawid_skene", "cot", "mano"):
        assert values[name].HasField("value"), values[name].detail
        assert values[name].support == 200
    assert "validation" in values["atc"].detail
    assert "weight noise" in values["worst_noise"].detail


def test_a_behaviour_score_needs_a_sample(idle: SmallRegistry, ran: MadeUpTarget) -> None:
    found = refusal(lambda: rank(idle, ran, "confidence"))
    assert (found.code, list(found.fields)) == ("INVALID_ARGUMENT", ["options.sample_id"])
    assert "confidence" in found.message


def test_candidates_that_were_not_run_have_no_behaviour(registry: SmallRegistry) -> None:
    target = put_target(registry, 0)
    run_all(registry, target, 0, ["model-0", "model-1"])
    ranking = rank(
        registry, target, "confidence", scores=["consensus"], sample_id=target.sample.id, predict_accuracy=True
    )
    assert set(names(ranking)[:2]) == {"model-0", "model-1"}
    for one in ranking.candidates:
        was_run = one.model.name in ("model-0", "model-1")
        assert one.prediction.form == ("outputs" if was_run else "signatures")
        assert [score.HasField("value") for score in one.scores] == [was_run, was_run]
        if not was_run:
            assert one.scores[0].detail == "it was not run on this sample"


def test_a_sample_must_be_there_and_lie_in_the_same_space(idle: SmallRegistry, ran: MadeUpTarget) -> None:
    found = refusal(lambda: rank(idle, ran, sample_id="nothing"))
    assert (found.code, found.reason) == ("NOT_FOUND", "EVALUATION_SAMPLE_NOT_FOUND")
    other = replace(SPACE, featuriser="test@2")
    idle.running.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=other.document))
    sketcher = Sketcher(other)
    sketcher.add(ticks_of(1, np.zeros(50, np.int64), 3))
    elsewhere = replace(ran, signature=types_pb2.Signature(data=sketcher.signature().encoded))
    found = refusal(lambda: rank(idle, elsewhere, sample_id=ran.sample.id))
    assert (found.code, list(found.fields)) == ("INVALID_ARGUMENT", ["options.sample_id"])


def test_one_bad_candidate_does_not_fail_the_rest(registry: SmallRegistry) -> None:
    target = put_target(registry, 0)
    run_all(registry, target, 0)
    register_made_up(registry.running, "stranger", 0, classes=("red", "green", "blue"), labels=("red", "green", "blue"))
    register_made_up(registry.running, "partial", 0, classes=("cat", "dog"), labels=("cat", "dog"))
    registry.models["constant"] = register_made_up(registry.running, "constant", 1)
    registry.models["silent"] = register_made_up(registry.running, "silent", 1)
    registry.add_outputs("constant", target.sample.id, np.tile([0.2, 0.5, 0.3], (200, 1)), CLASSES)
    registry.add_outputs("silent", target.sample.id, np.full((200, 3), np.nan), CLASSES)
    ranking = rank(registry, target, sample_id=target.sample.id, page_size=20)
    assert len(predicted(ranking)) == 9
    told = {one.model.name: one.prediction for one in ranking.candidates}
    assert not told["stranger"].HasField("accuracy")
    assert "no class name" in told["stranger"].notices[0]
    assert names(ranking)[-1] == "stranger"
    stranger = ranking.candidates[-1]
    assert not stranger.scores[0].HasField("value")
    assert "no class name" in stranger.scores[0].detail
    assert any("same for every row" in notice for notice in told["constant"].notices)
    assert told["silent"].form == "signatures"
    assert "took only 0 of 200 rows" in told["silent"].notices[0]
    assert any("2 of the 3 classes" in notice for notice in told["partial"].notices)
    assert names(ranking)[0] == target.best


def test_rows_that_some_did_not_take_are_left_out_for_all(registry: SmallRegistry) -> None:
    target = put_target(registry, 0)
    run_all(registry, target, 0)
    told = outputs(0.9, target.labels, np.random.default_rng(3))
    told[5:15] = np.nan
    registry.add_outputs("model-3", target.sample.id, told, CLASSES)
    ranking = rank(registry, target, "confidence", sample_id=target.sample.id, predict_accuracy=True)
    assert {one.prediction.form for one in ranking.candidates} == {"outputs"}
    assert {score.support for one in ranking.candidates for score in one.scores} == {190}


def test_numbers_as_labels_are_called_as_the_model_calls_them(registry: SmallRegistry) -> None:
    target = put_target(registry, 0)
    register_made_up(registry.running, "numbered", 0, labels=("0", "1", "2"))
    values = predicted(rank(registry, target))
    assert values["numbered"] == pytest.approx(values["model-0"], abs=0.05)


def test_a_target_of_one_row_is_ranked(registry: SmallRegistry) -> None:
    target = put_target(registry, 2, rows=1)
    by_signature = rank(registry, target)
    assert any("ordered by adaptivity" in notice for notice in by_signature.notices), "it has no centroid"
    assert [part.score for part in by_signature.order_by] == ["adaptivity"]
    by_sample = rank(registry, target, sample_id=target.sample.id)
    for one in by_sample.candidates:
        assert any("only 1 row," in notice for notice in one.prediction.notices)


def test_a_source_that_claims_to_cover_everything_is_found_out(registry: SmallRegistry) -> None:
    others = [made_up_signature(domain) for domain in range(6)]
    everywhere = np.repeat(np.concatenate([other.centroids for other in others]), 5, axis=0)
    right = np.repeat(np.concatenate([other.centroid_classes for other in others]), 5)
    sketcher = Sketcher(SPACE)
    sketcher.add(everywhere, (right + 1) % 3)  # every class called by another's name
    source = rpb.NewDataset(
        name="everything", modality=types_pb2.MODALITY_EMBEDDING,
        signatures=[types_pb2.Signature(data=sketcher.signature(CLASSES).encoded)],
    )  # fmt: skip
    described = card("liar", classes=list(CLASSES), metrics=[{"name": "accuracy", "value": 1.0}])
    registry.running.registry.RegisterModel(iter([header(described, new_dataset=source)]))
    target = put_target(registry, 3)
    ranking = rank(registry, target, page_size=20)
    told = {one.model.name: one.prediction for one in ranking.candidates}
    assert any("its claims are not used" in notice for notice in told["liar"].notices)
    assert names(ranking)[0] == "model-3"


def test_with_too_little_evidence_the_order_is_adaptivity(
    registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = the_default()
    forms = {name: replace(form, pairs=7) for name, form in default.predictor.forms.items()}
    assert all(isinstance(form, FormPredictor) for form in forms.values())
    weak = replace(default, predictor=replace(default.predictor, forms=forms), evidence_count=7)
    monkeypatch.setattr(registry.running.service.predictors, "current", lambda: weak)
    target = put_target(registry, 2)
    ranking = rank(registry, target, predict_accuracy=True)
    assert [part.score for part in ranking.order_by] == ["adaptivity"]
    assert names(ranking) == names(rank(registry, target, "adaptivity"))
    assert any("rests on 7 cross-evaluations only" in notice for notice in ranking.notices)
    assert all(any("rather rank by adaptivity" in n for n in one.prediction.notices) for one in ranking.candidates)


def test_with_very_many_classes_only_the_nearest_are_judged(
    registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasting, "MOST_CELLS", 3 * 3 * 1000)
    target = put_target(registry, 0)
    nearest = names(rank(registry, target, "adaptivity"))[:3]
    ranking = rank(registry, target)
    assert set(predicted(ranking)) == set(nearest) == set(names(ranking)[:3])
    assert "the nearest 3 were" in ranking.candidates[-1].prediction.notices[0]


def test_a_deleted_sample_is_not_ranked_with(registry: SmallRegistry) -> None:
    target = put_target(registry, 0)
    run_all(registry, target, 0)
    registry.stub.DeleteEvaluationSample(epb.DeleteEvaluationSampleRequest(sample_id=target.sample.id))
    assert refusal(lambda: rank(registry, target, sample_id=target.sample.id)).code == "NOT_FOUND"
    assert names(rank(registry, target))
