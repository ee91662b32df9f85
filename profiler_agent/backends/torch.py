"""PyTorch without a compiler, for programs of torch.export: what a model costs before anything is done for it."""

from __future__ import annotations

import time

from profiler_agent.backends.base import CompiledModel, CompileRequest, Probe
from profiler_agent.errors import BackendUnavailable

_MODES = ("", "channels_last")


class TorchBackend:
    """Eager execution; "channels_last" keeps images with the channels innermost, which convolutions like."""

    name = "torch"
    formats = ("torch_export",)

    def probe(self) -> Probe:
        """Looks for PyTorch and its devices."""
        try:
            from profiler_agent.backends import _torch_programs as programs  # noqa: PLC0415 - imports the runtime
        except Exception as error:  # noqa: BLE001 - a half-installed runtime fails in any way
            return Probe(available=False, detail=f"PyTorch cannot be used ({error}); install it with pip install torch")
        return programs.probe(_MODES)

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Loads the program; there is nothing to compile, and nothing worth keeping."""
        start = time.perf_counter_ns()
        if not (probe := self.probe()).available:
            raise BackendUnavailable(probe.detail)
        from profiler_agent.backends import _torch_eager  # noqa: PLC0415 - imports the runtime

        return _torch_eager.load(request, probe, start)


BACKEND = TorchBackend()
