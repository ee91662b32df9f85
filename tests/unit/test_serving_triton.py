"""Triton repositories of every form: the backend that serves it, what that is told, the model of its Python backend."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msearch_deployment.serving import (
    FILES,
    Package,
    Tensor,
    Unservable,
    check_servable,
    config_pbtxt,
    program,
    program_name,
    readme,
    triton_backend,
    triton_model,
)

PARSE = """
import sys
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
config = text_format.Parse(sys.stdin.read(), model_config_pb2.ModelConfig())
accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
print(config.backend, config.default_model_filename, config.max_batch_size, config.instance_group[0].kind,
      ",".join(one.name for one in accelerators) or "-", ",".join(sorted(config.parameters)) or "-")
"""
CPU, GPU = "2", "1"
TENSORRT = {"library": "TensorRT 10.13.0", "gpu": "NVIDIA H100 sm_90"}
RTX = {"library": "TensorRT for RTX 1.2", "gpu": "NVIDIA RTX 4090 sm_89"}
ORT_WORDS, OV_WORDS = (
    "inter_op_thread_count,intra_op_thread_count",
    "INFERENCE_NUM_THREADS,NUM_STREAMS,PERFORMANCE_HINT",
)


def package(format: str = "onnx", **fields: Any) -> Package:
    values: dict[str, Any] = {
        "identity": "net@1", "format": format, "digests": dict.fromkeys(FILES[format], "ab" * 32),
        "backend": "onnxruntime", "precision": "fp32", "batch_size": 1, "threads": 2, "mode": "", "device": "",
        "inputs": (Tensor(name="x", element_type="float32", shape=("n", 3)),),
        "outputs": (Tensor(name="y", element_type="float32", shape=("n", 2)),),
    }  # fmt: skip
    return Package(**(values | fields))


@pytest.mark.parametrize(
    ("served", "words"),
    [
        (package(), ["onnxruntime", "model.onnx", "1", CPU, "-", ORT_WORDS]),
        (package(precision="int8_static", made=True), ["onnxruntime", "model.onnx", "1", CPU, "-", ORT_WORDS]),
        (
            package(precision="fp16", made=True, device="cuda:1"),
            ["onnxruntime", "model.onnx", "1", GPU, "-", ORT_WORDS],
        ),
        (package(mode="tensorrt", device="cuda:0"), ["onnxruntime", "model.onnx", "1", GPU, "tensorrt", ORT_WORDS]),
        (package(backend="openvino"), ["openvino", "model.onnx", "1", CPU, "-", OV_WORDS]),
        (package(backend="openvino", bf16_host=True), ["python", "model.py", "1", CPU, "-", "-"]),
        (package(backend="openvino", precision="fp16"), ["python", "model.py", "1", CPU, "-", "-"]),
        (
            package(backend="openvino", precision="bf16", bf16_host=True),
            ["openvino", "model.onnx", "1", CPU, "-", f"HINT_BF16,{OV_WORDS}"],
        ),
        (
            package("openvino_ir", backend="openvino", precision="int8_static", made=True),
            ["openvino", "model.xml", "1", CPU, "-", OV_WORDS],
        ),
        (package("torch_export", backend="torch"), ["python", "model.py", "1", CPU, "-", "-"]),
        (package("torch_export", backend="inductor", batch_size=8), ["python", "model.py", "8", CPU, "-", "-"]),
        (
            package("tensorrt_plan", backend="tensorrt", precision="fp16", made=True, bound_to=TENSORRT),
            ["tensorrt", "model.plan", "1", GPU, "-", "-"],
        ),
        (
            package("tensorrt_plan", backend="tensorrt", made=True, bound_to=RTX),
            ["python", "model.py", "1", GPU, "-", "-"],
        ),
    ],
)
def test_triton_reads_the_configuration_of_every_form(served: Package, words: list[str]) -> None:
    pytest.importorskip("tritonclient", reason="Triton's own message reads it: pip install tritonclient")
    check_servable(served)
    done = subprocess.run(
        [sys.executable, "-c", PARSE], input=config_pbtxt(served), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == words


def test_the_program_of_an_engine_names_what_it_is_bound_to() -> None:
    served = package(
        "tensorrt_plan", backend="tensorrt", precision="fp16", made=True, bound_to=TENSORRT, version="10.13"
    )
    text = program(served)
    compile(text, "program", "exec")
    assert program_name(served) == "run_tensorrt.py"
    assert f"BOUND_TO = {TENSORRT!r}" in text
    assert 'pip install "tensorrt==10.13" msearch' in text
    told = readme(served, {})
    assert "It loads only where it was made for (gpu: NVIDIA H100 sm_90, library: TensorRT 10.13.0)" in told
    assert "Triton must hold that very version of TensorRT" in told


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (package(precision="int8_dynamic"), "the registered artifact is not that form"),
        (package(precision="bf16", device="cuda:0"), "the registered artifact is not that form"),
        (package(backend="tensorrt"), "the registered artifact is not that form"),
        (
            package("torch_export", backend="inductor", precision="int8_static"),
            "the registered artifact is not that form",
        ),
        (package("torch_export", backend="torch", inputs=()), "its inputs and outputs are not known"),
        (package(backend="null"), "no ready configuration for the backend null"),
    ],
)
def test_what_cannot_be_served_says_why(served: Package, reason: str) -> None:
    with pytest.raises(Unservable, match=reason):
        check_servable(served)


class Requests:
    """The part of Triton's `triton_python_backend_utils` that the exported model uses."""

    class Tensor:
        def __init__(self, name: str, value: np.ndarray) -> None:
            self.name, self.value = name, value

        def as_numpy(self) -> np.ndarray:
            return self.value

    class InferenceResponse:
        def __init__(self, output_tensors: list[Any]) -> None:
            self.outputs = {tensor.name: tensor.value for tensor in output_tensors}

    @staticmethod
    def get_input_tensor_by_name(request: dict[str, Any], name: str) -> Any:
        return Requests.Tensor(name, request[name])


def test_requests_that_triton_joins_are_answered_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.py").write_text(triton_model(package("torch_export", backend="torch")))
    calls: list[int] = []
    served = types.ModuleType("run_torch")

    def run(model: str, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert model == "loaded"
        calls.append(len(feed["x"]))
        return {"y": feed["x"][:, :2] * 2}

    vars(served).update({"INPUTS": {"x": ()}, "OUTPUTS": ["y"], "load": lambda: "loaded", "run": run})
    monkeypatch.setitem(sys.modules, "run_torch", served)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", Requests)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("exported_model", tmp_path / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TritonPythonModel()
    model.initialize({})
    rows = [np.random.default_rng(seed).normal(size=(seed, 3)) for seed in (1, 3, 2)]
    responses = model.execute([{"x": one} for one in rows])
    for response, one in zip(responses, rows, strict=True):
        np.testing.assert_array_equal(response.outputs["y"], one[:, :2] * 2)
    assert calls == [6]
    assert triton_backend(package("torch_export", backend="torch")) == "python"
