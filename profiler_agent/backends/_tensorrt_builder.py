"""Builds TensorRT engines from ONNX files, and keeps them. Needs no GPU with TensorRT for RTX.

Networks are strongly typed: the precision is that of the types in the ONNX file, which is rewritten first. TensorRT's
calls return None or False where they fail and tell the reason to a logger; here each of them becomes an error with
those words.
"""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiler_agent.backends._cache import calibration_digest, find_entry
from profiler_agent.backends._tensorrt_library import Library, Messages
from profiler_agent.backends.base import CompileRequest
from profiler_agent.errors import CompileFailed, UnsupportedOperator
from profiler_agent.onnx_files import write_half, write_int8_static
from profiler_agent.work import Precision

_LACKING = ("Plugin not found", "is not supported in TensorRT")
"""What the parser says of an operator that it lacks, beside its codes that begin with UNSUPPORTED."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A serialised engine ("plan"), and how it was come by. `details` is what TensorRT said of it."""

    plan: bytes
    path: Path
    from_cache: bool
    compile_ns: int
    details: dict[str, str]


def obtain_engine(request: CompileRequest, library: Library, device: str, *, rebuild: bool = False) -> Engine:
    """The engine of a request: from the cache, or built and kept. `rebuild` replaces a kept one that cannot be used.

    Engines are kept by digest of the model, TensorRT's flavour and version, `device` (its fingerprint), precision,
    batch size and digest of the calibration rows.

    Raises:
        UnsupportedOperator, CompileFailed: as `build_engine`, or the precision cannot be written into the model.
    """
    start = time.perf_counter_ns()
    precision = request.variant.precision
    calibrated = calibration_digest(request) if precision is Precision.INT8_STATIC else ""
    entry = find_entry(request, name="model.engine", version=str(library), device=device, extra=calibrated)
    if rebuild:
        shutil.rmtree(entry.path.parent, ignore_errors=True)
    if entry.is_sound():
        return Engine(
            entry.path.read_bytes(), entry.path, from_cache=True, compile_ns=time.perf_counter_ns() - start, details={}
        )
    messages = Messages(library.module)
    plan = build_engine(typed_model(request), batch_size=request.variant.batch_size, library=library, messages=messages)
    entry.store(lambda path: _write(path, plan))
    said = {"warnings": messages.warnings(), "layers": messages.layers()}
    details = {name: text for name, text in said.items() if text}
    return Engine(plan, entry.path, from_cache=False, compile_ns=time.perf_counter_ns() - start, details=details)


def onnx_file(request: CompileRequest) -> Path:
    """The artifact. Raises UnsupportedOperator if it is none in ONNX."""
    if request.artifact is None or request.format != "onnx":
        raise UnsupportedOperator(f"the backend tensorrt reads onnx, not {request.format or 'nothing'}")
    return request.artifact


def typed_model(request: CompileRequest) -> Path:
    """The ONNX file with the types of the variant's precision; in fp32 it is the artifact.

    Raises:
        UnsupportedOperator: there is no ONNX file, or it cannot be converted.
        CompileFailed: as `onnx_files` says.
    """
    source, precision = onnx_file(request), request.variant.precision
    if precision is Precision.FP32:
        return source
    target = request.workspace / f"tensorrt-{precision}.onnx"
    if precision in (Precision.FP16, Precision.BF16):
        write_half(source, target, precision)
    elif precision is Precision.INT8_STATIC:
        write_int8_static(source, target, request.calibration, symmetric=True)
    else:
        raise UnsupportedOperator(f"TensorRT has no {precision}: it knows scales only from the model file")
    return target


def build_engine(path: Path, *, batch_size: int = 1, library: Library, messages: Messages | None = None) -> bytes:
    """Builds an engine from an ONNX file with inline weights, in the types that the file says.

    Where the first dimension of the inputs is free, the engine takes batches of 1 to `batch_size` and is tuned for
    `batch_size`. `messages` collects what TensorRT says.

    Raises:
        UnsupportedOperator: TensorRT lacks an operator; the message names it.
        CompileFailed: anything else, with TensorRT's own words.
    """
    messages = messages or Messages(library.module)
    try:
        return _build(path, batch_size, library, messages)
    except BaseException as error:
        # A traceback would keep the builder until garbage is collected, which may be while TensorRT holds its lock and
        # tells another build's logger something: the builder's end would then wait for that lock for ever.
        traceback.clear_frames(error.__traceback__)
        raise


def _build(path: Path, batch_size: int, library: Library, messages: Messages) -> bytes:
    trt = library.module
    try:
        builder = trt.Builder(messages.logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, messages.logger)
        config = builder.create_builder_config()
    except (TypeError, RuntimeError) as error:  # a constructor that gets nothing from the library
        raise CompileFailed(f"{library} cannot begin to build: {messages.errors()} ({error})") from error
    for what in (network, config):
        if what is None:
            raise CompileFailed(f"{library} cannot begin to build: {messages.errors()}")
    if not parser.parse(path.read_bytes()):
        raise _parser_failure(library, parser, messages)
    _add_profile(builder, network, config, batch_size)
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)  # a third of the digits of fp32, which is promised
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise CompileFailed(f"{library} cannot build an engine: {messages.errors()}")
    return bytes(plan)


def batch_profile(name: str, shape: Sequence[int], batch_size: int) -> tuple[tuple[int, ...], ...] | None:
    """The smallest, best and largest shape of an input (-1: a free extent); None if it has no free extent.

    Raises:
        CompileFailed: an extent besides the batch is free, or the batch is fixed to another size.
    """
    words = f"the input {name!r} of shape {['?' if extent < 0 else extent for extent in shape]}"
    if any(extent < 0 for extent in shape[1:]):
        raise CompileFailed(
            f"{words} leaves more than its batch free, and TensorRT builds for known extents: export the model with the"
            " others fixed"
        )
    if not shape or shape[0] >= 0:
        if shape and shape[0] != batch_size:
            raise CompileFailed(f"{words} has a fixed batch of {shape[0]}, not {batch_size}: ask for that batch size")
        return None
    rest = tuple(shape[1:])
    return ((1, *rest), (batch_size, *rest), (batch_size, *rest))


def _add_profile(builder: Any, network: Any, config: Any, batch_size: int) -> None:
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    shapes = {tensor.name: batch_profile(tensor.name, tuple(tensor.shape), max(batch_size, 1)) for tensor in inputs}
    if not any(shapes.values()):
        return
    profile = builder.create_optimization_profile()
    for name, shape in shapes.items():
        if shape is not None:
            profile.set_shape(name, *shape)
    if config.add_optimization_profile(profile) < 0:
        raise CompileFailed(f"TensorRT refuses batches of 1 to {batch_size} for this model")


def _parser_failure(library: Library, parser: Any, messages: Messages) -> CompileFailed:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    words = "; ".join(dict.fromkeys(" ".join(str(error.desc()).split()) for error in errors)) or messages.errors()
    lacking = [
        str(error.node_operator())
        for error in errors
        if error.node_operator()
        and (error.code().name.startswith("UNSUPPORTED") or any(words in str(error.desc()) for words in _LACKING))
    ]
    if lacking:
        names = ", ".join(dict.fromkeys(lacking))
        nodes = ", ".join(dict.fromkeys(repr(str(error.node_name())) for error in errors if error.node_name()))
        where = f" (node {nodes})" if nodes else ""
        return UnsupportedOperator(f"{library} does not support the operator {names}{where} as it is used: {words}")
    return CompileFailed(f"{library} cannot read the model: {words}")


def _write(path: Path, plan: bytes) -> None:
    path.write_bytes(plan)
