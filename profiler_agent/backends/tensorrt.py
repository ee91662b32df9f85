"""TensorRT: NVIDIA's native builder, over whichever of TensorRT and TensorRT for RTX is installed (docs/tensorrt.md).

Engines run on a GPU, through torch's CUDA tensors. TensorRT for RTX builds them without one, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from profiler_agent.backends import _tensorrt_builder as builder
from profiler_agent.backends._cuda_driver import CudaDevice, NoCudaDevice, cuda_devices
from profiler_agent.backends._tensorrt_library import Library, LibraryMissing, Messages, find_library
from profiler_agent.backends.base import CompiledModel, CompileFacts, CompileRequest, MadeFile, Probe
from profiler_agent.errors import BackendUnavailable
from profiler_agent.onnx_files import read_specs
from profiler_agent.work import Precision, TensorSpec

_PRECISIONS = (Precision.FP32, Precision.FP16, Precision.BF16, Precision.INT8_STATIC)
_BF16_FROM = (8, 0)
PLAN = "tensorrt_plan"
_GPU_NEEDED = "it takes an NVIDIA GPU and the driver to be installed, and in a container the GPU to be passed in"


def build_engine(path: Path, *, batch_size: int = 1, messages: Messages | None = None) -> bytes:
    """Builds an engine with the TensorRT that is installed; see `_tensorrt_builder.build_engine`.

    Raises:
        BackendUnavailable: none is installed.
        UnsupportedOperator: it lacks an operator; the message names it.
        CompileFailed: anything else, in its own words.
    """
    return builder.build_engine(path, batch_size=batch_size, library=_library(), messages=messages)


class TensorRtBackend:
    """See the module."""

    name = "tensorrt"
    formats = ("onnx",)

    def probe(self) -> Probe:
        """Looks for the library, for a GPU, and for a torch that can use it."""
        try:
            library = find_library()
        except LibraryMissing as error:
            return Probe(available=False, detail=str(error))
        version = str(library)
        try:
            devices = cuda_devices()
        except NoCudaDevice as error:
            detail = f"{library} can build engines here but cannot run them: {error}; {_GPU_NEEDED}"
            return Probe(available=False, detail=detail, version=version)
        if reason := _torch_cannot_use_it():
            detail = f"{library} can build engines here but cannot run them: {reason}"
            return Probe(available=False, detail=detail, version=version)
        bf16 = all(device.capability >= _BF16_FROM for device in devices)
        return Probe(
            available=True,
            detail=f"{library} on {', '.join(device.name for device in devices)}",
            version=version,
            devices=tuple(f"cuda:{index}" for index in range(len(devices))),
            precisions=tuple(precision for precision in _PRECISIONS if bf16 or precision is not Precision.BF16),
        )

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Builds or loads the engine and opens it on the GPU.

        Raises:
            BackendUnavailable: no library, GPU or torch for it; another device, precision or mode than there is.
            UnsupportedOperator, CompileFailed: as `build_engine`.
        """
        start = time.perf_counter_ns()
        found = self.probe()
        device = _device(request, found)
        library = _library()
        specs = read_specs(builder.onnx_file(request))
        loaded_ns = time.perf_counter_ns() - start
        gpu = cuda_devices()[int(device.removeprefix("cuda:"))]
        from profiler_agent.backends._tensorrt_engine import TensorRtModel, UnusableEngine  # noqa: PLC0415 - torch

        def opened(engine: builder.Engine) -> CompiledModel:
            facts = CompileFacts(
                compile_ns=engine.compile_ns,
                load_ns=loaded_ns,
                from_cache=engine.from_cache,
                device=device,
                size_bytes=len(engine.plan),
                details={"library": str(library), "gpu": gpu.fingerprint} | engine.details,
                made=MadeFile(path=engine.path, format=PLAN, bound_to=_bound_to(library, gpu)),
            )
            batch_size = request.variant.batch_size
            return TensorRtModel(library, engine.plan, device=device, batch_size=batch_size, specs=specs, facts=facts)

        engine = builder.obtain_engine(request, library, gpu.fingerprint)
        try:
            return opened(engine)
        except UnusableEngine:
            if not engine.from_cache:
                raise
            return opened(builder.obtain_engine(request, library, gpu.fingerprint, rebuild=True))


def open_plan(
    plan: bytes,
    *,
    bound_to: Mapping[str, str],
    device: str,
    batch_size: int,
    specs: tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]],
) -> CompiledModel:
    """Opens an engine that was measured elsewhere, as `MadeFile` gave it with what it is bound to.

    Raises:
        BackendUnavailable: this host has no TensorRT or no GPU, or not those that it was made by and for.
    """
    found = BACKEND.probe()
    if not found.available:
        raise BackendUnavailable(found.detail)
    if device not in found.devices:
        raise BackendUnavailable(f"TensorRT has no device {device!r} here; it has {', '.join(found.devices)}")
    library = _library()
    here = _bound_to(library, cuda_devices()[int(device.removeprefix("cuda:"))])
    for what, wanted in bound_to.items():
        if here.get(what) != wanted:
            raise BackendUnavailable(
                f"the engine was made by {bound_to.get('library')} for {bound_to.get('gpu')}, and the {what} here is "
                f"{here.get(what, 'another')}: measure the model on this host, and export what was measured"
            )
    from profiler_agent.backends._tensorrt_engine import TensorRtModel  # noqa: PLC0415 - torch

    facts = CompileFacts(compile_ns=0, load_ns=0, from_cache=True, device=device, size_bytes=len(plan))
    return TensorRtModel(library, plan, device=device, batch_size=batch_size, specs=specs, facts=facts)


def _bound_to(library: Library, gpu: CudaDevice) -> dict[str, str]:
    return {"library": str(library), "gpu": gpu.model}


def _device(request: CompileRequest, found: Probe) -> str:
    variant = request.variant
    if not found.available:
        raise BackendUnavailable(found.detail)
    device = variant.device or found.devices[0]
    if device not in found.devices:
        raise BackendUnavailable(f"TensorRT has no device {device!r} here; it has {', '.join(found.devices)}")
    if variant.mode:
        raise BackendUnavailable(f"TensorRT has no mode {variant.mode!r}")
    if variant.precision not in found.precisions:
        raise BackendUnavailable(
            f"TensorRT offers no {variant.precision} on {device}; it offers {', '.join(found.precisions)}"
        )
    return device


def _library() -> Library:
    try:
        return find_library()
    except LibraryMissing as error:
        raise BackendUnavailable(str(error)) from error


def _torch_cannot_use_it() -> str:
    """Why torch cannot hold the buffers on the GPU; empty if it can."""
    try:
        import torch  # noqa: PLC0415 - takes seconds, and only with a GPU
    except Exception as error:  # noqa: BLE001 - a half-installed torch fails in any way
        return f"its buffers are torch tensors, and torch cannot be imported ({error}); pip install torch"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} was built without CUDA or finds no device; install a CUDA build of torch"
    return ""


BACKEND = TensorRtBackend()
