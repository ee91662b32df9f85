"""OpenVINO computes in the precision that it was asked for, and says so where it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiler_agent.backends.base import CompileRequest, Feed
from profiler_agent.backends.openvino import BACKEND
from profiler_agent.errors import BackendUnavailable, CompileFailed, UnsupportedOperator
from profiler_agent.work import Precision, Variant
from tests.compiled_models import EXAMPLES, digest, write_model

pytest.importorskip("openvino", reason="openvino is not installed")

from profiler_agent.backends import _openvino_models as models

ROOT = Path(__file__).parents[2]


def request_for(path: Path, calibration: list[Feed] | None = None, **variant: Any) -> CompileRequest:
    return CompileRequest(
        variant=Variant(backend="openvino", **variant),
        artifact=path,
        format="onnx",
        digest=digest(path),
        cache=path.parent / "cache",
        workspace=path.parent,
        calibration=calibration or [],
    )


@pytest.mark.parametrize(
    ("precision", "hint", "group"),
    [
        (Precision.FP32, "f32", 0),
        (Precision.BF16, "bf16", 0),
        (Precision.FP16, "f16", 0),
        (Precision.INT8_STATIC, "f32", 0),
        (Precision.INT8_DYNAMIC, "f32", 32),
    ],
)
def test_the_precision_is_always_said(precision: Precision, hint: str, group: int) -> None:
    config = models._configuration(Variant(backend="openvino", precision=precision, threads=3), "CPU")
    assert config["INFERENCE_PRECISION_HINT"] == hint
    assert config["DYNAMIC_QUANTIZATION_GROUP_SIZE"] == group
    assert config["INFERENCE_NUM_THREADS"] == 3
    assert "INFERENCE_NUM_THREADS" not in models._configuration(Variant(backend="openvino"), "GPU")


def test_threads_and_precision_reach_the_compiled_model(tmp_path: Path) -> None:
    compiled = BACKEND.compile(request_for(write_model(tmp_path, "mlp", "onnx"), threads=2))
    assert isinstance(compiled, models.OpenVinoModel)
    model = compiled._request.get_compiled_model()
    assert model.get_property("INFERENCE_NUM_THREADS") == 2
    assert model.get_property("NUM_STREAMS") == 1
    assert model.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert compiled.facts.details == {"inference_precision": "f32"}


def test_signals_are_handled_after_models_were_closed_in_any_order(tmp_path: Path) -> None:
    program = f"""
import faulthandler, signal
from pathlib import Path
from profiler_agent.backends.openvino import BACKEND
from tests.unit.test_backend_openvino import request_for
faulthandler.enable()  # as pytest does; this thread has an alternate signal stack from here on
signal.signal(signal.SIGUSR1, lambda number, frame: print("handled"))
models = [BACKEND.compile(request_for(Path({str(write_model(tmp_path, "mlp", "onnx"))!r}))) for _ in range(3)]
while models:
    models.pop(0).close()
    signal.raise_signal(signal.SIGUSR1)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ran.returncode, ran.stdout.split()) == (0, ["handled"] * 3), ran.stderr


def test_a_half_precision_needs_the_capability(tmp_path: Path) -> None:
    import openvino

    path = write_model(tmp_path, "mlp", "onnx")
    capable = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision, word in ((Precision.BF16, "BF16"), (Precision.FP16, "FP16")):
        assert (precision in BACKEND.probe().precisions) == (word in capable)
        if word not in capable:
            with pytest.raises(BackendUnavailable, match=f"no {precision} on cpu, which can .*FP32"):
                BACKEND.compile(request_for(path, precision=precision))


def test_another_precision_than_asked_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path, "mlp", "onnx")
    monkeypatch.setitem(models._HINTS, Precision.FP32, "bf16")
    configuration = models._configuration
    monkeypatch.setattr(
        models, "_configuration", lambda *args: configuration(*args) | {"INFERENCE_PRECISION_HINT": "f32"}
    )
    with pytest.raises(BackendUnavailable, match="computes in f32 on CPU, though bf16 was asked for"):
        BACKEND.compile(request_for(path))


def test_missing_operators_are_named() -> None:
    words = (
        "Exception from src/inference/src/cpp/core.cpp:84:\nCheck 'false' failed at x.cpp:151:\nSummary:\n"
        "-- No conversion rule found for operations: Frobnicate-20, com.example.Nonsense\n\n"
    )
    error = models.describe_failure(RuntimeError(words))
    assert isinstance(error, UnsupportedOperator)
    assert error.message == "OpenVINO has no operator Frobnicate-20, com.example.Nonsense"
    other = models.describe_failure(RuntimeError("Exception from a.cpp:1:\nshapes do not match"))
    assert type(other) is CompileFailed
    assert other.message == "OpenVINO cannot compile the model: shapes do not match"


def test_int8_is_calibrated_on_all_rows_and_sends_no_statistics(tmp_path: Path) -> None:
    import os

    path = write_model(tmp_path, "cnn", "onnx")
    narrow = [EXAMPLES["cnn"].feed(8, seed) for seed in range(2)]
    wide = [*narrow, {"image": 50 * EXAMPLES["cnn"].feed(8, 3)["image"]}]
    feed = EXAMPLES["cnn"].feed(32)
    outputs = [
        BACKEND.compile(request_for(path, rows, precision=Precision.INT8_STATIC)).run(feed)["logits"]
        for rows in (narrow, wide)
    ]
    exact = BACKEND.compile(request_for(path)).run(feed)["logits"]
    errors = [np.abs(output - exact).max() for output in outputs]
    assert errors[1] > 1.5 * errors[0]  # the last feed stretched the scales
    assert os.environ["NNCF_CI"] == "1"
