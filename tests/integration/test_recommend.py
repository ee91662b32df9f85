"""Recommendations end to end: a real service over a socket, registered ONNX models, stored profiles; SDK and CLI."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from msearch_client import Artifact, Client, LocalError
from msearch_client._graph_work import find_work
from msearch_client.cli import app
from msearch_client.cli.missing import measuring_command
from msearch_deployment.latency import Work
from search_service.domain.profiling import InvalidReason, Load, Measurement, Precision, Scenario, Variant
from search_service.storage import MemoryDatabase
from tests.profiling_objects import a_profile, put_profiles
from tests.service_in_process import service_in_process
from tests.small_zoo import write_zoo

HOST, ARM = "xeon-8481c-2cpu-24gib-abcdef", "neoverse-4cpu-8gib-012345"
SERVER, PEAK = Load(scenario=Scenario.SERVER, rate_per_s=100), Load(scenario=Scenario.FIND_PEAK, p99_limit_ms=20)
INT8 = Precision.INT8_STATIC
TABLE = "[prices 2026-11-01 0badcafe]"
ALONE = Load(scenario=Scenario.SINGLE_STREAM)
TEXTS = {SERVER.scenario: "server:100", PEAK.scenario: "find_peak:20", ALONE.scenario: "single_stream"}
PEAKS = json.dumps({"peaks": [{"threads": 1, "gflop_per_s": 100.0, "gb_per_s": 10.0}]})
NOT_MEASURED = ("reasons", "offered", "host_json", "model_name")
GRAPH = {"flops": 4e7, "activation_bytes": 1e5, "parameters": 1e4, "operators": 10.0}
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder)
    return folder


@pytest.fixture(scope="module")
def address(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Near is slow, mid fast in int8 and on the cheap host, far was measured in single_stream only."""
    database = MemoryDatabase()
    with service_in_process(tmp_path_factory.mktemp("service"), database) as running:
        address = running.service.address
        registered = CliRunner().invoke(
            app, ["register", "--manifest", str(zoo / "zoo.yaml")], env={"MSEARCH_SERVER": address}
        )
        assert registered.exit_code == 0, registered.stderr
        with Client(address) as client:
            near, mid, far = (client.get_model(name).id for name in ("near", "mid", "far"))
        put_profiles(
            database,
            profile("near", near, p99_ms=31.0, throughput_per_s=100.0),
            profile("near peak", near, PEAK, p99_ms=19.5, throughput_per_s=110.0, peak_rate_per_s=110.0),
            profile("mid", mid, p99_ms=12.0, throughput_per_s=100.0, cost_per_1k=0.001, host_json=PEAKS, **GRAPH),
            profile("mid int8", mid, precision=INT8, p99_ms=6.0, throughput_per_s=100.0, accuracy_loss=0.02),
            profile("mid peak", mid, PEAK, p99_ms=19.0, throughput_per_s=400.0, peak_rate_per_s=400.0),
            profile("mid arm", mid, host=ARM, p99_ms=18.0, throughput_per_s=100.0),
            profile("far alone", far, ALONE, host_json=PEAKS, model_name="far@1", p50_ms=0.4, p99_ms=0.9, **GRAPH),
            *(evidence(number) for number in range(1, 13)),
            profile("broken", far, reasons=(InvalidReason("disturbed", "so"),), p99_ms=1.0, throughput_per_s=100.0),
            profile("rejected", far, precision=INT8, offered=False, p99_ms=1.0, throughput_per_s=100.0),
        )  # fmt: skip
        yield address


def profile(
    id: str, model: str, load: Load = SERVER, host: str = HOST, precision: Precision = Precision.FP32, **fields: Any
) -> Any:
    others = {name: fields.pop(name) for name in NOT_MEASURED if name in fields}
    return a_profile(
        id, job_id="", model_id=model, variant=Variant(backend="onnxruntime", precision=precision), load=load,
        load_text=TEXTS[load.scenario], host_class=host,
        measurements=tuple(
            Measurement(name=name, value=value, unit="", source="requests", detail=f"x {TABLE}")
            for name, value in fields.items()
        ),
        **others,
    )  # fmt: skip


def evidence(number: int) -> Any:
    """Some other model of the same form, whose latency follows its size."""
    graph = GRAPH | {"flops": number * 1e7}
    latency = {"p50_ms": 0.1 + 0.1 * number, "p99_ms": 0.5 + 0.2 * number}
    return profile(f"other {number}", "", model_name=f"other-{number}@1", host_json=PEAKS, **graph, **latency)


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as opened:
        yield opened


@pytest.fixture
def run(address: str) -> Run:
    def call(*words: Any, code: int = 0) -> Result:
        variables = {"MSEARCH_SERVER": address, "COLUMNS": "200", "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}
        result = CliRunner().invoke(app, ["recommend", *map(str, words)], env=variables)
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
        return result

    return call


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text('date = "2026-11-26"\n[host_classes]\nxeon = { usd_per_hour = 0.5 }\n', encoding="utf-8")
    return path


def test_the_sdk_answers_which_model_in_which_form_on_which_host(client: Client, zoo: Path, prices: Path) -> None:
    found = client.recommend(
        zoo / "target.parquet", require=["p99_ms<=20ms", "accuracy>=10%"], load="server:100", rate=1000, prices=prices
    )
    best = found.best
    assert (best.model.name, str(best.variant), best.host_class) == ("mid", "onnxruntime fp32", HOST)
    assert (best.capacity_per_s, best.capacity_load, best.capacity_at_peak) == (400.0, "find_peak:20", True)
    # 1000 / (400 x 0.8) = 3.1
    assert (best.replicas, best.usd_per_hour) == (4, 2.0)
    assert best.profile.id == "mid"
    assert best.accuracy.origin == "predicted"
    assert best.accuracy.low < best.accuracy.value < best.accuracy.high
    assert found.prefer == "accuracy"
    assert any("from signatures alone" in notice for notice in found.notices)
    assert any("neoverse" in notice and "[host_classes]" in notice for notice in found.notices)
    assert found.to_pandas()["model"].tolist()[0] == "mid@1"


def test_accuracies_are_predicted_by_running_the_candidates(client: Client, zoo: Path) -> None:
    found = client.recommend(zoo / "target.parquet", load="server:100", rerank=3, local=True, require="accuracy>=0.1")
    accuracy = found.best.accuracy
    assert accuracy.origin == "predicted"
    assert 0 <= accuracy.low < accuracy.value < accuracy.high <= 1
    assert found.prefer == "accuracy"
    assert not any("claimed" in notice for notice in found.notices)
    values = [one.accuracy.value for one in found]
    assert values == sorted(values, reverse=True)


def test_an_int8_variant_is_charged_its_loss(client: Client, zoo: Path) -> None:
    found = client.recommend(zoo / "target.parquet", require="p99_ms<=15", load="server:100")
    fp32, int8 = found
    assert (fp32.variant.precision, int8.variant.precision) == ("fp32", "int8_static")
    assert int8.accuracy.value == pytest.approx(fp32.accuracy.value - 0.02)


def test_the_limit_that_binds_is_named_with_the_answer_behind_it(client: Client, zoo: Path) -> None:
    found = client.recommend(zoo / "target.parquet", require="p99_ms<=20", load="server:100")
    (change,) = found.binding
    assert (str(change.limit), str(change.relaxed), change.answer.model.name) == ("p99_ms<=20", "p99_ms<=31", "near")


def test_models_that_cannot_be_judged_stand_apart(client: Client, zoo: Path) -> None:
    found = client.recommend(zoo / "target.parquet", require="p99_ms<=20", load="server:100")
    (far,) = found.untold
    assert (far.model.name, far.missing, far.accuracy.origin) == ("far", (), "predicted")


def test_stored_costs_of_one_table_are_used(client: Client, zoo: Path) -> None:
    found = client.recommend(zoo / "target.parquet", require="p99_ms<=20", load="server:100", rate=100)
    assert found.best.usd_per_hour == pytest.approx(0.001 * 3.6 * 100)


def test_backends_and_precisions_narrow_the_choice(client: Client, zoo: Path, run: Run) -> None:
    target, limit = zoo / "target.parquet", {"require": "p99_ms<=20", "load": "server:100"}
    found = client.recommend(target, precisions=["int8-static"], **limit)
    assert [str(one.variant) for one in found] == ["onnxruntime int8_static"]
    assert client.recommend(target, backends=["openvino"], **limit).considered == 0
    with pytest.raises(LocalError, match="precision 'int7' is unknown"):
        client.recommend(target, precisions="int7", **limit)
    out = run("--data", target, "--require", "p99_ms<=20", "--load", "server:100", "--precision", "fp32").stdout
    assert "int8_static" not in out
    run("--data", target, "--precision", "int7", code=2)


def test_a_host_class_narrows_the_choice(client: Client, zoo: Path) -> None:
    found = client.recommend(zoo / "target.parquet", require="p99_ms<=20", load="server:100", host_class="neoverse")
    assert [one.host_class for one in found] == [ARM]


def test_what_was_not_measured_is_predicted_on_request_and_marked(client: Client, zoo: Path) -> None:
    found = client.recommend(
        zoo / "target.parquet", require="p99_ms<=20", load="server:100", predicted_latency=True, top=10
    )
    (predicted,) = [one for one in found if one.model.name == "far"]
    assert predicted.predicted
    assert predicted.profile is None
    latency = predicted.figures["p99_ms"]
    assert latency.origin == "predicted"
    assert latency.low < latency.value < latency.high
    # 40 MFLOP, and models of 10 to 120 MFLOP took 0.5 ms + 0.02 ms a MFLOP.
    assert latency.value == pytest.approx(1.3, rel=0.3)
    assert predicted.capacity_per_s is None
    assert found.untold == ()
    assert not [one for one in found if one.predicted and one.model.name != "far"]


def test_a_prediction_that_cannot_be_made_says_why(client: Client, zoo: Path, run: Run) -> None:
    def notices(load: str) -> str:
        return "\n".join(client.recommend(zoo / "target.parquet", load=load, predicted_latency=True).notices)

    assert "nothing was measured in fp32 under find_peak:20 with known peaks" in notices("find_peak:20")
    alone = notices("single_stream")
    assert "models measured so: 1, and a prediction needs 10" in alone
    refused = run("--data", zoo / "target.parquet", "--predicted-latency", code=1)
    assert "latencies are predicted under one load" in refused.stderr


def test_latencies_of_models_are_predicted_by_name(client: Client) -> None:
    found = client.predict_latency(["far", "near"], load="server:100", quantities=["p95_ms"])
    (one,) = found.predictions
    assert (one.model_name, str(one.variant), one.host_class, one.load) == (
        "far@1", "onnxruntime fp32", HOST, "server:100",
    )  # fmt: skip
    assert set(one.figures) == {"p50_ms", "p99_ms"}
    assert one.figures["p50_ms"].origin == "predicted"
    assert any("p95_ms of onnxruntime fp32 cannot be predicted" in reason for reason in found.reasons)
    with pytest.raises(LocalError, match="there is no scenario"):
        client.predict_latency("far", load="sever:1")


def test_what_a_model_takes_is_counted_from_its_artifact_where_no_profile_says_it(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSEARCH_ARTIFACTS", str(tmp_path))
    model = client.get_model("near")
    found = find_work(client, model, ())
    # One product of 3 by 2 with a bias: 12 + 2 operations, 8 numbers, and two of them come out.
    assert found.work == Work(flops=14.0, activation_bytes=8.0, parameters=8.0, operators=1.0)
    assert [path.name for path in tmp_path.iterdir()] == [model.artifact.digest]
    hosted = dataclasses.replace(model, artifact=Artifact(format="none"))
    assert "no profile says it" in find_work(client, hosted, ()).reason
    assert measuring_command(hosted, ["server:100"], "").endswith("--load server:100 --remote grpc://HOST:PORT/MODEL")
    large = dataclasses.replace(model, artifact=dataclasses.replace(model.artifact, size_bytes=1 << 31))
    assert "above 1 GiB" in find_work(client, large, ()).reason


def test_a_query_shows_what_unmeasured_candidates_would_take(address: str, zoo: Path) -> None:
    def call(*words: str) -> Any:
        variables = {"MSEARCH_SERVER": address, "COLUMNS": "200", "MSEARCH_CONFIG": None}
        question = ("query", "--data", str(zoo / "target.parquet"), "--require", "p99_ms<=20", "--predicted-latency")
        return CliRunner().invoke(app, [*question, *words], env=variables)

    result = call("--load", "server:100")
    assert result.exit_code == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if "predicted as onnxruntime fp32" in line]
    assert "p99_ms" in line
    assert " ms (" in line
    assert call().exit_code == 2


def test_the_command_marks_predictions(run: Run, zoo: Path) -> None:
    words = ("--data", zoo / "target.parquet", "--require", "p99_ms<=5", "--load", "server:100")
    out = run(*words, "--predicted-latency").stdout
    (row,) = [line for line in out.splitlines() if line.startswith("1  far@1")]
    assert row.rstrip().endswith("predicted")
    assert "msearch-cli profile far@1 --load server:100" in out


def test_the_command_prints_the_answer_what_vouches_for_it_and_what_binds(run: Run, zoo: Path, prices: Path) -> None:
    out = run(
        "--data", zoo / "target.parquet", "--require", "p99_ms<=20", "--require", "accuracy>=0.1", "--load",
        "server:100", "--rate", "1000", "--prices", prices,
    ).stdout  # fmt: skip
    assert "3 of 4 configurations of 3 models meet p99_ms<=20, accuracy>=0.1 under server:100" in out
    assert "mid@1 as onnxruntime fp32 on xeon-8481c-2cpu-24gib-abcdef" in out
    assert re.search(r"0\.\d+ \(0\.\d+ to 0\.\d+\) predicted", out)
    assert "4 = 1,000/s / (400/s x 0.8), rounded up; 20 % of each stays free" in out
    assert "2.00 USD an hour" in out
    assert "binding: p99_ms<=20. With p99_ms<=31 the answer would be near@1" in out
    assert re.search(r"msearch-cli profile far@1 --load server:100 --load find_peak:20  # accuracy 0\.\d+ \(", out)


def test_where_nothing_fits_the_command_says_what_comes_nearest(run: Run, zoo: Path) -> None:
    words = ("--data", zoo / "target.parquet", "--require", "p99_ms<=5", "--require", "accuracy>=0.99")
    out = run(*words, "--load", "server:100").stdout
    assert "0 of 4 configurations" in out
    assert "nothing fits. Nearest is mid@1 as onnxruntime int8_static" in out
    assert "p99_ms<=6 instead of p99_ms<=5 (20 % off)" in out
    assert re.search(r"accuracy>=0\.\d+ instead of accuracy>=0\.99 \([\d.]+ % off\)", out)


def test_json_is_one_document_with_the_commands_that_would_tell(run: Run, zoo: Path) -> None:
    words = ("--data", zoo / "target.parquet", "--require", "p99_ms<=20", "--load", "server:100", "--json")
    printed = run(*words).stdout
    document = json.loads(printed[printed.index("{\n") :])  # the service of this process logs before it
    assert document["configurations"][0]["model"]["name"] == "mid"
    assert document["configurations"][0]["figures"]["accuracy"]["origin"] == "predicted"
    assert document["untold"][0]["command"] == "msearch-cli profile far@1 --load server:100"
    assert "signature" not in document


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--require", "p9_ms<=20"], 1, "did you mean"),
        (["--require", "p99_ms=20"], 2, "is neither <= nor >="),
        (["--load", "sever:100"], 2, "there is no scenario 'sever'"),
        (["--rate", "0"], 1, "the rate must be above 0"),
        (["--headroom", "1"], 1, "the headroom is a share in [0, 1)"),
        (["--prefer", "speed"], 1, "choose one of accuracy"),
        (["--prices", "missing.toml"], 1, "cannot read the price table"),
        (["--order-by", "nearest=x"], 2, "NAME=WEIGHT"),
        (["--local"], 2, "--local needs --rerank"),
    ],
)
def test_wrong_questions_are_refused_by_name(run: Run, zoo: Path, words: list[str], code: int, told: str) -> None:
    result = run("--data", zoo / "target.parquet", *words, code=code)
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_nothing_is_asked_of_the_service_before_the_question_is_sound(zoo: Path) -> None:
    with (
        Client("127.0.0.1:9", retries=0) as nobody,
        pytest.raises(LocalError, match="not a quantity that can be limited"),
    ):
        nobody.recommend(zoo / "target.parquet", require="p99ms<=20")
