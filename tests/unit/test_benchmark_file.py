"""Benchmark files: what they mean, what they refuse, and what stays the same."""

import json
from pathlib import Path

import pytest

from msearch_experiments import (
    BenchmarkError,
    LoadPoint,
    TooManyRuns,
    benchmark_schema,
    count_cells,
    expand,
    load_benchmark,
    parse_benchmark,
)
from msearch_experiments.plan import CONFIRM_ABOVE, MOST_CELLS

GRID = """
models: zoo/digits
generate: {family: [resnet, mlp], layers: [2, 4], width: 16}
hardware: {host_class: [cpu-a, cpu-b]}
software:
  - {backend: [onnxruntime, openvino], precision: [fp32, int8_dynamic], batch_size: [1, 8]}
  - {backend: null, mode: "constant:1ms", batching: [null, {max_batch: 8, max_wait_ms: 2}]}
  - {server: "grpc://127.0.0.1:9000/m"}
loads:
  - single_stream
  - {scenario: server, rate_per_s: [50, 100], arrival: [poisson, gamma], parameters: {cv: 2}, p99_limit_ms: 20}
"""


def test_lists_expand_to_a_grid():
    plan = expand(parse_benchmark(GRID))
    loads = 1 + 2 * 2
    assert len(plan.cells) == 2 * loads * (5 * 2 * 2 * 2 + 2 + 1) == count_cells(plan.benchmark)
    assert len(set(plan.cells)) == len(plan.cells)
    assert {cell.model for cell in plan.cells if cell.backend in ("null", "remote")} == {""}
    assert {cell.server for cell in plan.cells if cell.backend == "remote"} == {"grpc://127.0.0.1:9000/m"}
    assert set(plan.generated) == {
        "generated/resnet-2x16@1", "generated/resnet-4x16@1", "generated/mlp-2x16@1", "generated/mlp-4x16@1",
    }  # fmt: skip


def test_loads_leave_as_texts_that_every_part_of_msearch_reads():
    texts = {cell.load.text for cell in expand(parse_benchmark(GRID)).cells}
    assert texts == {
        "single_stream", "server:50,limit_ms=20", "server:100,limit_ms=20",
        "server:50,gamma,cv=2,limit_ms=20", "server:100,gamma,cv=2,limit_ms=20",
        "single_stream,batch=8,wait_ms=2", "server:50,batch=8,wait_ms=2,limit_ms=20",
        "server:100,batch=8,wait_ms=2,limit_ms=20", "server:50,gamma,cv=2,batch=8,wait_ms=2,limit_ms=20",
        "server:100,gamma,cv=2,batch=8,wait_ms=2,limit_ms=20",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("load", "texts"),
    [
        ("{scenario: offline}", ["offline"]),
        ("{scenario: multi_stream, streams: [2, 4]}", ["multi_stream:2", "multi_stream:4"]),
        ("{scenario: concurrency, streams: 3, p99_limit_ms: [5, 10]}",
         ["concurrency:3,limit_ms=5", "concurrency:3,limit_ms=10"]),
        ("{scenario: find_peak, p99_limit_ms: [5, 10]}", ["find_peak:5", "find_peak:10"]),
        ("[single_stream, 'server:5']", ["single_stream", "server:5"]),
    ],
)  # fmt: skip
def test_a_load(load, texts):
    plan = expand(parse_benchmark(f"software: {{backend: null}}\nloads: {load}"))
    assert [cell.load.text for cell in plan.cells] == texts


def test_a_trace_takes_its_times_along():
    plan = expand(
        parse_benchmark("software: {backend: null}\nloads: {scenario: server, arrival: trace, trace_s: [0, 0.5, 2]}")
    )
    assert [cell.load for cell in plan.cells] == [LoadPoint("server:0,trace", (0.0, 0.5, 2.0))]


@pytest.mark.parametrize(("processing", "within"), [("", ",pipeline=1"), (", processing: false", "")])
def test_a_pipeline_lies_around_any_load(processing: str, within: str):
    plan = expand(
        parse_benchmark(
            "software: {backend: null, batching: [null, {max_batch: 4}]}\n"
            "loads: ['server:5,limit_ms=9', {scenario: find_peak, p99_limit_ms: 20}, single_stream]\n"
            f"pipeline: {{network: [null, lan, {{round_trip_ms: 120, up_mbit_per_s: 2}}]{processing}}}"
        )
    )
    assert {cell.load.text for cell in plan.cells} == {
        f"{head}{batch}{within}{way}{limit}"
        for head, limit in (("server:5", ",limit_ms=9"), ("find_peak:20", ""), ("single_stream", ""))
        for batch in ("", ",batch=4,wait_ms=0")
        for way in ("", ",rtt_ms=0.5,up_mbit=1000,down_mbit=1000", ",rtt_ms=120,up_mbit=2")
    }
    assert count_cells(plan.benchmark) == len(plan.cells)


def test_without_a_pipeline_loads_are_as_they_were_given():
    assert [cell.load.text for cell in expand(parse_benchmark("models: a")).cells] == ["single_stream"]
    assert [cell.load.text for cell in expand(parse_benchmark("models: a\nloads: offline\npipeline: {}")).cells] == [
        "offline,pipeline=1"
    ]


def test_cells_that_stand_twice_are_measured_once():
    plan = expand(parse_benchmark("models: [a, a]\nsoftware: {batch_size: [1, 1]}"))
    assert len(plan.cells) == 1


def test_the_digest_is_that_of_the_meaning():
    digest = expand(parse_benchmark("models: [a, b]\nsoftware: {threads: [1, 2]}\nlimits: {repeats: 3}")).digest
    for same in (
        "# a comment\nlimits:\n  repeats: 3\nsoftware:\n- threads: [2, 1]\n  precision: fp32\nmodels: [b, a]",
        '{"retries": 1, "models": ["a", "b"], "limits": {"repeats": 3}, "software": {"threads": [1, 2]}}',
        '{"priority": 3, "models": ["a", "b"], "software": [{"threads": 1}, {"threads": 2}], "limits": {"repeats": 3}}',
    ):
        assert expand(parse_benchmark(same)).digest == digest
    for other in (
        "models: [a, b]\nsoftware: {threads: [1, 2]}\nlimits: {repeats: 4}",
        "models: [a, b]\nsoftware: {threads: [1, 2]}\nlimits: {repeats: 3}\nhardware: {labels: {room: north}}",
        "models: [a, b@2]\nsoftware: {threads: [1, 2]}\nlimits: {repeats: 3}",
        "models: [a, b]\nsoftware: {threads: [1, 2]}\nlimits: {repeats: 3}\nretries: 0",
        "models: [a, b]\nsoftware: {threads: [1, 2]}\nlimits: {repeats: 3}\nsearch: {optimise: p99_ms}",
    ):
        assert expand(parse_benchmark(other)).digest != digest


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("models: [a", "", "is not valid YAML"),
        ("models: a\nmodels: b", "models", "twice"),
        ("- a", "", "must be a mapping"),
        ("modles: a", "modles", "did you mean 'models'?"),
        ("models: a\nsoftware: {bakend: x}", "software[0].bakend", "did you mean 'backend'?"),
        ("models: a\nloads: {scenaro: server}", "loads[0].scenaro", "did you mean 'scenario'?"),
        ("models: a\nsoftware: {batching: {max_batches: 2}}", "software[0].batching[0].max_batches", "'max_batch'?"),
        ("models: a\nsoftware: {precision: fp31}", "software[0].precision[0]", "must be 'fp32'"),
        ("models: a\nsoftware: {batch_size: 0}", "software[0].batch_size[0]", "greater than or equal to 1"),
        ("models: a\nlimits: {repeats: 1.5}", "limits.repeats", "must be an integer"),
        ("models: a\nloads: {scenario: server}", "loads[0].rate_per_s", "is required for server"),
        ("models: a\nloads: {scenario: offline, streams: 2}", "loads[0].streams", "does not belong to offline"),
        ("models: a\nloads: {scenario: offline, arrival: gamma}", "loads[0].arrival", "belongs to the scenario server"),
        ("models: a\nloads: {scenario: server, arrival: trace}", "loads[0].trace_s", "need each other"),
        ("models: a\nloads: {text: offline, streams: 2}", "loads[0].streams", "exclude each other"),
        ("models: a\nloads: {}", "loads[0].scenario", "is required"),
        ("models: a\nsoftware: {server: 'grpc://h:1/m', backend: torch}", "software[0].backend", "exclude each other"),
        ("models: a\nsoftware: {backend: remote}", "software[0].server", "is required"),
        ("models: a\nsoftware: {backend: null}", "software", "measures none of the models"),
        ("software: {server: 'ftp://h:1/m'}", "software[0].server[0]", "must match"),
        (
            "models: a\nloads: [offline]\npipeline: {network: wifi}",
            "pipeline.network",
            "lie at the model from the start",
        ),
        ("models: a\nloads: 'server:1'\npipeline: {network: 5g}", "pipeline.network[0].name", "must be 'lan'"),
        ("models: a\npipeline: {network: {name: lan, round_trip_ms: 1}}", "pipeline.network[0].round_trip_ms", "name"),
        ("models: a\npipeline: {processing: 1}", "pipeline.processing", "boolean"),
        ("models: a\nretries: 11", "retries", "10"),
        ("models: a\nretries: -1", "retries", "0"),
        ("models: a\nretries: once", "retries", "integer"),
        ("models: a\npipeline: {netwrk: lan}", "pipeline.netwrk", "'network'?"),
        ("{}", "models", "is required"),
        ("models: []", "models", "at least 1"),
        ("models: a\nsearch: {trials: 3}", "search.optimise", "is required"),
    ],
)
def test_a_refusal_names_the_field(text, path, words):
    with pytest.raises(BenchmarkError, match="the benchmark file") as caught:
        parse_benchmark(text)
    assert path in dict(caught.value.fields)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("generate", "field", "words"),
    [
        ("{family: resnte, layers: 1, width: 8}", "family", "did you mean resnet?"),
        ("{family: mlp, layers: 0, width: 8}", "layers", "from 1 to"),
        ("{family: mlp, layers: 256, width: 65536}", "width", "parameters"),
        ("{family: mlp, layers: 1, width: 8, input: [3, 4]}", "input", "a row of mlp is"),
        ("{family: cnn, layers: 1, width: 8, input: [2, 8, 8]}", "input", "1 or 3 channels"),
        ("{family: cnn, layers: 1, width: 65536, input: [1, 4096, 4096]}", "input", "numbers"),
        ("{family: mlp, layers: 1, width: 8, classes: 1}", "classes", "from 2"),
    ],
)
def test_a_canonical_model_that_cannot_be_is_refused(generate, field, words):
    with pytest.raises(BenchmarkError) as caught:
        expand(parse_benchmark(f"generate: {generate}"))
    assert words in dict(caught.value.fields)[f"generate[0].{field}"]


def test_models_that_fit_one_by_one_may_not_fit_together():
    text = "generate: {family: mlp, layers: 16, width: 2000, seed: [%s]}"
    assert len(expand(parse_benchmark(text % "1, 2")).generated) == 2
    with pytest.raises(BenchmarkError, match="parameters together") as caught:
        expand(parse_benchmark(text % ", ".join(map(str, range(1, 100)))))
    assert "generate" in dict(caught.value.fields)


def numbers(count):
    return list(range(1, count + 1))


def test_a_large_grid_must_be_confirmed():
    text = f"models: a\nsoftware: {{batch_size: {numbers(CONFIRM_ABOVE + 1)}}}"
    with pytest.raises(TooManyRuns, match="501 profiles, up to 2,505 runs") as caught:
        expand(parse_benchmark(text))
    assert caught.value.profiles == CONFIRM_ABOVE + 1
    assert len(expand(parse_benchmark(text), confirmed=True).cells) == CONFIRM_ABOVE + 1


def test_an_impossible_grid_is_refused_without_expanding_it():
    text = f"models: a\nsoftware: {{batch_size: {numbers(1000)}, threads: {numbers(1000)}}}"
    with pytest.raises(TooManyRuns, match="1,000,000 profiles") as caught:
        expand(parse_benchmark(text), confirmed=True)
    assert caught.value.profiles == 10**6 > MOST_CELLS


def test_a_search_measures_only_its_trials():
    text = f"models: a\nsoftware: {{batch_size: {numbers(1000)}}}\nsearch: {{optimise: throughput_per_s, trials: 10}}"
    assert len(expand(parse_benchmark(text)).cells) == 1000


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(BenchmarkError, match=r"bench\.yaml: cannot read the benchmark file: No such file"):
        load_benchmark(tmp_path / "bench.yaml")
    (tmp_path / "bench.yaml").write_text("modles: a")
    with pytest.raises(BenchmarkError, match=r"bench\.yaml: the benchmark file is invalid: modles"):
        load_benchmark(tmp_path / "bench.yaml")


def test_the_published_schema_is_current():
    path = Path(__file__).parents[2] / "docs" / "benchmark.schema.json"
    current = "run: python -m msearch_experiments > docs/benchmark.schema.json"
    assert json.loads(path.read_text()) == benchmark_schema(), current
