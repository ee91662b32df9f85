"""Sessions of ONNX Runtime. Imports onnxruntime.

`onnxruntime-gpu` lists providers that it cannot use here, and then runs on the CPU without a word: so each session is
asked what it really uses, and anything else than what was asked for is refused. Telemetry is off, and no library of
custom operators is ever loaded.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from profiler_agent.backends._cache import calibration_digest, find_entry, processor_fingerprint
from profiler_agent.backends._feeds import check_batch, check_feed
from profiler_agent.backends.base import CompileFacts, CompileRequest, Feed, MadeFile, Probe
from profiler_agent.errors import BackendUnavailable, CompileFailed, JobError, UnsupportedOperator
from profiler_agent.onnx_files import read_specs, write_fixed_batch, write_half, write_int8_dynamic, write_int8_static
from profiler_agent.work import Precision, TensorSpec, Variant

onnxruntime.disable_telemetry_events()
onnxruntime.set_default_logger_severity(4)  # what matters comes as an exception

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_TENSORRT = ("TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")
_CPU_PRECISIONS = (Precision.FP32, Precision.INT8_DYNAMIC, Precision.INT8_STATIC)
_CUDA_PRECISIONS = (Precision.FP32, Precision.FP16, Precision.BF16)
_TENSORRT_PRECISIONS = (Precision.FP32, Precision.FP16, Precision.BF16, Precision.INT8_STATIC)
_FULL_FLOAT = {"use_tf32": "0"}  # fp32 is fp32
_GPUS = Path("/proc/driver/nvidia/gpus")

_LACKING = re.compile(
    r"Could not find an implementation for (?P<a>\S+) node"
    r"|No Op registered for (?P<b>\S+)"
    r"|(?P<c>\S+) is not a registered function/op"
    r"|[Uu]nsupported (?:op|operator|node):? ?(?P<d>\S+)"
)


def probe() -> Probe:
    """What ONNX Runtime can do here."""
    providers = set(onnxruntime.get_available_providers())
    tensorrt = bool(providers & set(_TENSORRT))
    gpus = sorted(_GPUS.iterdir()) if (_CUDA in providers or tensorrt) and _GPUS.is_dir() else []
    precisions = list(_CPU_PRECISIONS)
    if gpus:
        precisions += [Precision.FP16, Precision.BF16]
    return Probe(
        available=True,
        detail=f"ONNX Runtime {onnxruntime.__version__} with {', '.join(sorted(providers))}",
        version=onnxruntime.__version__,
        devices=("cpu", *(f"cuda:{index}" for index in range(len(gpus)))),
        precisions=tuple(precisions),
        modes=("", "static", *(["tensorrt"] if tensorrt and gpus else [])),
    )


def open_session(request: CompileRequest, found: Probe, start_ns: int) -> OnnxRuntimeModel:
    """See `Backend.compile`. `start_ns`: when loading began."""
    variant = request.variant
    device = _find_device(variant, found)
    if request.artifact is None or request.format != "onnx":
        raise UnsupportedOperator(f"the backend onnxruntime reads onnx, not {request.format or 'nothing'}")
    inputs, _ = read_specs(request.artifact)
    if problem := check_batch(inputs, variant.batch_size):
        raise CompileFailed(problem)
    loaded_ns = time.perf_counter_ns()
    path, from_cache = _rewritten(request, device, found)
    session = _session(path, variant, device)
    inputs, outputs = read_specs(path)
    facts = CompileFacts(
        compile_ns=time.perf_counter_ns() - loaded_ns,
        load_ns=loaded_ns - start_ns,
        from_cache=from_cache,
        device=device,
        size_bytes=path.stat().st_size,
        details={"providers": ", ".join(session.get_providers())},
        made=None if path == request.artifact else MadeFile(path=path, format="onnx"),
    )
    return OnnxRuntimeModel(session, inputs, outputs, facts)


def _find_device(variant: Variant, found: Probe) -> str:
    device = variant.device or _best_device(variant, found)
    if device not in found.devices:
        raise BackendUnavailable(f"ONNX Runtime has no device {device!r} here; it has {', '.join(found.devices)}")
    if variant.mode not in found.modes or (variant.mode == "tensorrt" and device == "cpu"):
        modes = ", ".join(map(repr, found.modes))
        raise BackendUnavailable(f"ONNX Runtime has no mode {variant.mode!r} on {device}; it has {modes}")
    offered = _offered(device, variant.mode)
    if variant.precision not in offered:
        words = f" in the mode {variant.mode}" if variant.mode else ""
        raise BackendUnavailable(
            f"ONNX Runtime offers no {variant.precision} on {device}{words}; it offers {', '.join(offered)}"
        )
    return device


def _best_device(variant: Variant, found: Probe) -> str:
    """The first GPU where it has the precision, else the CPU."""
    gpus = found.devices[1:2]
    return next((gpu for gpu in gpus if variant.precision in _offered(gpu, variant.mode)), "cpu")


def _offered(device: str, mode: str) -> tuple[Precision, ...]:
    if device == "cpu":
        return _CPU_PRECISIONS
    return _TENSORRT_PRECISIONS if mode == "tensorrt" else _CUDA_PRECISIONS


def _rewritten(request: CompileRequest, device: str, found: Probe) -> tuple[Path, bool]:
    """The file for the variant, and whether it was in the cache. In fp32 with a free batch it is the artifact."""
    variant, source = request.variant, request.artifact
    assert source is not None  # noqa: S101 - checked by the caller
    if variant.precision is Precision.FP32 and variant.mode != "static":
        return source, False
    entry = find_entry(
        request,
        name="model.onnx",
        version=found.version,
        device=processor_fingerprint() if device == "cpu" else device,
        extra=calibration_digest(request) if variant.precision is Precision.INT8_STATIC else "",
    )
    if entry.is_sound():
        return entry.path, True
    entry.store(lambda target: _rewrite(request, source, target))
    return entry.path, False


def _rewrite(request: CompileRequest, source: Path, target: Path) -> None:
    variant = request.variant
    if variant.mode == "static":
        fixed = target.with_name("fixed.onnx") if variant.precision is not Precision.FP32 else target
        write_fixed_batch(source, fixed, variant.batch_size)
        source = fixed
    if variant.precision is Precision.INT8_DYNAMIC:
        write_int8_dynamic(source, target)
    elif variant.precision is Precision.INT8_STATIC:
        write_int8_static(request.artifact or source, target, request.calibration, symmetric=variant.mode == "tensorrt")
        if source != request.artifact:  # calibrated on batches of any size, then fixed
            write_fixed_batch(target, target, variant.batch_size)
    elif variant.precision is not Precision.FP32:
        write_half(source, target, variant.precision)
    if source not in (request.artifact, target):
        source.unlink()


def _session(path: Path, variant: Variant, device: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = variant.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    wanted, providers = _providers(variant, device)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=False)
    except Exception as error:  # noqa: BLE001 - the runtime's own tree of errors begins at Exception
        raise describe_failure(error, wanted) from None
    used = session.get_providers()
    if not used or used[0] != wanted:
        raise BackendUnavailable(
            f"ONNX Runtime fell back from {wanted} to {', '.join(used)}: its libraries are missing"
        )
    return session


def _providers(variant: Variant, device: str) -> tuple[str, list[tuple[str, dict[str, str]]]]:
    """The provider that must be used, and the list to ask for."""
    if device == "cpu":
        return _CPU, [(_CPU, {})]
    options = {"device_id": device.removeprefix("cuda:")}
    available = onnxruntime.get_available_providers()
    wanted = next(name for name in _TENSORRT if name in available) if variant.mode == "tensorrt" else _CUDA
    if wanted == _CUDA:
        return wanted, [(_CUDA, options | _FULL_FLOAT), (_CPU, {})]
    behind = [(_CUDA, options | _FULL_FLOAT)] if _CUDA in available else []
    return wanted, [(wanted, options), *behind, (_CPU, {})]


def describe_failure(error: Exception, provider: str) -> JobError:
    """What ONNX Runtime says on opening a model, as an error of the job."""
    words = " ".join(str(error).split())[:2_000] or type(error).__name__
    if found := _LACKING.search(words):
        operator = next(name for name in found.groups() if name)
        return UnsupportedOperator(f"{provider} has no operator {operator}: {words}")
    return CompileFailed(f"{provider} cannot compile the model: {words}")


class OnnxRuntimeModel:
    """An open session."""

    def __init__(
        self, session: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], facts: CompileFacts
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.facts = facts
        self._session = session
        self._names = [spec.name for spec in outputs]

    def run(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        """See `CompiledModel.run`."""
        if self._session is None:
            raise ValueError("the compiled model was closed")
        check_feed(feed, self.inputs)
        return dict(zip(self._names, self._session.run(self._names, dict(feed)), strict=True))

    def close(self) -> None:
        """Ends the session."""
        self._session = None
