"""The commands about profiling, read as a person would, as JSON, and where they fail."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from typer.testing import CliRunner, Result

from msearch.v1 import profiles_pb2 as profiles
from msearch.v1 import profiling_service_pb2 as profiling
from msearch.v1 import search_service_pb2 as search
from msearch.v1 import types_pb2 as types
from msearch_client.cli import agent as agent_command
from msearch_client.cli import app, handing_over
from tests.cli_output import document, failure
from tests.scripted_service import Script, make_agent, make_job, make_model, make_profile, scripted_service
from tests.signatures import blank_signature

Run = Callable[..., Result]
SUCCEEDED, FAILED = profiles.JOB_STATE_SUCCEEDED, profiles.JOB_STATE_FAILED


@pytest.fixture
def script() -> Script:
    made = Script()
    made.models = {name: make_model(name) for name in ("digits", "letters", "other")}
    made.models["hosted"] = make_model("hosted", artifact=types.Artifact(format="none"))
    made.profiles["prf-1"] = make_profile()
    made.profiles["prf-2"] = make_profile(
        "prf-2", runs_ms=(1.5, 1.51, 1.49),
        variant=profiles.Variant(backend="onnxruntime", precision=profiles.PRECISION_INT8_STATIC, batch_size=8),
    )  # fmt: skip
    made.agents["bench-1"] = make_agent()
    made.datasets["mnist"] = types.Dataset(name="mnist", id="mnist", version="1", modality=types.MODALITY_TABULAR)
    return made


@pytest.fixture
def address(script: Script) -> Iterator[str]:
    with scripted_service(script) as address:
        yield address


@pytest.fixture
def run(address: str) -> Run:
    def call(*words: Any, width: int = 130, code: int = 0) -> Result:
        variables = {"MSEARCH_SERVER": address, "COLUMNS": str(width), "TZ": "UTC", "MSEARCH_CONFIG": None,
                     "MSEARCH_DEBUG": None, "MSEARCH_TOKEN": None}  # fmt: skip
        result = CliRunner().invoke(app, [str(word) for word in words], env=variables)
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
        return result

    return call


def rejected(name: str, **fields: Any) -> profiles.Profile:
    return make_profile(
        name, offer=profiles.OFFER_REJECTED, offer_reason="rejected: it is not surely faster than fp32",
        variant=profiles.Variant(backend="openvino", precision=profiles.PRECISION_INT8_DYNAMIC), **fields,
    )  # fmt: skip


MEASURED = """\
4 profiles of digits@1 in 34 s
variant                          load        verdict  p50 ms  p99 ms  per s     memory   energy  offer     profile
onnxruntime fp32                 server:100  VALID      1.00    12.5   99.5  100.0 MiB  12.3 mJ  offered     prf-1
onnxruntime int8_static batch=8  server:100  VALID      1.50    12.5   99.5  100.0 MiB  12.3 mJ  offered     prf-2
openvino int8_dynamic            server:100  VALID      1.00    12.5   99.5  100.0 MiB  12.3 mJ  rejected    prf-3
onnxruntime fp32                 server:100  INVALID    1.00    12.5   99.5  100.0 MiB  12.3 mJ  offered     prf-4

openvino int8_dynamic, server:100:
  rejected: it is not surely faster than fp32
onnxruntime fp32, server:100:
  INVALID, late_generator: the load generator fell behind its own schedule, so the load was not the one asked for \
(3.2 % were sent late); free a CPU core of the host, use fewer threads, or lower the rate
"""


def test_profile_shows_what_was_measured_and_why_some_does_not_count(run: Run, script: Script) -> None:
    script.profiles["prf-3"] = rejected("prf-3")
    reason = profiles.InvalidReason(rule="late_generator", detail="3.2 % were sent late")
    script.profiles["prf-4"] = make_profile("prf-4", verdict=profiles.VERDICT_INVALID, reasons=[reason])
    job = make_job(state=SUCCEEDED, profile_ids=["prf-1", "prf-2", "prf-3", "prf-4"])
    script.watches = [[make_job(), job]]
    shown = run("profile", "digits", "--backend", "onnxruntime", "--load", "server:100").stdout
    assert shown == MEASURED


def test_profile_sends_everything_it_was_told(run: Run, script: Script, tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    trace.write_text("0.0\n0.5\n\n2\n", encoding="utf-8")
    shown = run(
        "profile", "digits", "--backend", "onnxruntime", "--backend", "openvino", "--precision", "fp32",
        "--precision", "int8_dynamic", "--variant", "torch fp32 threads=2", "--load", "server:0,trace",
        "--load", "offline", "--trace", trace, "--repeats", 3, "--min-duration", 1.5, "--max-duration", 9,
        "--min-queries", 100, "--within", 0.05, "--epsilon", 0.02, "--seed", 7, "--host-class", "epyc",
        "--label", "room=north", "--deadline", 60, "--allow-waiting", "--no-wait",
    ).stdout  # fmt: skip
    assert shown == "submitted job-1\nfollow it with: msearch-cli jobs watch job-1\n"
    (request,) = script.requests(profiling.SubmitJobRequest)
    spec = request.spec
    assert [(item.backend, item.precision) for item in spec.variants] == [
        ("onnxruntime", 1), ("onnxruntime", 4), ("openvino", 1), ("openvino", 4), ("torch", 1),
    ]  # fmt: skip
    assert list(spec.loads[0].trace_s) == [0.0, 0.5, 2.0]
    limits = spec.limits
    assert (limits.repeats, limits.min_queries, limits.seed) == (3, 100, 7)
    assert (limits.precision, limits.epsilon) == (0.05, 0.02)
    assert (limits.min_duration.ToTimedelta().total_seconds(), limits.max_duration.seconds) == (1.5, 9)
    assert (spec.host_class, dict(spec.labels), spec.deadline.seconds) == ("epyc", {"room": "north"}, 60)
    assert request.allow_waiting


def test_profile_of_a_running_server(run: Run, script: Script) -> None:
    run("profile", "--remote", "grpc://127.0.0.1:8001/m", "--no-wait")
    (request,) = script.requests(profiling.SubmitJobRequest)
    assert (request.spec.remote_target, request.spec.variants[0].backend) == ("grpc://127.0.0.1:8001/m", "remote")
    assert not request.HasField("model")


def test_profile_as_json(run: Run, script: Script) -> None:
    script.watches = [[make_job(state=SUCCEEDED, profile_ids=["prf-1"])]]
    found = document(run("profile", "digits", "--json"))
    assert (found["job"]["state"], found["profiles"][0]["id"]) == ("succeeded", "prf-1")
    assert document(run("profile", "digits", "--no-wait", "--json"))["state"] == "pending"


def test_a_job_that_fails_is_one_clear_error(run: Run, script: Script) -> None:
    why = profiles.Failure(code="unsupported_operator", message="openvino lacks the operator Foo")
    script.watches = [[make_job(state=FAILED, failure=why)], [make_job(state=FAILED, failure=why)]]
    result = run("profile", "digits", code=1)
    assert result.stderr.splitlines() == [
        "error: the job job-1 for digits@1 failed: unsupported_operator: openvino lacks the operator Foo",
        "hint: `msearch-cli jobs show job-1` tells what was tried",
    ]
    found = failure(run("profile", "digits", "--json", code=1))
    assert (found["error"], found["code"]) == ("JobFailedError", "unsupported_operator")


def test_nobody_could_take_the_job(run: Run, script: Script) -> None:
    script.failures["SubmitJob"] = (Code.FAILED_PRECONDITION, "NO_CAPABLE_AGENT", "no registered agent could take it")
    assert run("profile", "digits", code=1).stderr.splitlines()[1].startswith("hint: start an agent with `msearch-cli")


@pytest.mark.parametrize(
    "words",
    [
        ["profile"],
        ["profile", "digits", "--load", "often"],
        ["profile", "digits", "--load", "server:0,trace"],
        ["profile", "digits", "--variant", "torch int4"],
        ["profile", "digits", "--precision", "fp32"],
        ["profile", "digits", "--backend", "torch", "--precision", "int4"],
        ["profile", "digits", "--backend", "remote"],
        ["profile", "digits", "--label", "north"],
        ["profile", "digits", "--min-duration", "0"],
        ["profile", "digits", "--repeats", "0"],
        ["profiles", "show", "prf-1", "--plot", "x.gif"],
        ["profiles", "list", "--load", "often"],
        ["jobs", "list", "--state", "lost"],
        ["token", "create", "ci"],
        ["token", "create", "ci", "--role", "root"],
        ["token", "create", "ci", "--role", "reader", "--expires-in", "soon"],
        ["compare", "prf-1"],
        ["compare", "a", "b", "--min-effect", "2"],
        ["query", "--signature", "x", "--require", "fast"],
        ["query", "--signature", "x", "--require", "p99_ms<20"],
        ["query", "--signature", "x", "--load", "often"],
        ["query", "--signature", "x", "--profile-missing"],
        ["datasets", "sample", "put", "mnist"],
        ["register", "card.yaml", "--sample", "5"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_says_where_help_is(run: Run, words: list[str]) -> None:
    result = run(*words, code=2)
    assert result.stderr.startswith("error: ")
    assert "--help`" in result.stderr
    assert failure(run(*words, "--json", code=2))["error"] == "UsageError"


def test_profiles_list(run: Run, script: Script) -> None:
    lines = run("profiles", "list", width=160).stdout.splitlines()
    assert lines[0].split()[:3] == ["model", "variant", "load"]
    assert [line.split()[-1] for line in lines[1:3]] == ["prf-2", "prf-1"]
    assert lines[-1] == "2 profiles"
    narrow = run("profiles", "list", width=80).stdout.splitlines()
    assert max(map(len, narrow)) <= 80
    assert any(line.endswith(" prf-1") for line in narrow)
    script.profiles["prf-2"].verdict = profiles.VERDICT_INVALID
    assert run("profiles", "list").stdout.splitlines()[-1] == "1 profile"
    assert document(run("profiles", "list", "--all", "--json"))["total"] == 2
    run("profiles", "list", "--model", "digits", "--backend", "torch", "--load", "server:1e2", "--job", "j")
    request = script.requests(profiling.ListProfilesRequest)[-1]
    assert (request.load_text, request.backend, request.job_id) == ("server:100", "torch", "j")


SHOWN = """\
profile      prf-1
model        digits@1
variant      onnxruntime fp32
load         server:100
verdict      VALID (5 of 5 runs valid)
offer        offered: fp32, the yardstick
verified on  stored rows of the source dataset
loaded       onnx, 64.0 KiB, sha256 abababababab, kept for export
host class   epyc-9b14-16cpu-1a2b3c
measured     TIME by job job-1
libraries    onnxruntime 1.31.1

latency of 1,000 requests, ms
1.00 - 1.26  ████████████████████████████████████████████████ 600  p50
1.26 - 1.59                                                     0
1.59 - 2.00                                                     0
2.00 - 2.52  ████████████████████████                         300
2.52 - 3.17                                                     0
3.17 - 3.99                                                     0
3.99 - 5.02  ███████▋                                          95
5.02 - 6.33                                                     0
6.33 - 7.97                                                     0
7.97 - 10.0                                                     0
10.0 - 12.6                                                     0  p99
12.6 - 15.9                                                     0
15.9 - 20.0                                                     0
20.0 - 25.2                                                     0
25.2 - 31.8                                                     0
31.8 - 40.0  ▍                                                  5

response latency
  p50_ms  1.00 ms (95 %: 0.990 to 1.02 ms)
  p99_ms  12.5 ms (95 %: 11.0 to 14.2 ms)

parts of the latency
  queue_p99_ms  4.00 ms

throughput
  throughput_per_s  99.5/s

resources
  peak_memory_bytes  100.0 MiB

energy and cost
  energy_j      12.3 mJ [rapl_counter]
  co2_g_per_1k  not measured: the carbon intensity is not known

runs, each in a process of its own
run  verdict       p50  p99  throughput  reasons
  1  VALID     1.00 ms    -           -
  2  VALID     1.01 ms    -           -
  3  VALID    0.990 ms    -           -
  4  VALID     1.00 ms    -           -
  5  VALID     1.02 ms    -           -
"""


def test_profiles_show(run: Run) -> None:
    lines = run("profiles", "show", "prf-1").stdout.splitlines()
    assert lines[9].startswith("measured     20")
    lines[9] = f"measured     TIME {lines[9].partition('by')[1]}{lines[9].partition('by')[2]}"
    assert lines == SHOWN.splitlines()


def test_profiles_show_takes_the_newest_valid_one(run: Run, script: Script) -> None:
    assert document(run("profiles", "show", "--json"))["id"] == "prf-2"
    script.profiles.clear()
    assert "no valid profile is stored yet" in run("profiles", "show", code=1).stderr
    assert "no profile prf-9" in run("profiles", "show", "prf-9", code=1).stderr


def test_profiles_show_explains_an_invalid_one(run: Run, script: Script) -> None:
    reason = profiles.InvalidReason(rule="a_new_rule", detail="x is 3, at most 2")
    script.profiles["prf-3"] = make_profile(
        "prf-3", runs_ms=(1.0,), verdict=profiles.VERDICT_INVALID, reasons=[reason], histogram=""
    )
    shown = run("profiles", "show", "prf-3").stdout
    assert "INVALID, a_new_rule: a rule did not hold that this program does not know (x is 3, at most 2)" in shown
    assert "latency of" not in shown


def test_profiles_show_without_hdrhistogram_shows_the_rest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    result = run("profiles", "show", "prf-1")
    assert "p99_ms  12.5 ms" in result.stdout
    assert "pip install hdrhistogram" in result.stderr


@pytest.mark.parametrize(
    ("name", "begins"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.HTML", b"<!doctype html>")]
)
def test_profiles_are_drawn(run: Run, script: Script, tmp_path: Path, name: str, begins: bytes) -> None:
    script.profiles["prf-1"].model_name = "<b>$x$</b>@1"
    path = tmp_path / name
    assert run("profiles", "show", "prf-1", "--plot", path).stdout.splitlines()[-1] == f"wrote {path}"
    drawn = path.read_bytes()
    assert drawn.startswith(begins)
    if name == "p.HTML":
        page = drawn.decode("utf-8")
        assert "&lt;b&gt;$x$&lt;/b&gt;@1" in page
        assert "<b>" not in page
        assert page.count("<svg") == page.count("</svg>") == 1
        assert "<?xml" not in page
        assert "not measured: the carbon intensity is not known" in page
        assert "<script" not in page
    assert document(run("profiles", "show", "prf-1", "--plot", path, "--json"))["plot"] == str(path)


def test_the_same_profile_gives_the_same_picture(run: Run, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        run("profiles", "show", "prf-1", "--plot", tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_what_cannot_be_drawn(run: Run, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot write" in run("profiles", "show", "prf-1", "--plot", tmp_path / "none" / "p.svg", code=1).stderr
    script.profiles["prf-1"].histogram = ""
    assert "carries no histogram" in run("profiles", "show", "prf-1", "--plot", tmp_path / "p.svg", code=1).stderr
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "msearch[plots]" in run("profiles", "show", "prf-1", "--plot", tmp_path / "p.svg", code=1).stderr
    assert not (tmp_path / "p.svg").exists()


def test_compare_answers(run: Run) -> None:
    assert run("compare", "prf-1", "prf-2", "--min-effect", "0.05").stdout.splitlines() == [
        "WORSE: B is worse than A",
        "p50_ms: A 1.00 ms, B 1.50 ms, +49.4 % (95 %: +47.1 % to +51.8 %)",
        "a difference matters beyond 5 %: smallest effect 5 %, noise of this host 2.02 %",
    ]
    turned = run("compare", "digits:onnxruntime int8_static batch=8:server:100", "digits:onnxruntime:server:100").stdout
    assert turned.startswith("BETTER: B is better than A\n")
    same = document(run("compare", "prf-1", "prf-1", "--json"))
    assert (same["answer"], same["effect"]) == ("SAME", 0.0)
    assert same["threshold"] >= same["min_effect"] == 0.02


def test_compare_with_too_few_runs_is_ambiguous(run: Run, script: Script) -> None:
    script.profiles["prf-1"] = make_profile(runs_ms=(1.0,))
    shown = run("compare", "prf-1", "prf-2").stdout
    assert shown.startswith("AMBIGUOUS: ")
    assert "no interval from so few runs" in shown
    assert "note: an answer needs at least two valid runs on each side" in shown


def test_compare_fails_clearly(run: Run, script: Script) -> None:
    script.profiles["prf-2"].host_class = "another"
    assert "hosts of different classes" in run("compare", "prf-1", "prf-2", code=1).stderr
    assert "no profile prf-9" in run("compare", "prf-1", "prf-9", code=1).stderr
    assert "was not measured" in run("compare", "prf-1", "prf-1", "--metric", "p95_ms", code=1).stderr


def test_jobs(run: Run, script: Script) -> None:
    script.jobs = {
        "job-1": make_job(state=profiles.JOB_STATE_PENDING),
        "job-2": make_job("job-2", progress=profiles.Progress(fraction=0.25, message="run 2 of 5")),
        "job-3": make_job("job-3", FAILED, failure=profiles.Failure(code="crashed", message="signal 11")),
    }
    lines = run("jobs", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["job", "job-1", "job-2", "job-3", "3"]
    assert lines[1].endswith("waits for an agent")
    assert lines[2].endswith("run 2 of 5")
    assert lines[3].split()[-3:] == ["34", "s", "crashed"]
    assert document(run("jobs", "list", "--state", "failed", "--json"))["total"] == 1
    shown = run("jobs", "show", "job-2").stdout
    assert "25% run 2 of 5" in shown
    assert "server:100" in shown
    assert run("jobs", "cancel", "job-1").stdout == "cancelled job-1\n"
    assert run("jobs", "cancel", "job-2").stdout == "asked the agent to cancel job-2\n"
    assert run("jobs", "cancel", "job-3").stdout == "job-3 had ended already: failed\n"
    assert "no job job-9" in run("jobs", "show", "job-9", code=1).stderr


def test_jobs_say_why(run: Run, script: Script) -> None:
    script.jobs = {"job-1": make_job(state=profiles.JOB_STATE_PENDING)}
    lines = run("jobs", "show", "--why", "job-1").stdout.splitlines()
    assert lines[0] == "waited 12 s for agent bench-1; it can start when the agent asks"
    assert lines[1].startswith("sizes are not trusted")
    assert lines[3].split() == ["when", "decided", "agent", "because"]
    assert [line.split()[2:4] for line in lines[4:]] == [["placed", "none"], ["placed", "bench-1"]]
    found = document(run("jobs", "show", "--why", "job-1", "--json"))
    narrow = run("jobs", "show", "--why", "job-1", width=60).stdout
    for decision in found["decisions"]:
        assert set(decision["reason"].split()) <= set(narrow.split()), "a reason is folded, never cut"
    assert [decision["step"] for decision in found["decisions"]] == ["placed", "placed"]
    assert found["decisions"][0]["agent"] == ""
    assert "no job job-9" in run("jobs", "show", "--why", "job-9", code=1).stderr


def test_jobs_of_an_experiment(run: Run, script: Script) -> None:
    script.jobs = {
        "job-1": make_job(
            state=profiles.JOB_STATE_PENDING,
            priority=7,
            experiment_id="spring",
            submitted_by="ana",
            estimate=profiles.SizeEstimate(duration=Duration(seconds=90), predicted=True),
        ),
        "job-2": make_job("job-2"),
    }
    assert run("jobs", "list", "--experiment", "spring").stdout.splitlines()[-1] == "1 job"
    shown = run("jobs", "show", "job-1").stdout
    for text in ("7", "spring", "by ana", "about 1 min 30 s, as jobs like it took"):
        assert text in shown
    assert run("jobs", "cancel", "--experiment", "spring").stdout == "cancelled 1 job of spring\n"
    assert "either a job or --experiment" in run("jobs", "cancel", code=2).stderr
    submitted = document(run("profile", "digits", "--no-wait", "--priority", "-3", "--experiment", "e", "--json"))
    assert (submitted["priority"], submitted["experiment_id"]) == (-3, "e")
    assert "--priority" in run("profile", "digits", "--priority", "101", code=2).stderr


def test_jobs_watch_ends_as_the_job_does(run: Run, script: Script) -> None:
    script.jobs["job-1"] = make_job()
    script.watches = [
        [make_job(state=SUCCEEDED, profile_ids=["prf-1"])],
        [make_job(state=profiles.JOB_STATE_CANCELLED)],
    ]
    assert run("jobs", "watch", "job-1").stdout.startswith("1 profile of digits@1 in 34 s\n")
    assert run("jobs", "watch", "job-1", code=1).stderr.startswith("error: the job job-1 for digits@1 was cancelled\n")


def test_agents(run: Run, script: Script) -> None:
    assert run("agents", "list").stdout.splitlines()[1].split()[:5] == [
        "bench-1", "active", "epyc-9b14-16cpu-1a2b3c", "onnxruntime", "0/1",
    ]  # fmt: skip
    shown = run("agents", "show", "bench-1").stdout
    assert "tensorrt     no" in shown
    assert "no GPU here" in shown
    assert "cpu.cores  16" in shown
    assert run("agents", "drain", "bench-1").stdout == "bench-1 drains: 0 jobs left\n"
    assert run("agents", "drain", "bench-1", "--undo").stdout == "bench-1 is active\n"
    assert document(run("agents", "list", "--json"))["agents"][0]["labels"] == {"room": "north"}
    script.agents.clear()
    assert run("agents", "list").stdout == "0 agents; start one with `msearch-cli agent`\n"


def test_agent_runs_the_agent_in_this_programs_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[list[str]] = []
    monkeypatch.setattr(handing_over.os, "execv", lambda path, words: replaced.append(words))
    run("agent", "--name", "one", "--label", "room=north")
    assert replaced == [[sys.executable, "-m", "profiler_agent", "run", "--name", "one", "--label", "room=north"]]
    monkeypatch.setattr(agent_command, "NEEDED", ("profiler_agent", "no_such_package"))
    result = run("agent", code=1)
    assert "no_such_package not installed" in result.stderr
    assert "msearch[agent]" in result.stderr


def test_a_token_is_shown_once_alone_on_stdout(run: Run) -> None:
    created = run("token", "create", "ci", "--role", "reader", "--expires-in", "30d")
    assert created.stdout == "msearch_s3cret\n"
    assert created.stderr.startswith("token ci (reader, until 20")
    listed = run("token", "list")
    assert listed.stdout.splitlines()[1].split()[:3] == ["ci", "reader", "valid"]
    assert "s3cret" not in listed.output
    assert "needs a confirmation" in run("token", "revoke", "ci", code=1).stderr
    assert run("token", "revoke", "ci", "--yes").stdout == "revoked ci\n"
    assert run("token", "list").stdout.splitlines()[1].split()[2] == "revoked"
    assert document(run("token", "create", "other", "--role", "agent", "--json"))["secret"] == "msearch_s3cret"
    assert "no token none" in run("token", "revoke", "none", "--yes", code=1).stderr


def test_config_never_shows_the_token(run: Run, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    environment = {
        "MSEARCH_SERVER": address,
        "MSEARCH_TOKEN": "msearch_hush",
        "MSEARCH_TLS_CA": "/ca.pem",
        "MSEARCH_CONFIG": None,
    }
    for words in (["config"], ["config", "--json"]):
        result = CliRunner().invoke(app, words, env=environment)
        assert result.exit_code == 0
        assert "hush" not in result.output
        assert "/ca.pem" in result.output
        assert "variable MSEARCH_TOKEN" in result.output


def candidate(name: str, rank: int, profile: profiles.Profile | None = None, **fields: Any) -> search.Candidate:
    return search.Candidate(
        rank=rank, model=make_model(name, **fields), dataset_name="mnist", ranking_value=0.9,
        scores=[search.ScoreValue(score="adaptivity", value=0.9, support=10)], profile=profile,
    )  # fmt: skip


def ranking(*candidates: search.Candidate, unmeasured: list[search.Candidate] | None = None) -> search.Ranking:
    return search.Ranking(
        candidates=candidates, total_size=len(candidates), unmeasured=unmeasured, unmeasured_size=len(unmeasured or ()),
        order_by=[search.WeightedScore(score="adaptivity", weight=1)], target_row_count=9,
    )  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target.sig"
    path.write_bytes(blank_signature().encoded)
    return path


def test_query_by_what_was_measured(run: Run, script: Script, target: Path) -> None:
    hosted = candidate("hosted", 4, artifact=types.Artifact(format="none"))
    script.rankings = [
        ranking(
            candidate("digits", 1, script.profiles["prf-1"]), candidate("letters", 2, script.profiles["prf-2"]),
            unmeasured=[candidate("other", 3), hosted],
        )
    ]  # fmt: skip
    words = [
        "query",
        "--signature",
        target,
        "--require",
        "p99_ms <= 20ms",
        "--load",
        "server:100",
        "--host-class",
        "epyc",
    ]
    score = "  # adaptivity 0.9000"
    assert run(*words).stdout.splitlines() == [
        "2 candidates for 9 rows, ordered by adaptivity",
        "rank  model      dataset  adaptivity  support  variant                           p99_ms  throughput_per_s",
        "   1  digits@1   mnist        0.9000       10  onnxruntime fp32                 12.5 ms            99.5/s",
        "   2  letters@1  mnist        0.9000       10  onnxruntime int8_static batch=8  12.5 ms            99.5/s",
        "",
        "2 candidates not measured yet under server:100 on epyc; to measure, or with --profile-missing:",
        "  msearch-cli profile other@1 --load server:100 --host-class epyc" + score,
        "  msearch-cli profile hosted@1 --load server:100 --host-class epyc --remote grpc://HOST:PORT/MODEL" + score,
    ]


def test_query_orders_by_a_quantity_and_answers_in_json(run: Run, script: Script, target: Path) -> None:
    answer = ranking(candidate("digits", 1, script.profiles["prf-1"]), unmeasured=[candidate("other", 2)])
    script.rankings = [answer, answer]
    words = ["query", "--signature", target, "--order-by-metric", "energy_j", "--pareto", "p50_ms"]
    shown = run(*words).stdout.splitlines()
    assert shown[0] == "1 candidate for 9 rows, ordered by energy_j"
    assert shown[1].split()[-4:] == ["energy_j", "p50_ms", "p99_ms", "throughput_per_s"]
    assert "12.3 mJ" in shown[2]
    found = document(run(*words, "--json"))
    assert found["candidates"][0]["profile"]["id"] == "prf-1"
    assert found["unmeasured"][0]["command"] == "msearch-cli profile other@1"
    options = script.requests(search.SearchRequest)[0].options.profiles
    assert (options.order_by_metric, options.pareto_metric) == ("energy_j", "p50_ms")


def test_query_measures_what_is_missing_and_asks_again(run: Run, script: Script, target: Path) -> None:
    missing = [candidate("other", 2), candidate("letters", 3)]
    script.rankings = [
        ranking(unmeasured=[*missing, candidate("digits", 4)]),
        ranking(candidate("other", 1, script.profiles["prf-1"]), unmeasured=[candidate("letters", 2)]),
    ]
    done = make_job(state=SUCCEEDED, profile_ids=["prf-1"])
    crashed = make_job("job-2", FAILED, failure=profiles.Failure(code="crashed", message="signal 11"))
    script.watches = [[done], [crashed]]
    result = run(
        "query",
        "--signature",
        target,
        "--require",
        "p99_ms<=20",
        "--load",
        "server:100",
        "--profile-missing",
        "--top",
        2,
    )
    submitted = script.requests(profiling.SubmitJobRequest)
    assert [request.model.id for request in submitted] == ["id-other", "id-letters"]
    assert submitted[0].spec.loads[0].rate_per_s == 100
    assert result.stdout.splitlines()[2].split()[1] == "other@1"
    assert result.stderr == "note: the job job-2 for digits@1 failed: crashed: signal 11\n"
    assert len(script.requests(search.SearchRequest)) == 2


def test_query_goes_on_where_nobody_can_measure(run: Run, script: Script, target: Path) -> None:
    script.rankings = [ranking(unmeasured=[candidate("other", 1)])]
    script.failures["SubmitJob"] = (Code.FAILED_PRECONDITION, "NO_CAPABLE_AGENT", "no registered agent could take it")
    result = run("query", "--signature", target, "--require", "p99_ms<=20", "--profile-missing")
    assert result.stderr.startswith("note: other@1 is not measured: no registered agent could take it")
    assert "msearch-cli profile other@1" in result.stdout
    assert len(script.requests(search.SearchRequest)) == 1


def test_a_query_without_profiles_looks_as_before(run: Run, script: Script, target: Path) -> None:
    script.rankings = [ranking(candidate("digits", 1))]
    assert run("query", "--signature", target).stdout.splitlines()[1].split() == [
        "rank", "model", "dataset", "adaptivity", "support",
    ]  # fmt: skip


def test_samples_are_put_and_deleted(run: Run, script: Script, tmp_path: Path) -> None:
    data = tmp_path / "train.parquet"
    pq.write_table(pa.table({"a": list(range(90)), "b": list(range(90)), "label": ["x", "y"] * 45}), data)
    shown = run("datasets", "sample", "put", "mnist", "--data", data, "--rows", 30, "--labels", "label").stdout
    assert shown.startswith("mnist@1: 30 rows stored, ")
    assert shown.rstrip().endswith("classes in label")
    assert "30 rows stored" in run("datasets", "show", "mnist").stdout
    assert "needs a confirmation" in run("datasets", "sample", "delete", "mnist", code=1).stderr
    assert run("datasets", "sample", "delete", "mnist", "--yes").stdout == "mnist@1 has no stored sample\n"
    assert "none stored" in run("datasets", "show", "mnist").stdout


def test_names_from_strangers_cannot_control_the_terminal(run: Run, script: Script) -> None:
    script.jobs["job-1"] = make_job(state=SUCCEEDED, model_name="evil\x1b[2J@1")
    script.agents["bench-1"].name = "evil\x1b[2J"
    script.profiles["prf-1"].offer_reason = "evil\x1b[2J"
    for words in (["jobs", "show", "job-1"], ["jobs", "list"], ["agents", "list"], ["profiles", "show", "prf-1"]):
        assert "\x1b" not in run(*words).stdout


def test_a_terminal_shows_progress(script: Script, address: str) -> None:
    progress = profiles.Progress(fraction=0.25, stage="measure", message="server:100, run 2 of 5")
    script.watches = [[make_job(progress=progress), make_job(state=SUCCEEDED, profile_ids=["prf-1"])]]
    control, terminal = pty.openpty()
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                part = os.read(control, 4096)
            except OSError:
                return
            if not part:
                return
            seen.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run(
        [sys.executable, "-c", "from msearch_client.cli import main; main()", "profile", "digits"],
        stdout=subprocess.PIPE, stderr=terminal, timeout=120, check=False,
        env={**os.environ, "MSEARCH_SERVER": address, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal)
    reader.join(30)
    os.close(control)
    assert done.returncode == 0, seen.decode(errors="replace")
    assert done.stdout.decode().startswith("1 profile of digits@1 in 34 s\n")
    assert "digits@1" in seen.decode(errors="replace")


def test_an_interrupt_leaves_the_job_running_and_says_how_to_go_on(script: Script, address: str) -> None:
    never = threading.Event()
    script.watches = [[make_job(), never]]
    process = subprocess.Popen(
        [sys.executable, "-c", "from msearch_cli import main; main()", "profile", "digits"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "MSEARCH_SERVER": address},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not script.requests(profiling.WatchJobRequest) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        shown, said = process.communicate(timeout=60)
    finally:
        never.set()
    assert (process.returncode, shown) == (130, "")
    assert said.splitlines()[0].startswith("the job job-1 goes on: follow it with `msearch-cli jobs watch job-1`")
    assert "Traceback" not in said
    assert script.requests(profiling.CancelJobRequest) == []
