"""Fixes the free dimensions of a model. Imports onnx."""

from __future__ import annotations

from onnx import ModelProto

from msearch_running import onnx_files
from msearch_running.errors import RunError
from profiler_agent.errors import job_error


def fix_batch(model: ModelProto, batch: int) -> ModelProto:
    """See `msearch_running.onnx_files.fix_batch`. Raises CompileFailed if an input has another fixed batch."""
    try:
        return onnx_files.fix_batch(model, batch)
    except RunError as error:
        raise job_error(error) from None
