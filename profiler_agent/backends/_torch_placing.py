"""Puts programs of torch.export into the precision and onto the device of a variant. Imports torch."""

from __future__ import annotations

from typing import Any

import torch

from profiler_agent.backends._torch_programs import Program
from profiler_agent.work import Precision

_HALVES = {Precision.BF16: "bfloat16", Precision.FP16: "float16"}


def place(program: Program, precision: Precision, device: str) -> torch.fx.GraphModule:
    """The module on a device, in fp32 or a half precision; inputs and outputs stay what they are.

    A half precision converts parameters, buffers, and what the program itself converts to float32; then the inputs on
    the way in and the outputs on the way out.
    """
    module = program.module.to(device)
    if device != "cpu":  # else convolutions of float32 would be computed in TF32, with a mantissa of 10 bits
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    half = getattr(torch, _HALVES[precision]) if precision in _HALVES else None
    if half is not None:
        module = module.to(half)
    for part in module.modules():  # constants are neither parameters nor buffers
        for name, value in list(vars(part).items()):
            if isinstance(value, torch.Tensor):
                value = value.to(device)  # noqa: PLW2901
                setattr(part, name, value.to(half) if half and value.dtype is torch.float32 else value)
    for node in module.graph.nodes:
        if node.op == "call_function":
            node.args = torch.fx.node.map_aggregate(node.args, lambda value: _placed(value, half, device))
            node.kwargs = torch.fx.node.map_aggregate(node.kwargs, lambda value: _placed(value, half, device))
    if half is not None:
        _cast_ends(module, half)
    module.recompile()
    return module


def _placed(value: Any, half: torch.dtype | None, device: str) -> Any:
    if half is not None and value is torch.float32:
        return half
    return torch.device(device) if isinstance(value, torch.device) else value


def _cast_ends(module: torch.fx.GraphModule, half: torch.dtype) -> None:
    graph, aten = module.graph, torch.ops.aten
    for node in list(graph.nodes):
        if node.op == "placeholder" and _dtype(node) is torch.float32:
            with graph.inserting_after(node):
                cast = graph.call_function(aten.to.dtype, (node, half))
            cast.meta["val"] = node.meta["val"]  # float32 in the program as it was: an output is cast back
            node.replace_all_uses_with(cast, delete_user_cb=lambda user, cast=cast: user is not cast)
        elif node.op == "output":
            with graph.inserting_before(node):
                node.args = torch.fx.node.map_arg(
                    node.args,
                    lambda value: (
                        graph.call_function(aten.to.dtype, (value, torch.float32))
                        if _dtype(value) is torch.float32
                        else value
                    ),
                )


def _dtype(node: torch.fx.Node) -> torch.dtype | None:
    return getattr(node.meta.get("val"), "dtype", None)
