"""Compiles programs of torch.export with Inductor. Imports torch.

What Inductor writes goes to the private workspace first, and from there as one file into the cache. So a damaged or
half-written entry is noticed before a library in it is loaded.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import _inductor
from torch._dynamo.utils import counters

from profiler_agent.backends import _torch_programs as programs
from profiler_agent.backends._cache import calibration_digest, find_entry, processor_fingerprint
from profiler_agent.backends._torch_placing import place
from profiler_agent.backends.base import CompileFacts, CompileRequest, MadeFile, Probe
from profiler_agent.errors import BackendUnavailable
from profiler_agent.work import Precision, TensorSpec

_MODES = ("", "aot")
_INT8 = (Precision.INT8_DYNAMIC, Precision.INT8_STATIC)


def probe(compiler: str) -> Probe:
    """What Inductor can do here: int8 where torchao is installed."""
    int8 = _INT8 if importlib.util.find_spec("torchao") is not None else ()
    found = programs.probe(_MODES, int8)
    return replace(
        found, detail=f"{found.detail}, with {compiler}" + ("" if int8 else "; pip install torchao adds int8")
    )


def compile_program(request: CompileRequest, found: Probe, start_ns: int) -> programs.TorchModel:
    """See `Backend.compile`. `start_ns`: when loading began."""
    variant = request.variant
    device = programs.find_device(variant, found)
    if variant.precision in _INT8 and (device != "cpu" or variant.mode):
        raise BackendUnavailable(f"Inductor offers {variant.precision} on the cpu only, without a mode")
    torch.set_num_threads(variant.threads)
    with programs.silenced(), _cache_folder(request) as folder:
        program = programs.load_program(request)
        loaded_ns = time.perf_counter_ns()
        made: MadeFile | None = None
        try:
            if variant.precision in _INT8 and not request.quantised:
                program, made = _quantised(request, program, found)
            if variant.mode == "aot":
                call, size, from_cache = _ahead_of_time(request, program, device, found)
            else:
                call, size, from_cache = _just_in_time(request, program, device, found, folder)
        except Exception as error:  # noqa: BLE001 - torch raises anything
            raise programs.describe_failure(error, "Inductor cannot compile the program") from None
    facts = CompileFacts(
        compile_ns=time.perf_counter_ns() - loaded_ns,
        load_ns=loaded_ns - start_ns,
        from_cache=from_cache,
        device=device,
        size_bytes=size,
        made=made,
    )
    inputs, outputs = program.inputs, program.outputs
    if not variant.mode:  # compiled for these very shapes: another would be compiled anew within a measurement
        inputs, outputs = (_with_batch(specs, variant.batch_size) for specs in (inputs, outputs))
    return programs.TorchModel(replace(program, inputs=inputs, outputs=outputs), call, device, facts)


def _quantised(request: CompileRequest, program: programs.Program, found: Probe) -> tuple[programs.Program, MadeFile]:
    """The quantised program as it was kept, read as an artifact is; it is made if there is none.

    Its inputs and outputs are named as those of the artifact.
    """
    static = request.variant.precision is Precision.INT8_STATIC
    entry = find_entry(
        request,
        name="quantised.pt2",
        version=found.version,
        device="",
        extra="quantised " + (calibration_digest(request) if static else ""),
    )
    if not entry.is_sound():
        from profiler_agent.backends import _inductor_int8 as int8  # noqa: PLC0415 - imports torchao

        exported = int8.quantise(
            program, request.calibration, dynamic=not static, batch_size=request.variant.batch_size
        )
        entry.store(lambda target: torch.export.save(exported, target))
    kept = programs.load_program(replace(request, artifact=entry.path, format="torch_export", quantised=True))
    return replace(kept, inputs=program.inputs, outputs=program.outputs), MadeFile(
        path=entry.path, format="torch_export"
    )


def _just_in_time(
    request: CompileRequest, program: programs.Program, device: str, found: Probe, folder: Path
) -> tuple[Callable[..., Any], int, bool]:
    variant = request.variant
    static = variant.precision is Precision.INT8_STATIC
    extra = calibration_digest(request) if static else ""
    entry = find_entry(request, name="inductor.zip", version=found.version, device=_fingerprint(device), extra=extra)
    was_kept = entry.is_sound()
    if was_kept:
        with zipfile.ZipFile(entry.path) as kept:
            kept.extractall(folder)
    quantised = variant.precision in _INT8
    module = program.module if quantised else place(program, variant.precision, device)
    tensors = programs.generated_tensors(program.inputs, variant.batch_size, device)
    misses = counters["inductor"]["fxgraph_cache_miss"]
    # Not as options of torch.compile: the int8 lowering looks at the configuration before those are applied.
    with _inductor.config.patch(freezing=True, compile_threads=1), torch.inference_mode():
        call = torch.compile(module, dynamic=False)
        call(*tensors)
    from_cache = was_kept and counters["inductor"]["fxgraph_cache_miss"] == misses
    if not from_cache:
        entry.remove()
        entry.store(lambda target: _pack(folder, target))
    return call, programs.parameter_bytes(module), from_cache


def _ahead_of_time(
    request: CompileRequest, program: programs.Program, device: str, found: Probe
) -> tuple[Callable[..., Any], int, bool]:
    entry = find_entry(request, name="model.pt2", version=found.version, device=_fingerprint(device))
    from_cache = entry.is_sound()
    if not from_cache:
        module = place(program, request.variant.precision, device)
        # A batch of 1 would be taken for a constant.
        tensors = programs.generated_tensors(program.inputs, max(2, request.variant.batch_size), device)
        free = tuple(
            {axis: torch.export.Dim.DYNAMIC for axis, extent in enumerate(spec.shape) if not isinstance(extent, int)}
            for spec in program.inputs
        )
        if not any(free):
            tensors = programs.generated_tensors(program.inputs, request.variant.batch_size, device)
        with _inductor.config.patch(freezing=True, compile_threads=1), torch.no_grad():
            exported = torch.export.export(module, tuple(tensors), dynamic_shapes=free)
            entry.store(lambda target: _inductor.aoti_compile_and_package(exported, package_path=str(target)))
    index = -1 if device == "cpu" else int(device.removeprefix("cuda:"))
    loader = _inductor.aoti_load_package(str(entry.path), device_index=index).loader

    def call(*tensors: torch.Tensor) -> Any:
        return loader.run(list(tensors))

    return call, entry.path.stat().st_size, from_cache


def _fingerprint(device: str) -> str:
    """Code for a GPU has parts for the CPU, too."""
    gpu = "" if device == "cpu" else f" {torch.cuda.get_device_name(device)} {torch.cuda.get_device_capability(device)}"
    return processor_fingerprint() + gpu


def _with_batch(specs: tuple[TensorSpec, ...], batch: int) -> tuple[TensorSpec, ...]:
    return tuple(replace(spec, shape=(batch, *spec.shape[1:])) for spec in specs)


@contextlib.contextmanager
def _cache_folder(request: CompileRequest) -> Iterator[Path]:
    """Has Inductor write to a folder of this compilation; it asks the environment each time."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    # A new one each time: libraries of an earlier compilation in this process are mapped and must not be overwritten.
    folder = Path(tempfile.mkdtemp(prefix="inductor-", dir=request.workspace))
    os.environ[name] = str(folder)
    try:
        yield folder
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".lock":
                packed.write(path, path.relative_to(folder))
