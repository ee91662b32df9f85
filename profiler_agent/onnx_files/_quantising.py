"""Quantises to int8 with onnxruntime.quantization, which runs the model to calibrate. Imports onnx and onnxruntime."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from profiler_agent.errors import CompileFailed, JobError
from profiler_agent.onnx_files import _reading
from profiler_agent.onnx_files.feeds import Feed, fit_batch

_TENSORRT_OPERATORS = ["Conv", "Gemm", "MatMul"]
_INTEGER_OPERATORS = frozenset(
    {"MatMulInteger", "ConvInteger", "DynamicQuantizeLinear", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul"}
)


def quantise_dynamic(source: Path, target: Path) -> None:
    """See `onnx_files.write_int8_dynamic`."""
    with _failures("quantised dynamically"), _prepared(source) as prepared:
        # Convolutions scaled as they come are several times slower than in float32, so only products are.
        quantize_dynamic(
            str(prepared), str(target), op_types_to_quantize=["MatMul", "Gemm", "LSTM", "Attention"], per_channel=True
        )
    if not _operators(target) & _INTEGER_OPERATORS:
        raise CompileFailed("the model has no MatMul or Gemm with constant weights, so nothing to quantise dynamically")


def quantise_static(source: Path, target: Path, calibration: Sequence[Feed], *, symmetric: bool) -> None:
    """See `onnx_files.write_int8_static`."""
    if not calibration:
        raise CompileFailed("int8_static needs rows of the source dataset to calibrate on, and there are none")
    options: dict[str, Any] = {"WeightSymmetric": True}
    if symmetric:
        options |= {"ActivationSymmetric": True, "QuantizeBias": False}
    with _failures("quantised"), _prepared(source) as prepared:
        quantize_static(
            str(prepared),
            str(target),
            _Rows(fit_batch(calibration, _reading.specs(_reading.read(source))[0])),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_TENSORRT_OPERATORS if symmetric else None,
            per_channel=True,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options=options,
        )
    if "QuantizeLinear" not in _operators(target):
        raise CompileFailed("the model has no operator that can be quantised")


class _Rows(CalibrationDataReader):  # type: ignore[misc] # onnxruntime is not typed
    """Hands out the feeds one after another."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        feed = next(self._feeds, None)
        return None if feed is None else {name: np.ascontiguousarray(array) for name, array in feed.items()}


@contextlib.contextmanager
def _prepared(source: Path) -> Iterator[Path]:
    """The model with constants folded and normalisations fused, as the quantiser wants it."""
    _reading.read(source)  # refuses what is damaged or keeps tensors elsewhere
    with tempfile.TemporaryDirectory(prefix="msearch-quantise-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        yield prepared


@contextlib.contextmanager
def _failures(doing: str) -> Iterator[None]:
    """Gives whatever onnxruntime raises as CompileFailed, and keeps its loggers quiet."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    except JobError:
        raise
    except Exception as error:  # noqa: BLE001 - onnxruntime raises anything
        raise CompileFailed(f"the model cannot be {doing}: {' '.join(str(error).split())[:1_000]}") from None
    finally:
        logging.disable(before)


def _operators(path: Path) -> set[str]:
    return {node.op_type for graph in _reading.graphs(_reading.read(path)) for node in graph.node}
