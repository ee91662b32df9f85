"""Opens ONNX files. Imports onnx."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from msearch_running import onnx_files
from msearch_running.errors import RunError
from msearch_running.onnx_files import ELEMENT_TYPES, graphs, inputs, tensors
from msearch_running.tensors import TensorSpec
from profiler_agent.errors import CompileFailed, job_error

__all__ = ["ELEMENT_TYPES", "graphs", "inputs", "opset", "read", "specs", "tensors", "write"]


def read(path: Path) -> ModelProto:
    """Parses a file.

    Raises:
        CompileFailed: it is damaged or larger than 2 GiB.
        RefusedFormat: it keeps tensors in other files, which could be any file of this host.
    """
    try:
        return onnx_files.read_model(path)
    except RunError as error:
        raise job_error(error) from None


def write(model: ModelProto, path: Path) -> None:
    """Writes it as one file. Raises CompileFailed if it outgrew the format."""
    try:
        path.write_bytes(model.SerializeToString())
    except ValueError as error:
        raise CompileFailed(f"the rewritten model is larger than an ONNX file can be: {error}") from None


def specs(model: ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as declared, () for no shape. Raises CompileFailed where one is no tensor."""
    try:
        return onnx_files.specs(model)
    except RunError as error:
        raise job_error(error) from None


def opset(model: ModelProto) -> int:
    """Version of ONNX's own operators; 0 if the model uses none."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
