"""Every database keeps profiles, and knows which of a series counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from search_service.domain.errors import NotFound, Reason
from search_service.domain.ports import Database
from search_service.domain.profiling import Figures, InvalidReason, Precision, ProfileFilter
from tests.catalogue import NOW, a_model, put_models
from tests.profiling_objects import A_FORM, a_job, a_profile, a_spec, a_variant, measured, put_jobs, put_profiles

BROKEN = (InvalidReason("unsteady", "throughput of the last windows differs by 30 %, at most 10 %"),)


def counting(
    database: Database,
    *metrics: str,
    model_ids: tuple[str, ...] | None = None,
    load_text: str = "",
    host_class: str = "",
) -> list[Figures]:
    with database.begin() as work:
        found = work.profiles.best_candidates(metrics, model_ids=model_ids, load_text=load_text, host_class=host_class)
    assert [one.model_id for one in found] == sorted(one.model_id for one in found), "by model"
    return sorted(found, key=lambda one: one.profile_id)


def ids(found: list[Figures]) -> list[str]:
    return [one.profile_id for one in found]


def test_profiles_come_back_as_they_were_added(database: Database) -> None:
    put_models(database, a_model("m"))
    bare = a_profile("bare", measurements=(), runs=(), histogram="", reasons=BROKEN, offered=False, versions={})
    full = a_profile("full", model_id="m", form=A_FORM)
    put_profiles(database, bare, full)
    with database.begin() as work:
        assert work.profiles.get("bare") == bare
        assert work.profiles.get("full") == full
        assert work.profiles.get_many(["full", "?"]) == {"full": replace(full, runs=(), histogram="")}
        assert work.profiles.get_many(["full", "bare", "?"], whole=True) == {"full": full, "bare": bare}


def test_an_unknown_profile_is_not_found(database: Database) -> None:
    with database.begin() as work, pytest.raises(NotFound) as caught:
        work.profiles.get("?")
    assert caught.value.reason is Reason.PROFILE_NOT_FOUND


def test_a_profile_of_an_unknown_model_is_refused(database: Database) -> None:
    with database.begin() as work, pytest.raises(NotFound) as caught:
        work.profiles.add([a_profile(model_id="?")])
    assert caught.value.reason is Reason.MODEL_NOT_FOUND


def test_profiles_page_newest_first(database: Database) -> None:
    put_profiles(database, *(a_profile(f"p{n}") for n in range(5)))
    with database.begin() as work:
        seen: list[str] = []
        after: tuple[str, ...] | None = None
        while True:
            page = work.profiles.page(ProfileFilter(), after, 2)
            assert page.total == 5
            assert all(profile.histogram == "" and profile.runs == () for profile in page.items)
            seen += [profile.id for profile in page.items]
            after = page.after
            if after is None:
                break
        assert seen == ["p4", "p3", "p2", "p1", "p0"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ProfileFilter(), ["other", "base"]),
        (ProfileFilter(include_invalid=True), ["other", "broken", "base"]),
        (ProfileFilter(model_id="m"), ["base"]),
        (ProfileFilter(model_id="?"), []),
        (ProfileFilter(backend="openvino"), ["other"]),
        (ProfileFilter(host_class="gpu"), ["other"]),
        (ProfileFilter(host_class="cpu-epyc-0123456789abcdef"), ["base"]),
        (ProfileFilter(host_class="cpu_"), []),
        (ProfileFilter(load_text="offline"), ["other"]),
        (ProfileFilter(job_id="job-2", include_invalid=True), ["broken"]),
        (ProfileFilter(model_id="m", backend="openvino"), []),
    ],
)
def test_a_filter_keeps_what_passes(database: Database, wanted: ProfileFilter, expected: list[str]) -> None:
    put_models(database, a_model("m"))
    put_profiles(
        database,
        a_profile("base", model_id="m"),
        a_profile("broken", model_id="m", job_id="job-2", reasons=BROKEN),
        a_profile(
            "other", variant=a_variant(backend="openvino"), host_class="gpu-h100", load_text="offline", job_id="job-3"
        ),
    )
    with database.begin() as work:
        page = work.profiles.page(wanted, None, 10)
    assert [profile.id for profile in page.items] == expected
    assert page.total == len(expected)


def test_the_newest_valid_profile_of_a_series_counts(database: Database) -> None:
    put_models(database, a_model("m"))
    for name, fields, expected in (
        ("first", {"created_at": NOW}, ["first"]),
        ("broken", {"reasons": BROKEN}, ["first"]),
        ("second", {}, ["second"]),
        ("rejected", {"offered": False}, []),
        ("third", {}, ["third"]),
    ):
        put_profiles(database, a_profile(name, model_id="m", **fields))
        assert ids(counting(database)) == expected, name


def test_within_one_report_the_last_of_a_series_counts(database: Database) -> None:
    put_models(database, a_model("m"))
    put_profiles(database, a_profile("one", model_id="m"), a_profile("two", model_id="m"))
    assert ids(counting(database)) == ["two"]


@pytest.mark.parametrize(
    "other",
    [
        {"model_id": "n"},
        {"variant": a_variant(backend="openvino")},
        {"variant": a_variant(precision=Precision.BF16)},
        {"variant": a_variant(threads=4)},
        {"variant": a_variant(batch_size=4)},
        {"variant": a_variant(mode="aot")},
        {"variant": a_variant(device="cpu")},
        {"load_text": "offline"},
        {"host_class": "cpu-other"},
    ],
)
def test_profiles_of_another_series_count_beside_it(database: Database, other: dict[str, object]) -> None:
    put_models(database, a_model("m"), a_model("n"))
    put_profiles(database, a_profile("p", model_id="m"), a_profile("q", **({"model_id": "m"} | other)))
    assert ids(counting(database)) == ["p", "q"]


def test_best_candidates_gives_the_values_asked_for(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"), a_model("without"))
    put_profiles(
        database,
        a_profile("p", model_id="m"),
        a_profile("q", model_id="n", measurements=measured(p99_ms=7.0, p50_ms=1e-9), load_text="offline"),
        a_profile("no model"),
    )
    p, q = Figures("p", "m", (12.5, None, None)), Figures("q", "n", (7.0, None, 1e-9))
    metrics = ("p99_ms", "energy_j", "p50_ms")
    assert counting(database, *metrics) == [p, q], "energy with the source none is no value"
    assert counting(database, *metrics, model_ids=("m", "without", "?")) == [p]
    assert counting(database, *metrics, model_ids=()) == []
    assert counting(database, *metrics, load_text="offline") == [q]
    assert counting(database, *metrics, host_class="cpu-epyc") == [p, q]
    assert counting(database, *metrics, host_class="cpu_epyc") == []
    assert counting(database, *metrics, host_class="gpu") == []
    assert counting(database) == [Figures("p", "m", ()), Figures("q", "n", ())]


def test_the_change_log_names_the_models_whose_profiles_changed(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"))
    with database.begin() as work:
        last = work.changes.last()
    put_profiles(
        database,
        a_profile("p", model_id="n"),
        a_profile("q", model_id="m"),
        a_profile("again", model_id="n"),
        a_profile("broken", model_id="m", reasons=BROKEN),
        a_profile("no model"),
    )
    put_profiles(database, a_profile("also broken", model_id="m", reasons=BROKEN))
    with database.begin() as work:
        changes = work.changes.since(last, 10)
    assert {(change.kind, change.id) for change in changes} == {("profiles", "m"), ("profiles", "n")}


def test_profiles_go_with_their_model(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"))
    put_jobs(database, a_job("job-1", a_spec(model_id="m")))
    put_profiles(database, a_profile("p", model_id="m"), a_profile("q", model_id="n"), a_profile("r"))
    with database.begin() as work:
        work.models.delete("m")
        work.commit()
    with database.begin() as work:
        assert set(work.profiles.get_many(["p", "q", "r"])) == {"q", "r"}
        assert work.profiles.page(ProfileFilter(), None, 9).total == 2
        assert work.jobs.get("job-1").spec.model_id == "m", "its jobs stay"
    assert ids(counting(database)) == ["q"]


def test_what_is_not_committed_does_not_count(database: Database) -> None:
    put_models(database, a_model("m"))
    put_profiles(database, a_profile("p", model_id="m"))
    with database.begin() as work:
        work.profiles.add([a_profile("q", model_id="m")])
    assert ids(counting(database)) == ["p"]


def test_of_concurrent_reports_of_a_series_one_counts(database: Database) -> None:
    put_models(database, a_model("m"))

    def report(worker: int) -> None:
        for n in range(4):
            # Two series, in either order.
            texts = ("offline", "single_stream")[:: 1 if worker % 2 else -1]
            put_profiles(database, *(a_profile(f"{worker}-{n}-{text}", model_id="m", load_text=text) for text in texts))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(report, range(6)))
    assert len(counting(database)) == 2
    with database.begin() as work:
        for text in ("offline", "single_stream"):
            newest = work.profiles.page(ProfileFilter(load_text=text), None, 1)
            assert newest.total == 24
            assert ids(counting(database, load_text=text)) == [newest.items[0].id]


def delete(database: Database, *profile_ids: str) -> int:
    with database.begin() as work:
        deleted = work.profiles.delete(profile_ids)
        work.commit()
    return deleted


def test_the_newest_valid_one_that_is_left_takes_the_place_of_a_deleted_one(database: Database) -> None:
    put_models(database, a_model("m"))
    series = [a_profile(f"p{n}", model_id="m", measurements=measured(p99_ms=n)) for n in range(4)]
    put_profiles(
        database, *series[:3], replace(series[3], reasons=BROKEN), a_profile("other", model_id="m", host_class="x")
    )
    assert ids(counting(database, "p99_ms")) == ["other", "p2"]
    assert delete(database, "p2", "p2", "?") == 1
    assert ids(counting(database, "p99_ms")) == ["other", "p1"]
    assert delete(database, "p0") == 1
    assert ids(counting(database, "p99_ms")) == ["other", "p1"], "an older one changes nothing"
    assert delete(database, "p1") == 1
    assert ids(counting(database, "p99_ms")) == ["other"], "an INVALID one is never current"
    assert delete(database, "p3", "p1") == 1
    with database.begin() as work:
        assert [item.id for item in work.profiles.page(ProfileFilter(include_invalid=True), None, 9).items] == ["other"]
        with pytest.raises(NotFound):
            work.profiles.get("p3")
    put_profiles(database, a_profile("new", model_id="m"))
    assert ids(counting(database, "p99_ms")) == ["new", "other"]


def test_a_search_is_told_where_a_valid_profile_goes(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"))
    put_profiles(database, a_profile("valid", model_id="m"), a_profile("broken", model_id="n", reasons=BROKEN))
    with database.begin() as work:
        last = work.changes.last()
    delete(database, "valid", "broken")
    with database.begin() as work:
        assert [(change.kind, change.id) for change in work.changes.since(last, 9)] == [("profiles", "m")]
