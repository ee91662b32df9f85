"""Profiles, jobs and tokens as values: look-ups, percentiles from the histogram, rows, JSON, what they never show."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from msearch.v1 import access_service_pb2 as access_pb2
from msearch.v1 import profiles_pb2
from msearch_client import JobFailedError, LocalError, Profile, Profiles, Ranking, Verdict
from msearch_client._histograms import Histogram
from msearch_client._wire.access import new_token_from_proto
from msearch_client._wire.agents import agent_from_proto
from msearch_client._wire.jobs import job_from_proto
from msearch_client._wire.profiles import profile_from_proto
from tests.scripted_service import make_agent, make_histogram, make_job, make_profile


@pytest.fixture
def profile() -> Profile:
    return profile_from_proto(make_profile())


def test_quantities_are_found_by_name(profile: Profile) -> None:
    p99 = profile.measurement("p99_ms")
    assert (p99.value, p99.low, p99.high, p99.unit) == (12.5, 11.0, 14.25, "ms")
    assert profile.value("p99_ms") == 12.5
    assert profile.value("p999_ms") is None
    with pytest.raises(KeyError, match="'p999_ms' was not measured, only p50_ms"):
        profile.measurement("p999_ms")


def test_a_quantity_that_could_not_be_had_says_why(profile: Profile) -> None:
    co2 = profile.measurement("co2_g_per_1k")
    assert (co2.value, co2.source, co2.detail) == (None, "none", "the carbon intensity is not known")


def test_runs_hold_their_own_quantities(profile: Profile) -> None:
    assert [run.value("p50_ms") for run in profile.runs] == [1.0, 1.01, 0.99, 1.0, 1.02]
    assert {run.verdict for run in profile.runs} == {Verdict.VALID}


def test_any_percentile_comes_from_the_histogram() -> None:
    random = np.random.default_rng(3)
    latencies = np.sort(random.lognormal(1.0, 0.7, 2000))
    found = profile_from_proto(make_profile(histogram=make_histogram(list(latencies))))
    for percent in (0.1, 25.0, 50.0, 99.0, 99.5, 99.9, 100.0):
        nearest_rank = latencies[int(np.ceil(round(percent / 100 * 2000, 6))) - 1]
        assert found.percentile(percent) == pytest.approx(nearest_rank, rel=1e-3, abs=6e-4)


@pytest.mark.parametrize("percent", [0.0, -1.0, 100.1, float("nan")])
def test_impossible_percentiles(profile: Profile, percent: float) -> None:
    with pytest.raises(LocalError, match="a percentile lies"):
        profile.percentile(percent)


def test_a_histogram_that_is_not_there_or_damaged() -> None:
    with pytest.raises(LocalError, match="carries no histogram") as caught:
        profile_from_proto(make_profile(histogram="")).percentile(50)
    assert "get_profile" in caught.value.hint
    for text in ("HISTFAAA", "no base64!", make_histogram([1.0])[:-8]):
        with pytest.raises(LocalError, match="histogram is damaged"):
            profile_from_proto(make_profile(histogram=text)).percentile(50)
    with pytest.raises(LocalError, match="holds no request"):
        profile_from_proto(make_profile(histogram=make_histogram([]))).percentile(50)


def test_without_hdrhistogram_it_says_what_to_install(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    with pytest.raises(LocalError, match="needs hdrhistogram") as caught:
        profile.percentile(50)
    assert "pip install hdrhistogram" in caught.value.hint


def test_buckets_add_up() -> None:
    histogram = Histogram.decode(make_histogram([1.0, 1.0, 2.0, 5000.0]))
    assert histogram.count == 4
    assert [bucket.count for bucket in histogram.buckets] == [2, 1, 1]
    assert all(bucket.low <= bucket.high for bucket in histogram.buckets)
    assert histogram.buckets[2].low <= 5000.0 <= histogram.buckets[2].high


def test_profiles_convert(profile: Profile) -> None:
    assert json.loads(json.dumps(profile.to_dict(), allow_nan=False))["load_text"] == "server:100"
    row = profile.to_row()
    assert (row["variant"], row["verdict"], row["p99_ms"], row["co2_g_per_1k"]) == (
        "onnxruntime fp32",
        "VALID",
        12.5,
        None,
    )
    several = Profiles(
        job=job_from_proto(make_job(state=profiles_pb2.JOB_STATE_SUCCEEDED)), profiles=(profile, profile)
    )
    assert (len(several), several[1], list(several)) == (2, profile, [profile, profile])
    assert several.to_pandas()["p50_ms"].tolist() == [1.0, 1.0]
    assert repr(profile) == "Profile(prf-1, digits@1, onnxruntime fp32, server:100, VALID, p99 12.5 ms)"
    assert repr(several).splitlines()[0] == "Profiles of Job(job-1, digits@1, succeeded):"


def test_fingerprints_are_read_where_they_can_be() -> None:
    assert agent_from_proto(make_agent()).host["cpu"]["cores"] == 16
    for text in ("", "{", "[1]"):
        assert agent_from_proto(make_agent(host_json=text)).host == {}
        assert profile_from_proto(make_profile(host_json=text)).host == {}
    assert repr(agent_from_proto(make_agent())) == "Agent(bench-1, active, epyc-9b14-16cpu-1a2b3c, onnxruntime)"


def test_jobs_know_whether_they_ended_and_how_long_they_took() -> None:
    running = job_from_proto(make_job(progress=profiles_pb2.Progress(fraction=0.25)))
    assert (running.ended, running.took, repr(running)) == (False, None, "Job(job-1, digits@1, leased, 25%)")
    ended = job_from_proto(make_job(state=profiles_pb2.JOB_STATE_SUCCEEDED))
    assert ended.ended
    assert ended.took is not None
    assert ended.took.total_seconds() == 34


@pytest.mark.parametrize(
    ("state", "failure", "message"),
    [
        (
            profiles_pb2.JOB_STATE_FAILED,
            ("crashed", "signal 11"),
            "the job job-1 for digits@1 failed: crashed: signal 11",
        ),
        (profiles_pb2.JOB_STATE_CANCELLED, None, "the job job-1 for digits@1 was cancelled"),
    ],
)
def test_a_failed_job_is_an_error_that_says_why(state: int, failure: tuple[str, str] | None, message: str) -> None:
    fields = {} if failure is None else {"failure": profiles_pb2.Failure(code=failure[0], message=failure[1])}
    error = JobFailedError(job_from_proto(make_job(state=state, **fields)))
    assert error.message == message
    assert error.to_dict()["job_id"] == "job-1"
    assert error.code == ("crashed" if failure else "cancelled")


def test_the_secret_of_a_token_is_not_in_its_repr() -> None:
    message = access_pb2.CreateTokenResponse(
        token=access_pb2.Token(id="t", name="ci", role=access_pb2.ROLE_READER), secret="msearch_hush"
    )
    created = new_token_from_proto(message)
    assert created.secret == "msearch_hush"
    assert "hush" not in repr(created)


def test_a_ranking_says_how_many_are_unmeasured() -> None:
    ranking = Ranking(candidates=(), total=0, order_by=(), space_digest="", target_row_count=5, unmeasured_total=3)
    assert repr(ranking).splitlines()[-1] == "3 more not measured yet, see .unmeasured"
    assert ranking.to_dict()["unmeasured_total"] == 3
