"""ONNX Runtime is asked what it really uses, and runs with the threads it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiler_agent.backends.base import CompileRequest, Probe
from profiler_agent.backends.onnxruntime import BACKEND
from profiler_agent.errors import BackendUnavailable, CompileFailed, UnsupportedOperator
from profiler_agent.work import Precision, Variant
from tests.compiled_models import digest, write_model

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from profiler_agent.backends import _ort_sessions as sessions  # noqa: E402

GPU_PROVIDERS = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


def request_for(path: Path, **variant: Any) -> CompileRequest:
    return CompileRequest(
        variant=Variant(backend="onnxruntime", **variant),
        artifact=path,
        format="onnx",
        digest=digest(path),
        cache=path.parent / "cache",
        workspace=path.parent,
    )


@pytest.fixture
def gpu_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A host with two GPUs whose onnxruntime-gpu lists providers; its libraries are missing."""
    gpus = tmp_path / "gpus"
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (gpus / name).mkdir(parents=True)
    monkeypatch.setattr(sessions, "_GPUS", gpus)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: GPU_PROVIDERS)
    return tmp_path


def test_gpus_are_found(gpu_host: Path) -> None:
    probe = BACKEND.probe()
    assert probe.devices == ("cpu", "cuda:0", "cuda:1")
    assert probe.modes == ("", "static", "tensorrt")
    assert set(probe.precisions) == set(Precision)


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize(
    ("variant", "wanted"),
    [({}, "CUDAExecutionProvider"), ({"mode": "tensorrt", "device": "cuda:1"}, "TensorrtExecutionProvider")],
)
def test_a_silent_fallback_to_the_cpu_is_refused(gpu_host: Path, variant: dict[str, str], wanted: str) -> None:
    path = write_model(gpu_host, "mlp", "onnx")
    with pytest.raises(BackendUnavailable, match=f"fell back from {wanted} to CPUExecutionProvider"):
        BACKEND.compile(request_for(path, **variant))


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ({"device": "cpu", "precision": Precision.FP16}, "no fp16 on cpu"),
        ({"device": "cuda:0", "precision": Precision.INT8_STATIC}, "no int8_static on cuda:0"),
        ({"device": "cuda:0", "precision": Precision.INT8_DYNAMIC, "mode": "tensorrt"}, "in the mode tensorrt"),
        ({"device": "cpu", "mode": "tensorrt"}, "no mode 'tensorrt' on cpu"),
        ({"device": "cuda:2"}, "no device 'cuda:2' here; it has cpu, cuda:0, cuda:1"),
    ],
)
def test_what_a_device_lacks_is_said(gpu_host: Path, variant: dict[str, Any], said: str) -> None:
    with pytest.raises(BackendUnavailable, match=said):
        BACKEND.compile(request_for(write_model(gpu_host, "mlp", "onnx"), **variant))


@pytest.mark.parametrize(
    ("precision", "mode", "device"),
    [
        (Precision.FP32, "", "cuda:0"),
        (Precision.BF16, "", "cuda:0"),
        (Precision.INT8_DYNAMIC, "", "cpu"),
        (Precision.INT8_STATIC, "", "cpu"),
        (Precision.INT8_STATIC, "tensorrt", "cuda:0"),
    ],
)
def test_the_best_device_is_chosen_by_precision(gpu_host: Path, precision: Precision, mode: str, device: str) -> None:
    variant = Variant(backend="onnxruntime", precision=precision, mode=mode)
    assert sessions._find_device(variant, BACKEND.probe()) == device


def test_providers_are_asked_for_in_order_with_full_floats() -> None:
    variant = Variant(backend="onnxruntime")
    assert sessions._providers(variant, "cpu") == ("CPUExecutionProvider", [("CPUExecutionProvider", {})])
    wanted, providers = sessions._providers(variant, "cuda:1")
    assert wanted == "CUDAExecutionProvider"
    assert providers[0] == (wanted, {"device_id": "1", "use_tf32": "0"})
    assert providers[-1][0] == "CPUExecutionProvider"


def test_threads_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    session = onnxruntime.InferenceSession

    def watched(path: str, options: Any, **rest: Any) -> Any:
        seen.append(options)
        return session(path, options, **rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    compiled = BACKEND.compile(request_for(write_model(tmp_path, "mlp", "onnx"), threads=3))
    assert [(options.intra_op_num_threads, options.inter_op_num_threads) for options in seen] == [(3, 1)]
    assert compiled.facts.details == {"providers": "CPUExecutionProvider"}
    assert compiled.run({"x": np.zeros((1, 16), np.float32)})["logits"].shape == (1, 10)


@pytest.mark.parametrize(
    ("words", "operator"),
    [
        ("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for Gemm(13) node", "Gemm(13)"),
        ("Error No Op registered for Frobnicate with domain_version of 20", "Frobnicate"),
        (
            "Load model failed:Fatal error: com.example:Nonsense(-1) is not a registered function/op",
            "com.example:Nonsense",
        ),
    ],
)
def test_a_missing_operator_is_found_in_what_the_runtime_says(words: str, operator: str) -> None:
    error = sessions.describe_failure(RuntimeError(words), "CPUExecutionProvider")
    assert isinstance(error, UnsupportedOperator)
    assert operator in error.message.split(":", 1)[0] + error.message
    assert error.message.startswith(f"CPUExecutionProvider has no operator {operator}")


def test_other_words_of_the_runtime_are_passed_on() -> None:
    error = sessions.describe_failure(RuntimeError("out of\nmemory"), "CPUExecutionProvider")
    assert type(error) is CompileFailed
    assert error.message == "CPUExecutionProvider cannot compile the model: out of memory"


def test_a_newer_format_than_the_runtime_knows_is_a_failure(tmp_path: Path) -> None:
    import onnx

    model = onnx.load(write_model(tmp_path, "mlp", "onnx"))
    model.opset_import[0].version, model.ir_version = 99, 14
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(CompileFailed, match="14"):
        BACKEND.compile(request_for(tmp_path / "new.onnx"))


def test_a_half_installed_runtime_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Probe:
        raise OSError("libonnxruntime.so: cannot open shared object file")

    monkeypatch.setattr(sessions, "probe", broken)
    probe = BACKEND.probe()
    assert not probe.available
    assert "cannot open shared object file" in probe.detail
    assert "pip install onnxruntime" in probe.detail
    with pytest.raises(BackendUnavailable, match="cannot open shared"):
        BACKEND.compile(request_for(Path(__file__)))
