"""Search by signature through a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import types_pb2
from msearch_sketch.spaces import FeatureSpace
from search_service.scores import find_scores
from search_service.usecases.forecasting import forecast_infos
from tests.service_in_process import Running, ask, card, names, new_dataset, refused, register, service_in_process
from tests.signatures import SPACE, blank_signature, family, sketched

COUNT = 30
SOURCES = family(np.random.default_rng(8), COUNT)
TARGET = SOURCES[0]
OTHER_SPACE = FeatureSpace(modality="embedding", featuriser="other@1", dimension=SPACE.dimension)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """30 models with sources, one of them shared with a twin; two models without a source."""
    with service_in_process(tmp_path_factory.mktemp("service")) as service:
        for space in (SPACE, OTHER_SPACE):
            service.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=space.document))
        for number, signature in enumerate(SOURCES):
            accuracy = {"metrics": [{"name": "accuracy", "value": number / 100}]} if number % 3 else {}
            text = card(f"m{number:02}", tags=["even"] if number % 2 == 0 else ["odd"], licence="MIT", **accuracy)
            register(service, text, new_dataset=new_dataset(f"d{number:02}", signature))
        register(service, card("a-twin"), new_dataset=new_dataset("d00", SOURCES[0]))
        register(service, card("hosted-1"))
        register(service, card("hosted-2", task="regression"))
        yield service


def pages(running: Running, request: spb.SearchRequest) -> list[spb.Ranking]:
    found = []
    while True:
        found.append(running.search.Search(request).ranking)
        if not found[-1].next_page_token:
            return found
        request.options.page_token = found[-1].next_page_token


def test_the_default_ranking_is_by_adaptivity_and_ties_go_by_name(running: Running) -> None:
    ranking = running.search.Search(ask(TARGET)).ranking
    assert names(ranking)[:2] == ["a-twin", "m00"]
    assert [candidate.rank for candidate in ranking.candidates] == list(range(1, 11))
    assert [(part.score, part.weight) for part in ranking.order_by] == [("adaptivity", 1.0)]
    assert (ranking.total_size, ranking.target_row_count) == (COUNT + 1, TARGET.row_count)
    assert ranking.space_digest == SPACE.digest
    values = [candidate.ranking_value for candidate in ranking.candidates]
    assert values == sorted(values, reverse=True)
    best = ranking.candidates[0]
    assert (best.dataset_name, best.ranking_value, best.scores[0].value) == ("d00", 1.0, 1.0)
    assert not best.model.card_json
    assert not best.scores[0].detail
    assert not ranking.exclusions


def test_pages_join_to_the_whole_ranking(running: Running) -> None:
    whole = names(running.search.Search(ask(TARGET, page_size=1000)).ranking)
    assert len(whole) == COUNT + 1
    for order in ([], [spb.WeightedScore(score="l2", weight=1)]):
        whole = names(running.search.Search(ask(TARGET, page_size=1000, order_by=order)).ranking)
        for size in (1, 7, 31):
            parts = pages(running, ask(TARGET, page_size=size, order_by=order))
            assert [name for part in parts for name in names(part)] == whole


def test_a_token_of_another_request_is_refused(running: Running) -> None:
    token = running.search.Search(ask(TARGET, page_size=3)).ranking.next_page_token
    others = [
        ask(SOURCES[1], page_size=3, page_token=token),
        ask(TARGET, page_size=3, page_token=token, explain=True),
        ask(TARGET, page_size=3, page_token=token, scores=["l2"]),
        ask(TARGET, page_size=3, page_token=token, filter=types_pb2.Filter(tags=["odd"])),
        ask(TARGET, page_size=3, page_token="nonsense"),
        ask(TARGET, page_size=3, page_token="x" * 5000),
    ]
    for request in others:
        with refused() as caught:
            running.search.Search(request)
        assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("score", sorted(find_scores()))
def test_every_score_orders_alike_alone_and_as_shown(running: Running, score: str) -> None:
    order = [spb.WeightedScore(score=score, weight=2)]
    ranking = running.search.Search(ask(TARGET, page_size=1000, order_by=order, scores=["adaptivity"])).ranking
    info = {info.name: info for info in running.search.ListScores(spb.ListScoresRequest()).scores}[score]
    rows = [
        (not value.HasField("value"), -value.value if info.higher_is_better else value.value, candidate.model.name)
        for candidate in ranking.candidates
        for value in candidate.scores[:1]
    ]
    assert rows == sorted(rows)
    shown = running.search.Search(ask(TARGET, page_size=1000, scores=[score])).ranking
    by_name = {candidate.model.name: candidate.scores[-1] for candidate in shown.candidates}
    for candidate in ranking.candidates:
        assert candidate.scores[0].score == score
        assert candidate.scores[0].value == pytest.approx(by_name[candidate.model.name].value, rel=1e-9)
        if not candidate.scores[0].HasField("value"):
            assert candidate.scores[0].detail
            assert np.isnan(candidate.ranking_value)


def test_weighted_scores_order_by_their_mean_ranks(running: Running) -> None:
    order = [spb.WeightedScore(score="source_accuracy", weight=3), spb.WeightedScore(score="adaptivity", weight=1)]
    ranking = running.search.Search(ask(TARGET, page_size=1000, order_by=order)).ranking
    values = [candidate.ranking_value for candidate in ranking.candidates]
    assert values == sorted(values, reverse=True)
    assert min(values) >= 0
    assert max(values) <= 1
    claims = {candidate.model.name: candidate.scores[0].HasField("value") for candidate in ranking.candidates}
    assert claims["m29"]
    assert not claims["m00"]
    assert names(ranking).index("m29") < names(ranking).index("m00")


def test_filters_cut_and_exclusions_say_what(running: Running) -> None:
    wanted = types_pb2.Filter(tags=["odd"], licences=["mit"], tasks=["classification"])
    ranking = running.search.Search(ask(TARGET, filter=wanted, explain=True, page_size=1000)).ranking
    assert set(names(ranking)) == {f"m{number:02}" for number in range(1, COUNT, 2)}
    counts = {exclusion.criterion: exclusion.count for exclusion in ranking.exclusions}
    assert counts == {"no_source": 2, "tags": COUNT // 2 + 3, "licences": 3, "tasks": 1}
    assert all(exclusion.detail for exclusion in ranking.exclusions)
    assert all(value.detail for candidate in ranking.candidates for value in candidate.scores)
    assert "look-ups" in ranking.candidates[0].scores[0].detail
    none = running.search.Search(ask(TARGET, filter=types_pb2.Filter(tags=["no such"]))).ranking
    assert (none.total_size, none.next_page_token) == (0, "")
    assert "no model passes the filter" in none.notices[0]


def test_a_space_without_sources_says_where_they_are(running: Running) -> None:
    rows = np.random.default_rng(1).integers(-500, 500, (60, SPACE.dimension))
    ranking = running.search.Search(ask(sketched(rows, OTHER_SPACE), explain=True)).ranking
    assert ranking.total_size == 0
    assert SPACE.digest[:12] in ranking.notices[0]
    assert {exclusion.criterion: exclusion.count for exclusion in ranking.exclusions} == {
        "no_source": 2,
        "feature_space": COUNT + 1,
    }


def test_a_small_target_is_noticed(running: Running) -> None:
    rows = np.random.default_rng(1).integers(-500, 500, (9, SPACE.dimension))
    assert "9 rows" in running.search.Search(ask(sketched(rows))).ranking.notices[0]


@pytest.mark.parametrize(
    ("options", "reason", "field"),
    [
        ({"scores": ["adaptivty"]}, "UNKNOWN_SCORE", "options.scores[0]"),
        ({"order_by": [spb.WeightedScore(score="", weight=1)]}, "UNKNOWN_SCORE", "options.order_by[0].score"),
        ({"order_by": [spb.WeightedScore(score="l2")]}, "INVALID_FIELD", "options.order_by[0].weight"),
        ({"order_by": [spb.WeightedScore(score="l2", weight=-1)]}, "INVALID_FIELD", "options.order_by[0].weight"),
        (
            {"order_by": [spb.WeightedScore(score="l2", weight=float("nan"))]},
            "INVALID_FIELD",
            "options.order_by[0].weight",
        ),
        ({"order_by": [spb.WeightedScore(score="l2", weight=1)] * 2}, "INVALID_FIELD", "options.order_by"),
        ({"page_size": 1001}, "INVALID_FIELD", "page_size"),
        ({"page_size": -1}, "INVALID_FIELD", "page_size"),
        ({"filter": types_pb2.Filter(modalities=[0])}, "INVALID_FIELD", "options.filter.modalities[0]"),
    ],
)
def test_wrong_options_are_refused(running: Running, options: dict[str, object], reason: str, field: str) -> None:
    with refused() as caught:
        running.search.Search(ask(TARGET, **options))
    assert (caught[0].code, caught[0].reason, set(caught[0].fields)) == ("INVALID_ARGUMENT", reason, {field})


def test_wrong_signatures_are_refused(running: Running) -> None:
    broken = [b"", b"MSSG", TARGET.encoded[:-1], TARGET.encoded + b"x", b"x" * (2 << 20)]
    for data in broken:
        with refused() as caught:
            running.search.Search(spb.SearchRequest(signature=types_pb2.Signature(data=data)))
        assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_SIGNATURE")
    with refused() as caught:
        running.search.Search(ask(blank_signature(space_digest=SPACE.digest)))
    assert caught[0].reason == "INVALID_SIGNATURE"
    with refused() as caught:
        running.search.Search(ask(blank_signature()))
    assert (caught[0].code, caught[0].reason) == ("NOT_FOUND", "FEATURE_SPACE_NOT_FOUND")


def test_list_scores_tells_formula_and_default(running: Running) -> None:
    answer = running.search.ListScores(spb.ListScoresRequest())
    names = [score.name for score in answer.scores]
    assert names == sorted({*find_scores(), *forecast_infos()})
    assert all(score.formula and score.source and score.summary and score.support_unit for score in answer.scores)
    assert [(part.score, part.weight) for part in answer.default_order_by] == [("adaptivity", 1.0)]


def test_a_search_sees_what_this_replica_has_just_written(tmp_path: Path) -> None:
    with service_in_process(tmp_path, default_order="l2:1,adaptivity:2", retrieved="2") as service:
        service.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=SPACE.document))
        assert "no model is registered yet" in service.search.Search(ask(TARGET)).ranking.notices
        models = []
        for number, signature in enumerate(SOURCES[:4]):
            models.append(register(service, card(f"m{number}"), new_dataset=new_dataset(f"d{number}", signature)))
            ranking = service.search.Search(ask(TARGET, explain=True)).ranking
            assert ranking.total_size == min(number + 1, 2)
        assert {part.score: part.weight for part in ranking.order_by} == {"l2": 1.0, "adaptivity": 2.0}
        assert {exclusion.criterion: exclusion.count for exclusion in ranking.exclusions} == {"not_retrieved": 2}
        assert "best 2 of 4" in ranking.notices[0]
        service.registry.UpdateModel(
            rpb.UpdateModelRequest(
                model=rpb.ModelReference(name="m0"),
                values=types_pb2.Model(description="changed"),
                update_mask=FieldMask(paths=["description"]),
            )
        )
        by_adaptivity = ask(TARGET, order_by=[spb.WeightedScore(score="adaptivity", weight=1)], scores=["l2"])
        best = service.search.Search(by_adaptivity).ranking.candidates[0]
        assert (best.model.name, best.model.description) == ("m0", "changed")
        # A replaced signature counts at once, in the index and in the cache of the other scores.
        service.registry.UpdateDataset(
            rpb.UpdateDatasetRequest(
                dataset=rpb.DatasetReference(id=models[3].dataset_id),
                signatures=[types_pb2.Signature(data=TARGET.encoded)],
            )
        )
        first, second = service.search.Search(by_adaptivity).ranking.candidates[:2]
        assert (first.model.name, second.model.name) == ("m0", "m3")
        assert [value.value for value in second.scores] == [value.value for value in first.scores]
        service.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(name="m0")))
        assert names(service.search.Search(by_adaptivity).ranking)[0] == "m3"


def test_signatures_that_claim_another_row_count_do_not_mix(running: Running) -> None:
    """Two targets that differ in one number are two targets: nothing that is kept for one serves the other."""
    other = replace(TARGET, row_count=TARGET.row_count + 1)
    assert running.search.Search(ask(TARGET)).ranking.target_row_count == TARGET.row_count
    assert running.search.Search(ask(other)).ranking.target_row_count == TARGET.row_count + 1
