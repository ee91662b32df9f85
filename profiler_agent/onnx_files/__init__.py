"""Reads and rewrites ONNX files. Whatever touches a file needs the package onnx; int8 needs onnxruntime, too.

Both are imported by the first call, so that importing this package costs nothing where no ONNX file is read. No file is
ever run, except that onnxruntime runs a model to calibrate it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msearch_running.counts import Counts
from profiler_agent.onnx_files.feeds import Feed, fit_batch, generated_feeds
from profiler_agent.work import Precision, TensorSpec

__all__ = [
    "Counts",
    "Feed",
    "count",
    "fit_batch",
    "generated_feeds",
    "read_specs",
    "write_fixed_batch",
    "write_half",
    "write_int8_dynamic",
    "write_int8_static",
]


def read_specs(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs, without constants.

    Raises:
        CompileFailed: the file is damaged, keeps weights in other files, or declares what is no tensor.
    """
    from profiler_agent.onnx_files import _reading  # noqa: PLC0415 - imports onnx

    return _reading.specs(_reading.read(path))


def count(path: Path) -> Counts:
    """Parameters, FLOPs per sample, operators and bytes. Raises CompileFailed as `read_specs`."""
    from msearch_running import onnx_counting  # noqa: PLC0415 - imports onnx
    from profiler_agent.onnx_files import _reading  # noqa: PLC0415

    return onnx_counting.count(_reading.read(path), path.stat().st_size)


def write_fixed_batch(source: Path, target: Path, batch: int) -> None:
    """Writes the model for batches of exactly that size. Raises CompileFailed if its own batch is fixed to another."""
    from profiler_agent.onnx_files import _batching, _reading  # noqa: PLC0415 - imports onnx

    _reading.write(_batching.fix_batch(_reading.read(source), batch), target)


def write_half(source: Path, target: Path, precision: Precision) -> None:
    """Writes the model in bf16 or fp16, typed so in the file itself; inputs and outputs stay what they are.

    Raises:
        CompileFailed: the file is damaged, or its types cannot be inferred.
        UnsupportedOperator: it has control flow, which is not converted.
    """
    from profiler_agent.onnx_files import _halving, _reading  # noqa: PLC0415 - imports onnx

    _reading.write(_halving.halve(_reading.read(source), precision), target)


def write_int8_dynamic(source: Path, target: Path) -> None:
    """Writes the model with int8 weights, whose activations are scaled as they come.

    Raises:
        CompileFailed: the file is damaged, or has nothing to quantise.
    """
    from profiler_agent.onnx_files import _quantising  # noqa: PLC0415 - imports onnx and onnxruntime

    _quantising.quantise_dynamic(source, target)


def write_int8_static(source: Path, target: Path, calibration: Sequence[Feed], *, symmetric: bool = False) -> None:
    """Writes the model with int8 weights and activations, as QDQ, calibrated on feeds of real rows.

    By default for CPUs: activations U8, weights S8 a channel (activations S8 run three times slower on x86).
    `symmetric`: for TensorRT, which wants both S8 and zero points of 0, no quantised bias, and only Conv, Gemm and
    MatMul.

    Raises:
        CompileFailed: the file is damaged, has nothing to quantise, or there is nothing to calibrate on.
    """
    from profiler_agent.onnx_files import _quantising  # noqa: PLC0415 - imports onnx and onnxruntime

    _quantising.quantise_static(source, target, calibration, symmetric=symmetric)
