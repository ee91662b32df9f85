"""Runs programs of torch.export as they are. Imports torch."""

from __future__ import annotations

import time

import torch

from profiler_agent.backends import _torch_programs as programs
from profiler_agent.backends._torch_placing import place
from profiler_agent.backends.base import CompileFacts, CompileRequest, Probe


def load(request: CompileRequest, probe: Probe, start_ns: int) -> programs.TorchModel:
    """See `Backend.compile`. `start_ns`: when loading began."""
    variant = request.variant
    device = programs.find_device(variant, probe)
    torch.set_num_threads(variant.threads)
    layout = torch.channels_last if variant.mode == "channels_last" else None
    with programs.silenced():
        program = programs.load_program(request)
        loaded = time.perf_counter_ns()
        try:
            module = place(program, variant.precision, device)
            if layout is not None:
                for value in (*module.parameters(), *module.buffers()):
                    value.data = value.data.contiguous(memory_format=layout) if value.ndim == 4 else value.data
        except Exception as error:  # noqa: BLE001 - torch raises anything
            raise programs.describe_failure(error, f"the program cannot be put into {variant.precision}") from None
    facts = CompileFacts(
        compile_ns=time.perf_counter_ns() - loaded,
        load_ns=loaded - start_ns,
        from_cache=False,
        device=device,
        size_bytes=programs.parameter_bytes(module),
    )
    return programs.TorchModel(program, module, device, facts, memory_format=layout)
