"""Loads programs of torch.export and runs them, or what was compiled of them. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from msearch_running.errors import RunError
from msearch_running.runtimes import _torch_programs as programs
from msearch_running.runtimes._torch_programs import Program, silenced
from profiler_agent.backends._feeds import check_batch, check_feed
from profiler_agent.backends.base import CompileFacts, CompileRequest, Feed, Probe
from profiler_agent.errors import BackendUnavailable, CompileFailed, JobError, UnsupportedOperator, job_error
from profiler_agent.work import Precision, TensorSpec, Variant

__all__ = [
    "Program",
    "TorchModel",
    "describe_failure",
    "find_device",
    "generated_tensors",
    "list_devices",
    "load_program",
    "parameter_bytes",
    "probe",
    "silenced",
]


def probe(modes: tuple[str, ...], precisions: tuple[Precision, ...] = ()) -> Probe:
    """What PyTorch can do here; `precisions` beyond fp32 and the halves."""
    devices = list_devices()
    halves = [Precision.BF16, *([Precision.FP16] if len(devices) > 1 else [])]
    version = str(torch.__version__)
    return Probe(
        available=True,
        detail=f"PyTorch {version} on {', '.join(devices)}",
        version=version,
        devices=devices,
        precisions=(Precision.FP32, *halves, *precisions),
        modes=modes,
    )


def find_device(variant: Variant, probe: Probe) -> str:
    """The device of a variant; the first GPU, else the CPU, if it leaves the choice.

    Raises:
        BackendUnavailable: there is no such device, mode, or precision on it.
    """
    device = variant.device or _best_device(variant, probe)
    if device not in probe.devices:
        raise BackendUnavailable(f"PyTorch has no device {device!r} here; it has {', '.join(probe.devices)}")
    if variant.mode not in probe.modes:
        modes = ", ".join(map(repr, probe.modes))
        raise BackendUnavailable(f"the backend {variant.backend} has no mode {variant.mode!r}; it has {modes}")
    if variant.precision not in probe.precisions or (device == "cpu" and variant.precision is Precision.FP16):
        raise BackendUnavailable(f"the backend {variant.backend} offers no {variant.precision} on {device}")
    return device


def _best_device(variant: Variant, probe: Probe) -> str:
    on_cpu = len(probe.devices) == 1 or variant.precision in (Precision.INT8_DYNAMIC, Precision.INT8_STATIC)
    return "cpu" if on_cpu else probe.devices[1]


def list_devices() -> tuple[str, ...]:
    """The CPU, then each GPU that PyTorch sees."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ("cpu", *(f"cuda:{index}" for index in range(count)))


def load_program(request: CompileRequest) -> Program:
    """Reads the artifact without running code of its author.

    Raises:
        RefusedFormat: it holds pickled objects, native code, or names what is no operator.
        UnsupportedOperator: the format is another, or an operator is not part of PyTorch.
        CompileFailed: it cannot be loaded, or takes another batch.
    """
    if request.artifact is None or request.format != "torch_export":
        raise UnsupportedOperator(
            f"the backend {request.variant.backend} reads torch_export, not {request.format or 'nothing'}"
        )
    try:
        program = programs.load_program(
            request.artifact, request.workspace / f"{request.digest[:16] or 'program'}.clean.pt2"
        )
    except RunError as error:
        raise job_error(error) from None
    if problem := check_batch(program.inputs, request.variant.batch_size):
        raise CompileFailed(problem)
    return program


class TorchModel:
    """Runs a callable of torch on one device."""

    def __init__(
        self,
        program: Program,
        call: Callable[..., Any],
        device: str,
        facts: CompileFacts,
        inputs: tuple[TensorSpec, ...] = (),
        *,
        memory_format: Any = None,
    ) -> None:
        self.inputs = inputs or program.inputs
        self.outputs = program.outputs
        self.facts = facts
        self._call: Callable[..., Any] | None = call
        self._device = device
        self._memory_format = memory_format

    def run(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        """See `CompiledModel.run`."""
        if self._call is None:
            raise ValueError("the compiled model was closed")
        check_feed(feed, self.inputs)
        tensors = [self._tensor(feed[spec.name]) for spec in self.inputs]
        with torch.inference_mode():
            outputs = self._call(*tensors)
        return {spec.name: value.numpy(force=True) for spec, value in zip(self.outputs, outputs, strict=True)}

    def close(self) -> None:
        """Drops the weights."""
        self._call = None

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
        if self._memory_format is not None and tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=self._memory_format)
        return tensor if self._device == "cpu" else tensor.to(self._device)


def generated_tensors(inputs: Sequence[TensorSpec], batch_size: int, device: str) -> list[torch.Tensor]:
    """Zeros in the declared shapes, other free dimensions than the batch 2 long: for compilers that trace."""
    made = []
    for spec in inputs:
        shape = [batch_size if axis == 0 else d if isinstance(d, int) else 2 for axis, d in enumerate(spec.shape)]
        made.append(torch.zeros(shape, dtype=getattr(torch, spec.element_type), device=device))
    return made


def describe_failure(error: Exception, doing: str) -> JobError:
    """What torch says, as an error of the job."""
    return error if isinstance(error, JobError) else job_error(programs.describe_failure(error, doing))


def parameter_bytes(module: torch.nn.Module) -> int:
    """Bytes of parameters and buffers."""
    return sum(value.numel() * value.element_size() for value in module.state_dict().values())
