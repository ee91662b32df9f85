"""Quantises programs for Inductor's int8 kernels on x86, with PT2E of torchao. Imports torch and torchao."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer

from profiler_agent.backends._torch_programs import Program, generated_tensors
from profiler_agent.backends.base import Feed
from profiler_agent.errors import CompileFailed
from profiler_agent.onnx_files import fit_batch

_ATEN = torch.ops.aten
# The quantiser looks for the functions that nodes come from, which are metadata of the exported file, and not trusted.
_SOURCES: dict[Any, Any] = {
    _ATEN.conv2d.default: functional.conv2d,
    _ATEN.linear.default: functional.linear,
    _ATEN.relu.default: functional.relu,
    _ATEN.relu_.default: functional.relu,
    _ATEN.gelu.default: functional.gelu,
    _ATEN.silu.default: functional.silu,
    _ATEN.silu_.default: functional.silu,
    _ATEN.hardtanh.default: functional.hardtanh,
    _ATEN.hardtanh_.default: functional.hardtanh,
    _ATEN.hardswish.default: functional.hardswish,
    _ATEN.hardswish_.default: functional.hardswish,
    _ATEN.add.Tensor: operator.add,
    _ATEN.add_.Tensor: operator.add,
    _ATEN.batch_norm.default: functional.batch_norm,
}


def quantise(
    program: Program, calibration: Sequence[Feed], *, dynamic: bool, batch_size: int
) -> torch.export.ExportedProgram:
    """The program with quantised convolutions and linear layers (dynamic: linear layers only), for that batch size.

    Raises:
        CompileFailed: there is nothing to quantise, or (static) nothing to calibrate on.
    """
    if not calibration and not dynamic:
        raise CompileFailed("int8_static needs rows of the source dataset to calibrate on, and there are none")
    for node in program.module.graph.nodes:
        if node.op == "call_function" and node.target in _SOURCES:
            node.meta["source_fn_stack"] = [(node.name, _SOURCES[node.target])]
    quantizer = x86_inductor_quantizer.X86InductorQuantizer()
    quantizer.set_global(x86_inductor_quantizer.get_default_x86_inductor_quantization_config(is_dynamic=dynamic))
    with torch.no_grad():
        prepared = prepare_pt2e(program.module, quantizer)
        if dynamic:  # the scales of weights are taken from a call, those of activations from none
            prepared(*generated_tensors(program.inputs, batch_size, "cpu"))
        else:
            for feed in fit_batch(calibration, program.inputs):
                prepared(*(torch.from_numpy(feed[spec.name].copy()) for spec in program.inputs))
        module: torch.fx.GraphModule = convert_pt2e(prepared)
    if not any("quantized_decomposed" in str(node.target) for node in module.graph.nodes):
        raise CompileFailed("the model has no convolution or linear layer that can be quantised")
    with torch.no_grad():
        return torch.export.export(module, tuple(generated_tensors(program.inputs, batch_size, "cpu")))
