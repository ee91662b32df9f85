"""PyTorch's compiler, for programs of torch.export: torch.compile with freezing, or ahead of time with AOTInductor."""

from __future__ import annotations

import os
import shutil
import time

from profiler_agent.backends.base import CompiledModel, CompileRequest, Probe
from profiler_agent.errors import BackendUnavailable


class InductorBackend:
    """Mode "" is torch.compile, for one batch size; "aot" is AOTInductor, which keeps a free batch free."""

    name = "inductor"
    formats = ("torch_export",)

    def probe(self) -> Probe:
        """Looks for PyTorch and for the C++ compiler that it needs at run time."""
        compiler = os.environ.get("CXX", "g++")
        if shutil.which(compiler) is None:
            detail = f"Inductor needs the C++ compiler {compiler}, which is not on the PATH; install g++, or set CXX"
            return Probe(available=False, detail=detail)
        try:
            from profiler_agent.backends import _inductor_models as models  # noqa: PLC0415 - imports the runtime

            return models.probe(compiler)
        except Exception as error:  # noqa: BLE001 - a half-installed runtime fails in any way
            return Probe(available=False, detail=f"PyTorch cannot be used ({error}); install it with pip install torch")

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Takes 10 to 60 seconds the first time, and a few once it is in the cache."""
        start = time.perf_counter_ns()
        if not (probe := self.probe()).available:
            raise BackendUnavailable(probe.detail)
        from profiler_agent.backends import _inductor_models as models  # noqa: PLC0415 - imports the runtime

        return models.compile_program(request, probe, start)


BACKEND = InductorBackend()
