"""OpenVINO, in the precision that was asked for: by itself it computes in bf16 wherever the CPU can, without a word."""

from __future__ import annotations

import time

from profiler_agent.backends._signal_stack import kept_signal_stack
from profiler_agent.backends.base import CompiledModel, CompileRequest, Probe
from profiler_agent.errors import BackendUnavailable


class OpenVinoBackend:
    """Modes: "" keeps a free batch free, "static" fixes it. int8 is by NNCF, where that is installed."""

    name = "openvino"
    formats = ("onnx",)

    def probe(self) -> Probe:
        """Looks for the runtime, its devices, and what these can."""
        try:
            from profiler_agent.backends import _openvino_models as models  # noqa: PLC0415 - imports the runtime

            with kept_signal_stack():
                return models.probe()
        except Exception as error:  # noqa: BLE001 - a half-installed runtime fails in any way
            detail = f"OpenVINO cannot be used ({error}); install it with pip install openvino nncf onnx"
            return Probe(available=False, detail=detail)

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Reads the ONNX file, quantises it if asked to, compiles it; the compiled blob is kept in the cache."""
        start = time.perf_counter_ns()
        if not (probe := self.probe()).available:
            raise BackendUnavailable(probe.detail)
        from profiler_agent.backends import _openvino_models as models  # noqa: PLC0415 - imports the runtime

        with kept_signal_stack():
            return models.compile_model(request, probe, start)


BACKEND = OpenVinoBackend()
