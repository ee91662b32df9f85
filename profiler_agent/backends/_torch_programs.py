"""Loads programs of torch.export and runs them, or what was compiled of them. Imports torch."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from profiler_agent.backends._feeds import check_batch, check_feed
from profiler_agent.backends._torch_archives import clean_copy
from profiler_agent.backends.base import CompileFacts, CompileRequest, Feed, Probe
from profiler_agent.errors import BackendUnavailable, CompileFailed, JobError, UnsupportedOperator
from profiler_agent.work import Precision, TensorSpec, Variant

_LOADING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded program. `module` takes tensors in the order of `inputs`, gives a tuple in that of `outputs`."""

    exported: ExportedProgram
    module: torch.fx.GraphModule
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


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
    """Reads the artifact without running code of its author (see `_torch_archives`).

    Raises:
        RefusedFormat: it holds pickled objects, native code, or names what is no operator.
        UnsupportedOperator: the format is another, or an operator is not part of PyTorch.
        CompileFailed: it cannot be loaded, or takes another batch.
    """
    if request.artifact is None or request.format != "torch_export":
        raise UnsupportedOperator(
            f"the backend {request.variant.backend} reads torch_export, not {request.format or 'nothing'}"
        )
    clean = request.workspace / f"{request.digest[:16] or 'program'}.clean.pt2"
    targets = clean_copy(request.artifact, clean)
    try:
        _check_operators(targets)
        with _LOADING:  # torch keeps the deserialiser in a global
            exported = _load(clean)
        module = _flattened(exported.module(check_guards=False))
        inputs, outputs = _specs(exported)
    except Exception as error:  # noqa: BLE001 - torch raises anything
        raise describe_failure(error, "the program cannot be loaded") from None
    finally:
        clean.unlink(missing_ok=True)
    if problem := check_batch(inputs, request.variant.batch_size):
        raise CompileFailed(problem)
    return Program(exported, module, inputs, outputs)


def _check_operators(targets: Iterable[str]) -> None:
    for target in sorted(targets):
        found: Any = torch
        for name in target.split(".")[1:] if target.startswith("torch.ops.") else ():
            found = getattr(found, name, None)
        if found is None:
            raise UnsupportedOperator(f"PyTorch {torch.__version__} has no operator {target}")


def _load(path: Path) -> ExportedProgram:
    """Calls torch.export.load, whose errors say no more than that there is a reason in the log."""
    reasons: list[BaseException] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1]:
                reasons.append(record.exc_info[1])

    logger, listener = logging.getLogger("torch.export"), Listener()
    before, propagate = logging.root.manager.disable, logger.propagate
    logging.disable(logging.NOTSET)
    logger.addHandler(listener)
    logger.propagate = False
    try:
        return torch.export.load(path)
    except RuntimeError as error:
        raise (reasons[0] if reasons else error) from None
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate
        logging.disable(before)


def _flattened(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Without the nesting of arguments and the checks before each call, which cost more than a small model itself."""
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    module._forward_pre_hooks.clear()  # noqa: SLF001 - torch offers no other way; `check_feed` checks instead
    module.recompile()
    return module


def _specs(exported: ExportedProgram) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    signature = exported.graph_signature
    values = {node.name: node.meta.get("val") for node in exported.graph.nodes}
    for name in (*signature.user_inputs, *signature.user_outputs):
        if not hasattr(values.get(str(name)), "dtype"):
            raise CompileFailed(f"the program takes or gives {name!r}, which is no tensor")
    inputs = [_spec(str(name), values[str(name)]) for name in signature.user_inputs]
    names = [str(name) for name in signature.user_outputs]
    out_spec = exported.call_spec.out_spec
    if out_spec is not None and out_spec.type is dict and len(out_spec.context) == len(names):
        outputs = [_spec(str(key), values[name]) for key, name in zip(out_spec.context, names, strict=True)]
    else:
        outputs = [_spec(name, values[name]) for name in names]
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else None
    return _named_batch(inputs, batch), _named_batch(outputs, batch)


def _spec(name: str, value: Any) -> TensorSpec:
    shape = tuple(extent if isinstance(extent, int) else str(extent) for extent in value.shape)
    return TensorSpec(name=name, element_type=str(value.dtype).removeprefix("torch."), shape=shape)


def _named_batch(specs: list[TensorSpec], batch: int | str | None) -> tuple[TensorSpec, ...]:
    """PyTorch calls a free batch s40 or so."""
    if not isinstance(batch, str):
        return tuple(specs)
    renamed = {batch: "batch"}
    return tuple(replace(spec, shape=tuple(renamed.get(str(d), d) for d in spec.shape)) for spec in specs)


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
    if isinstance(error, JobError):
        return error
    words = " ".join(str(error).split())[:2_000] or type(error).__name__
    if isinstance(error, NotImplementedError) or "Could not find schema" in words or "has no attribute" in words:
        return UnsupportedOperator(f"{doing}: {words}")
    return CompileFailed(f"{doing}: {words}")


def parameter_bytes(module: torch.nn.Module) -> int:
    """Bytes of parameters and buffers."""
    return sum(value.numel() * value.element_size() for value in module.state_dict().values())


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keeps the loggers and warnings of torch from the terminal."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
