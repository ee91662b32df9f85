"""ONNX Runtime, on the CPU, and through CUDA or TensorRT where the installed build and the host have them."""

from __future__ import annotations

import time

from profiler_agent.backends.base import CompiledModel, CompileRequest, Probe
from profiler_agent.errors import BackendUnavailable


class OnnxRuntimeBackend:
    """Modes: "" keeps a free batch free, "static" fixes it, "tensorrt" compiles for a GPU through TensorRT."""

    name = "onnxruntime"
    formats = ("onnx",)

    def probe(self) -> Probe:
        """Looks for the runtime and its providers."""
        try:
            from profiler_agent.backends import _ort_sessions as sessions  # noqa: PLC0415 - imports the runtime

            return sessions.probe()
        except Exception as error:  # noqa: BLE001 - a half-installed runtime fails in any way
            detail = f"ONNX Runtime cannot be used ({error}); install it with pip install onnxruntime onnx"
            return Probe(available=False, detail=detail)

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Opens a session; rewritten models (int8, halves, a fixed batch) are kept in the cache."""
        start = time.perf_counter_ns()
        if not (probe := self.probe()).available:
            raise BackendUnavailable(probe.detail)
        from profiler_agent.backends import _ort_sessions as sessions  # noqa: PLC0415 - imports the runtime

        return sessions.open_session(request, probe, start)


BACKEND = OnnxRuntimeBackend()
