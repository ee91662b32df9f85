"""Search by what was measured, through a real socket, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from search_service.domain.ports import Database
from search_service.domain.profiling import Precision
from search_service.usecases import measured as measured_use_case
from tests.profiling_objects import a_load, a_profile, a_variant, measured, put_profiles
from tests.service_in_process import Running, ask, card, names, new_dataset, refused, register, service_in_process
from tests.signatures import SPACE, family

SOURCES = family(np.random.default_rng(5), 6)
TARGET = SOURCES[0]
AT_MOST, AT_LEAST = spb.Constraint.COMPARISON_AT_MOST, spb.Constraint.COMPARISON_AT_LEAST
LOAD, OTHER_LOAD = "server:100", "single_stream"


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    """Six models: m0 is slow, m1 fast in int8, m2 fast elsewhere, m3 has no p99, m4 and m5 are unmeasured."""
    with service_in_process(tmp_path, database) as service:
        service.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=SPACE.document))
        ids = [
            register(service, card(f"m{number}"), new_dataset=new_dataset(f"d{number}", signature)).id
            for number, signature in enumerate(SOURCES)
        ]
        put_profiles(
            database,
            profile("slow", ids[0], p99_ms=50.0, p50_ms=10.0, cost_per_1k=0.1),
            profile("fp32", ids[1], p99_ms=30.0, p50_ms=9.0, cost_per_1k=0.3),
            profile("int8", ids[1], precision=Precision.INT8_STATIC, p99_ms=12.0, p50_ms=4.0, cost_per_1k=0.2),
            profile("elsewhere", ids[2], host_class="arm-1", p99_ms=5.0),
            profile("other load", ids[2], load=OTHER_LOAD, p99_ms=60.0),
            profile("no p99", ids[3], p50_ms=3.0),
            profile("rejected", ids[4], offered=False, p99_ms=1.0),
        )
        yield service


def profile(id: str, model_id: str, **fields: Any) -> Any:
    values = {name: fields.pop(name) for name in ("p99_ms", "p50_ms", "cost_per_1k") if name in fields}
    load = fields.pop("load", LOAD)
    precision = fields.pop("precision", Precision.FP32)
    scenario = {} if load == LOAD else {"scenario": "single_stream", "rate_per_s": 0.0}
    made = {
        "model_id": model_id,
        "job_id": "",
        "host_class": "xeon-1",
        "offered": True,
        "reasons": (),
        "variant": a_variant(backend="onnxruntime", precision=precision),
        "load": a_load(**scenario) if load != LOAD else a_load(),
        "load_text": load,
        "measurements": measured(**values),
    }
    return a_profile(id, **(made | fields))


def limit(metric: str, comparison: Any, value: float) -> spb.Constraint:
    return spb.Constraint(metric=metric, comparison=comparison, limit=value)


def search(running: Running, **profiles: Any) -> spb.Ranking:
    return running.search.Search(ask(TARGET, explain=True, profiles=spb.ProfileOptions(**profiles))).ranking


def test_figures_of_many_candidates_are_kept_until_a_profile_comes(
    running: Running, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured_use_case, "MOST_NAMED", 0)
    ask_for = {"constraints": [limit("p99_ms", AT_MOST, 20)], "load_text": LOAD}
    assert set(names(search(running, **ask_for))) == {"m1", "m2"}
    (unmeasured,) = [one for one in search(running, **ask_for).unmeasured if one.model.name == "m5"]
    put_profiles(database, profile("new", unmeasured.model.id, p99_ms=3.0))
    assert set(names(search(running, **ask_for))) == {"m1", "m2", "m5"}
    assert set(names(search(running, **(ask_for | {"host_class": "arm"})))) == {"m2"}


def test_limits_keep_what_meets_them_and_list_the_unmeasured_apart(running: Running) -> None:
    ranking = search(running, constraints=[limit("p99_ms", AT_MOST, 20)], load_text=LOAD, host_class="xeon")
    assert names(ranking) == ["m1"]
    assert ranking.total_size == 1
    (found,) = ranking.candidates
    assert found.profile.id == "int8"
    assert not found.profile.histogram
    assert {candidate.model.name for candidate in ranking.unmeasured} == {"m2", "m3", "m4", "m5"}
    assert ranking.unmeasured_size == 4
    assert [(one.criterion, one.count) for one in ranking.exclusions if one.criterion == "profiles"] == [
        ("profiles", 1)
    ]
    assert any("4 candidates are unmeasured under server:100 on xeon" in notice for notice in ranking.notices)


def test_unmeasured_candidates_stand_in_the_order_of_the_score(running: Running) -> None:
    ranking = search(running, constraints=[limit("p99_ms", AT_MOST, 20)], load_text=LOAD)
    values = [candidate.ranking_value for candidate in ranking.unmeasured]
    assert values == sorted(values, reverse=True)


def test_the_host_class_and_the_load_say_which_profiles_count(running: Running) -> None:
    anywhere = search(running, constraints=[limit("p99_ms", AT_MOST, 20)], load_text=LOAD)
    assert set(names(anywhere)) == {"m1", "m2"}
    single = search(running, constraints=[limit("p99_ms", AT_MOST, 100)], load_text=OTHER_LOAD)
    assert names(single) == ["m2"]


def test_all_limits_hold_of_one_variant_together(running: Running) -> None:
    both = [limit("p99_ms", AT_MOST, 40), limit("p50_ms", AT_LEAST, 8)]
    ranking = search(running, constraints=both, load_text=LOAD)
    assert names(ranking) == ["m1"]
    assert ranking.candidates[0].profile.id == "fp32"


def test_without_limits_the_best_profile_is_attached_and_nobody_is_left_out(running: Running) -> None:
    ranking = search(running, load_text=LOAD)
    assert ranking.total_size == 6
    attached = {
        candidate.model.name: candidate.profile.id for candidate in ranking.candidates if candidate.HasField("profile")
    }
    assert attached == {"m0": "slow", "m1": "int8", "m2": "elsewhere", "m3": "no p99"}
    assert not ranking.unmeasured


def test_candidates_can_be_ordered_by_a_measured_quantity(running: Running) -> None:
    ranking = search(running, order_by_metric="p50_ms", load_text=LOAD)
    assert names(ranking) == ["m3", "m1", "m0"]
    assert [candidate.ranking_value for candidate in ranking.candidates] == [3.0, 4.0, 10.0]
    assert {candidate.model.name for candidate in ranking.unmeasured} == {"m2", "m4", "m5"}


def test_the_pareto_front_keeps_what_is_better_in_one(running: Running) -> None:
    ranking = search(running, pareto_metric="p99_ms", load_text=LOAD)
    # m0 is the best by score, m1 faster, m2 the fastest: whoever scores worse must be faster.
    assert names(ranking)[0] == "m0"
    values = {candidate.model.name: candidate for candidate in ranking.candidates}
    latencies = [
        one.value for name in names(ranking) for one in values[name].profile.measurements if one.name == "p99_ms"
    ]
    assert latencies == sorted(latencies, reverse=True)


def test_pages_of_a_limited_ranking_fit_together(running: Running) -> None:
    options = spb.ProfileOptions(constraints=[limit("p99_ms", AT_MOST, 100)], load_text=LOAD)
    request = ask(TARGET, page_size=1, profiles=options)
    found = []
    while True:
        ranking = running.search.Search(request).ranking
        found += names(ranking)
        assert len(ranking.unmeasured) <= 1
        if not ranking.next_page_token:
            break
        request.options.page_token = ranking.next_page_token
    assert sorted(found) == ["m0", "m1", "m2"]
    request.options.page_token = ""
    first = running.search.Search(request).ranking.next_page_token
    request.options.profiles.load_text = OTHER_LOAD
    request.options.page_token = first
    with refused() as caught:
        running.search.Search(request)
    assert caught[0].reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize(
    ("options", "reason", "field"),
    [
        ({"constraints": [limit("p98_ms", AT_MOST, 1)]}, "UNKNOWN_METRIC", "options.profiles.constraints[0].metric"),
        ({"constraints": [limit("p99_ms", 0, 1)]}, "INVALID_FIELD", "options.profiles.constraints[0].comparison"),
        (
            {"constraints": [limit("p99_ms", AT_MOST, float("nan"))]},
            "INVALID_FIELD",
            "options.profiles.constraints[0].limit",
        ),
        ({"order_by_metric": "speed"}, "UNKNOWN_METRIC", "options.profiles.order_by_metric"),
        ({"pareto_metric": "p99"}, "UNKNOWN_METRIC", "options.profiles.pareto_metric"),
        ({"load_text": "serve:1"}, "INVALID_FIELD", "options.profiles.load_text"),
    ],
)
def test_what_cannot_be_asked_is_refused(running: Running, options: Any, reason: str, field: str) -> None:
    with refused() as caught:
        search(running, **options)
    assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", reason)
    assert field in caught[0].fields
