"""Small ONNX models for TensorRT, and the requests to compile them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from profiler_agent.backends.base import CompileRequest
from profiler_agent.work import Precision, Variant

SHAPE = (3, 8, 8)
CLASSES = 5


def image_model(path: Path, *, batch: int | str = "batch", operator: str = "Relu", domain: str = "") -> Path:
    """Convolution, `operator`, pooling, Gemm: [batch, 3, 8, 8] to [batch, 5]. Writes it to `path`."""
    rng = np.random.default_rng(3)
    weights = {
        "kernel": rng.normal(0, 0.3, (8, 3, 3, 3)),
        "product": rng.normal(0, 0.3, (8, CLASSES)),
        "bias": rng.normal(0, 0.3, CLASSES),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["sums"], pads=[1, 1, 1, 1]),
            helper.make_node(operator, ["sums"], ["maps"], name="middle", domain=domain),
            helper.make_node("GlobalAveragePool", ["maps"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("Gemm", ["flat", "product", "bias"], ["scores"]),
        ],
        "image_model",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def images(rows: int, seed: int = 5) -> dict[str, np.ndarray]:
    """A feed of that many rows."""
    return {"image": np.random.default_rng(seed).normal(size=(rows, *SHAPE)).astype(np.float32)}


def request_for(
    path: Path, folder: Path, *, precision: Precision = Precision.FP32, batch_size: int = 4, backend: str = "tensorrt"
) -> CompileRequest:
    """The request to compile `path`, with `folder` for the cache and the workspace."""
    for name in ("cache", "workspace"):
        (folder / name).mkdir(exist_ok=True)
    return CompileRequest(
        variant=Variant(backend=backend, precision=precision, batch_size=batch_size),
        artifact=path,
        format="onnx",
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        cache=folder / "cache",
        workspace=folder / "workspace",
        calibration=[images(16, seed) for seed in range(3)],
    )
