"""Exports on real data: scanned digits, a trained classifier in ONNX; what is exported runs and answers the same."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from msearch_client import Client, Configuration, LocalError, NewDataset, Precision, Variant
from msearch_client.cli import app
from msearch_deployment.serving import Package, Tensor, Unservable, config_pbtxt, program, repository_name
from profiler_agent.onnx_files import write_int8_dynamic
from search_service.domain.catalog import Tensor as ServiceTensor
from search_service.domain.profiling import Batching, Form, Load, Measurement, Scenario
from search_service.domain.profiling import Precision as ServicePrecision
from search_service.domain.profiling import Variant as ServiceVariant
from search_service.storage import MemoryDatabase
from tests.compiled_models import EXAMPLES, reference, write_model
from tests.profiling_objects import a_profile, put_profiles
from tests.service_in_process import Running, service_in_process

TRAINED, TOLD = 1200, 200
HOST = "xeon-8481c-2cpu-24gib-abcdef"
SERVER = Load(scenario=Scenario.SERVER, rate_per_s=100)
JOINED = Load(scenario=Scenario.SERVER, rate_per_s=100, batching=Batching(max_batch=8, max_wait_ns=2_000_000))

TEXTS = {False: "server:100", True: "server:100,batch=8,wait_ms=2"}


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray((pixels * 15).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def digits() -> tuple[pa.Table, np.ndarray]:
    """Scanned digits of 8 x 8 pixels, the last ones kept from training, and what they are."""
    found = load_digits()
    images = [png(pixels) for pixels in found.images]
    return pa.table({"image": images, "label": [str(digit) for digit in found.target]}), found.target


@pytest.fixture(scope="module")
def network() -> bytes:
    """Logistic regression on pixels of 0 to 1 as ONNX, with a free batch and an output a row besides."""
    found = load_digits()
    pixels = (found.images * 15).astype(np.uint8).reshape(len(found.images), -1) / 255
    fitted = LogisticRegression(max_iter=2000).fit(pixels[:TRAINED], found.target[:TRAINED])
    nodes = [
        helper.make_node("Flatten", ["image"], ["pixels"]),
        helper.make_node("Gemm", ["pixels", "weights", "biases"], ["logits"]),
        helper.make_node("ReduceMax", ["logits", "axes"], ["certainty"], keepdims=0),
    ]
    constants = {"weights": fitted.coef_.T.astype(np.float32), "biases": fitted.intercept_.astype(np.float32),
                 "axes": np.array([1])}  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10]),
            helper.make_tensor_value_info("certainty", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    content: bytes = model.SerializeToString()
    return content


CARD = {
    "name": "digits/scanned",
    "version": "1",
    "task": "classification",
    "modality": "image",
    "classes": [str(digit) for digit in range(10)],
    "metrics": [{"name": "accuracy", "value": 0.93}],
    "artifact": {"format": "onnx"},
    "input": {"kind": "image", "column": "image", "width": 8, "height": 8, "channels": 1},
    "output": {"kind": "logits", "tensor": "logits"},
}


@pytest.fixture(scope="module")
def address(digits: Any, network: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = MemoryDatabase()
    with service_in_process(tmp_path_factory.mktemp("service"), database) as running:
        with Client(running.service.address) as client:
            rows = digits[0].slice(0, TRAINED)
            signature = client.sketch(rows, labels="label")
            dataset = NewDataset(name="digits", modality="image", signatures=(signature,))
            model = client.register_model(CARD, artifact=network, dataset=dataset)
        put_profiles(
            database,
            profile("ort", model.id, "onnxruntime", p99_ms=1.0),
            profile("ort joined", model.id, "onnxruntime", load=JOINED, p99_ms=3.0),
            profile("vino", model.id, "openvino", threads=2, batch_size=8, mode="static", p99_ms=2.0),
            profile("int8", model.id, "onnxruntime", precision=ServicePrecision.INT8_DYNAMIC, p99_ms=0.5),
        )
        keep_made(running, model.id, network, tmp_path_factory.mktemp("made"))
        yield running.service.address


def keep_made(running: Running, model_id: str, network: bytes, folder: Path) -> None:
    """A profile of what an agent has made of the network, in int8, and had kept."""
    (folder / "model.onnx").write_bytes(network)
    write_int8_dynamic(folder / "model.onnx", folder / "int8.onnx")
    made = (folder / "int8.onnx").read_bytes()
    digest = hashlib.sha256(made).hexdigest()
    blob = running.blobs.upload(digest, len(made))
    blob.write(made)
    blob.finish()
    with running.database.begin() as unit:
        unit.forms.add(model_id, digest, len(made))
        unit.commit()
    form = Form(format="onnx", digest=digest, size_bytes=len(made), kept=True,
                inputs=(ServiceTensor(name="image", element_type="float32", shape=("n", 1, 8, 8)),),
                outputs=(ServiceTensor(name="logits", element_type="float32", shape=("n", 10)),
                         ServiceTensor(name="certainty", element_type="float32", shape=("n",))))  # fmt: skip
    kept = profile("made", model_id, "onnxruntime", p99_ms=0.4, precision=ServicePrecision.INT8_DYNAMIC, threads=2)
    lost = profile("lost", model_id, "onnxruntime", p99_ms=0.6, precision=ServicePrecision.INT8_DYNAMIC, threads=3)
    put_profiles(
        running.database, dataclasses.replace(kept, form=form),
        dataclasses.replace(lost, form=dataclasses.replace(form, kept=False)),
    )  # fmt: skip


def profile(id: str, model: str, backend: str, load: Load = SERVER, *, p99_ms: float, **variant: Any) -> Any:
    versions = {"onnxruntime": onnxruntime.__version__, "openvino": openvino.__version__.split("-")[0]}
    return a_profile(
        id, job_id="", model_id=model, model_name="digits/scanned@1", host_class=HOST, load=load, versions=versions,
        variant=ServiceVariant(backend=backend, **variant), load_text=TEXTS[load.batching is not None],
        measurements=(
            Measurement(
                name="p99_ms", value=p99_ms, unit="ms", low=0.9 * p99_ms, high=1.1 * p99_ms, source="requests"
            ),
            Measurement(name="throughput_per_s", value=100.0, unit="1/s", source="requests"),
        ),
    )  # fmt: skip


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as opened:
        yield opened


@pytest.fixture(scope="module")
def sample(digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits that the classifier never saw, without what they are."""
    path = tmp_path_factory.mktemp("sample") / "sample.parquet"
    pq.write_table(digits[0].slice(TRAINED, TOLD).drop_columns(["label"]), path)
    return path


def configuration(client: Client, sample: Path, profile_id: str, load: str = "server:100") -> Configuration:
    found = client.recommend(sample, load=load, top=10)
    return next(one for one in found if one.profile.id == profile_id)


def run_exported(folder: Path, name: str, *words: Any) -> list[dict[str, Any]]:
    """The JSON lines of an exported program."""
    done = subprocess.run(
        [sys.executable, str(folder / name), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_sums(folder: Path) -> set[str]:
    """The files that SHA256SUMS names, each of which is as it says."""
    named = set()
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        named.add(name)
    return named


def parse_config(folder: Path) -> dict[str, Any]:
    """config.pbtxt as Triton's own message reads it; in a process of its own, since its protos claim names of ours."""
    pytest.importorskip("tritonclient", reason="Triton's own message reads the configuration: pip install tritonclient")
    program = """
import sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2
config = text_format.Parse(open(sys.argv[1]).read(), model_config_pb2.ModelConfig())
print(json_format.MessageToJson(config, preserving_proto_field_name=True))
"""
    (path,) = folder.glob("model_repository/*/config.pbtxt")
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("profile_id", "program"), [("ort", "run_onnxruntime.py"), ("vino", "run_openvino.py")]
)  # fmt: skip
def test_what_is_exported_runs_on_real_rows_and_is_right(
    client: Client, sample: Path, digits: Any, network: bytes, tmp_path: Path, profile_id: str, program: str
) -> None:
    folder = client.export(configuration(client, sample, profile_id), tmp_path / "out")
    assert (folder / "model.onnx").read_bytes() == network
    named = check_sums(folder)
    assert named == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {
        "SHA256SUMS"
    }
    assert json.loads((folder / "card.json").read_text())["name"] == "digits/scanned"
    measured = json.loads((folder / "measured.json").read_text())
    assert measured["profile_id"] == profile_id
    assert measured["sha256"] == {"model.onnx": hashlib.sha256(network).hexdigest()}
    assert measured["figures"]["p99_ms"]["high"] > measured["figures"]["p99_ms"]["value"]
    answers = run_exported(folder, program, sample)
    assert [one["row"] for one in answers] == list(range(TOLD))
    # By hand, from the graph itself.
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    pixels = np.stack(
        [np.asarray(Image.open(io.BytesIO(image))) for image in pq.read_table(sample)["image"].to_pylist()]
    )
    (logits,) = session.run(["logits"], {"image": (pixels / 255).astype(np.float32)[:, None]})
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    np.testing.assert_allclose([list(one["answer"].values()) for one in answers], chances, atol=1e-4)
    told = [max(one["answer"], key=one["answer"].get) for one in answers]
    assert np.mean(np.array(told) == digits[1][TRAINED : TRAINED + TOLD].astype(str)) > 0.85


def test_a_program_refuses_a_model_that_is_not_the_one_measured(client: Client, sample: Path, tmp_path: Path) -> None:
    folder = client.export(configuration(client, sample, "ort"), tmp_path / "out")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\n")
    command = [sys.executable, str(folder / "run_onnxruntime.py"), str(sample)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "is not the model that was measured" in done.stderr


def test_the_triton_repository_has_the_tensors_of_the_graph(client: Client, sample: Path, tmp_path: Path) -> None:
    folder = client.export(configuration(client, sample, "ort"), tmp_path / "out")
    assert (folder / "model_repository/digits_scanned/1/model.onnx").read_bytes() == (
        folder / "model.onnx"
    ).read_bytes()
    config = parse_config(folder)
    assert (config["name"], config["backend"], config["max_batch_size"]) == ("digits_scanned", "onnxruntime", 1)
    assert config["input"] == [{"name": "image", "data_type": "TYPE_FP32", "dims": ["1", "8", "8"]}]
    # A tensor of one number a row has no dimension beside the batch, and Triton wants one.
    assert config["output"] == [
        {"name": "logits", "data_type": "TYPE_FP32", "dims": ["10"]},
        {"name": "certainty", "data_type": "TYPE_FP32", "dims": ["1"], "reshape": {}},
    ]
    assert "dynamic_batching" not in config
    assert config["instance_group"] == [{"count": 1, "kind": "KIND_CPU"}]
    assert config["parameters"]["intra_op_thread_count"] == {"string_value": "1"}


def test_requests_are_joined_as_they_were_when_it_was_measured(client: Client, sample: Path, tmp_path: Path) -> None:
    joined = configuration(client, sample, "ort joined", "server:100,batch=8,wait_ms=2")
    config = parse_config(client.export(joined, tmp_path / "joined"))
    assert config["max_batch_size"] == 8
    assert config["dynamic_batching"] == {"preferred_batch_size": [8], "max_queue_delay_microseconds": "2000"}
    config = parse_config(client.export(configuration(client, sample, "vino"), tmp_path / "vino"))
    assert (config["backend"], config["max_batch_size"]) == ("openvino", 8)
    assert config["dynamic_batching"] == {"preferred_batch_size": [8]}
    assert config["parameters"]["INFERENCE_NUM_THREADS"] == {"string_value": "2"}


def test_what_the_agent_made_is_exported_byte_for_byte(
    client: Client, sample: Path, digits: Any, tmp_path: Path
) -> None:
    made = configuration(client, sample, "made")
    folder = client.export(made, tmp_path / "out")
    content = (folder / "model.onnx").read_bytes()
    assert made.profile is not None
    assert made.profile.form is not None
    assert hashlib.sha256(content).hexdigest() == made.profile.form.digest
    assert b"Integer" in content  # of int8 operators
    assert check_sums(folder) >= {"model_repository/digits_scanned/1/model.onnx", "run_onnxruntime.py"}
    measured = json.loads((folder / "measured.json").read_text())
    assert (measured["sha256"], measured["made_by_the_agent"]) == ({"model.onnx": made.profile.form.digest}, True)
    assert "what the agent made of the artifact and measured" in (folder / "README.md").read_text()
    assert parse_config(folder)["parameters"]["intra_op_thread_count"] == {"string_value": "2"}
    told = [max(one["answer"], key=one["answer"].get) for one in run_exported(folder, "run_onnxruntime.py", sample)]
    assert np.mean(np.array(told) == digits[1][TRAINED : TRAINED + TOLD].astype(str)) > 0.85
    path = client.download_form(made.profile, tmp_path / "made.onnx")
    assert path.read_bytes() == content
    with pytest.raises(LocalError, match="exists already"):
        client.download_form("made", path)
    with pytest.raises(LocalError, match="keeps no file that profile ort was measured as"):
        client.download_form("ort", tmp_path / "none.onnx")
    with pytest.raises(LocalError, match=r"the agent made 0\.0 MiB of the artifact, which the service does not keep"):
        client.export(configuration(client, sample, "lost"), tmp_path / "lost")


def test_a_folder_that_holds_something_is_left_alone(client: Client, sample: Path, tmp_path: Path) -> None:
    chosen = configuration(client, sample, "ort")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(LocalError, match="exists already"):
        client.export(chosen, tmp_path / "out")
    with pytest.raises(LocalError, match="cannot write"):
        client.export(chosen, tmp_path / "none" / "out")
    (tmp_path / "empty").mkdir()
    assert (client.export(chosen, tmp_path / "empty") / "model.onnx").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "out"]


def test_an_export_that_breaks_off_leaves_nothing(
    client: Client, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = configuration(client, sample, "ort")

    def full(*_: object) -> str:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("msearch_client._exporting._sums", full)
    with pytest.raises(LocalError, match=r"cannot write .*No space left"):
        client.export(chosen, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_the_artifact_is_not_is_refused_with_the_reason(client: Client, sample: Path, tmp_path: Path) -> None:
    int8 = configuration(client, sample, "int8")
    with pytest.raises(LocalError, match="the agent makes int8_dynamic of onnxruntime from the artifact"):
        client.export(int8, tmp_path / "out")
    ort = configuration(client, sample, "ort")
    with pytest.raises(LocalError, match="was not measured"):
        client.export(dataclasses.replace(ort, profile=None), tmp_path / "out")
    torch = Variant(backend="torch", precision=Precision.FP32)
    with pytest.raises(LocalError, match="the agent makes fp32 of torch from the artifact"):
        client.export(dataclasses.replace(ort, variant=torch), tmp_path / "out")
    with pytest.raises(LocalError, match="no ready configuration for the backend remote"):
        client.export(dataclasses.replace(ort, variant=Variant(backend="remote")), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_the_one_picked(address: str, sample: Path, tmp_path: Path) -> None:
    def call(*words: str) -> Any:
        variables = {"MSEARCH_SERVER": address, "COLUMNS": "200", "MSEARCH_CONFIG": None}
        return CliRunner().invoke(
            app, ["recommend", "--data", str(sample), "--load", "server:100", *words], env=variables
        )

    first = call("--export", str(tmp_path / "first"))
    assert first.exit_code == 0, first.stderr  # int8 with two threads is the fastest
    assert f"exported to {tmp_path / 'first'}" in first.stdout
    assert (tmp_path / "first" / "run_onnxruntime.py").exists()
    second = call("--export", str(tmp_path / "second"), "--pick", "2")
    assert second.exit_code == 1
    assert "--pick N exports another" in second.stderr
    beyond = call("--export", str(tmp_path / "third"), "--pick", "9")
    assert beyond.exit_code == 1
    assert "there is no configuration 9 to export: only 3 are recommended" in beyond.stderr
    nothing = call("--export", str(tmp_path / "third"), "--require", "p99_ms<=0.1")
    assert "nothing meets the limits" in nothing.stderr


TORCH_CARD = {
    "name": "perceptron",
    "task": "classification",
    "modality": "embedding",
    "classes": [str(digit) for digit in range(10)],
    "artifact": {"format": "torch_export"},
    "input": {"kind": "embedding", "column": "vector", "length": 16},
    "output": {"kind": "logits", "tensor": "logits"},
}


def test_a_program_of_torch_is_exported_with_what_its_profile_tells(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    artifact = write_model(tmp_path, "mlp", "torch_export")
    rows = EXAMPLES["mlp"].feed(5, 3)["x"]
    table = pa.table({"vector": pa.array(rows.tolist(), pa.list_(pa.float32()))})
    pq.write_table(table, tmp_path / "rows.parquet")
    form = Form(format="torch_export", digest=hashlib.sha256(artifact.read_bytes()).hexdigest(),
                size_bytes=artifact.stat().st_size,
                inputs=(ServiceTensor(name="x", element_type="float32", shape=("batch", 16)),),
                outputs=(ServiceTensor(name="logits", element_type="float32", shape=("batch", 10)),))  # fmt: skip
    with service_in_process(tmp_path / "service") as running, Client(running.service.address) as client:
        dataset = NewDataset(
            name="rows", modality="embedding", signatures=(client.sketch(table, modality="embedding", source=True),)
        )
        model = client.register_model(TORCH_CARD, artifact=artifact, dataset=dataset)
        measured = profile("torch", model.id, "torch", p99_ms=1.0, device="cpu")
        put_profiles(running.database, dataclasses.replace(measured, model_name="perceptron@1", form=form))
        chosen = client.recommend(table, load="server:100", modality="embedding")[0]
        folder = client.export(chosen, tmp_path / "out")
    assert (folder / "model.pt2").read_bytes() == artifact.read_bytes()
    version = folder / "model_repository" / "perceptron" / "1"
    assert sorted(path.name for path in version.iterdir()) == ["card.json", "model.pt2", "model.py", "run_torch.py"]
    assert parse_config(folder)["backend"] == "python"
    logits = reference("mlp", {"x": rows})
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    for place in (folder, version):
        answers = run_exported(place, "run_torch.py", tmp_path / "rows.parquet")
        np.testing.assert_allclose([list(one["answer"].values()) for one in answers], chances, atol=1e-5)


def package(**fields: Any) -> Package:
    values: dict[str, Any] = {
        "identity": 'a"""b\n@1', "format": "onnx", "digests": {"model.onnx": "ab" * 32},
        "backend": "onnxruntime", "precision": "fp32", "batch_size": 1,
        "threads": 1, "mode": "", "device": "",
        "inputs": (Tensor(name='x"\n', element_type="int64", shape=("n", "m")),),
        "outputs": (Tensor(name="y", element_type="string", shape=("n",)),),
    }  # fmt: skip
    return Package(**(values | fields))


def test_names_of_strangers_stay_text() -> None:
    for backend in ("onnxruntime", "openvino"):
        compile(program(package(backend=backend, device='cpu"); import os #')), "program", "exec")
    assert repository_name("../../etc@1") == "_.._etc"
    text = config_pbtxt(package())
    assert r'name: "x\"\n" data_type: TYPE_INT64 dims: [ -1 ]' in text
    assert text.splitlines()[1] == 'name: "a___b_"'


def test_a_fixed_batch_is_part_of_the_shape_and_unknown_types_are_refused() -> None:
    fixed = Tensor(name="x", element_type="float32", shape=(4, 3))
    text = config_pbtxt(package(inputs=(fixed,), batch_size=4))
    assert "max_batch_size: 0" in text
    assert "dims: [ 4, 3 ]" in text
    assert "dynamic_batching" not in text
    with pytest.raises(Unservable, match="Triton has no type for complex64"):
        config_pbtxt(package(inputs=(Tensor(name="x", element_type="complex64", shape=("n",)),)))
