"""ONNX files, by ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from msearch_running.errors import LoadFailed, RuntimeMissing, WrongOutput
from msearch_running.noise import add_noise, noise_generator
from msearch_running.tensors import Feed, TensorSpec

PACKAGES = ("onnx", "onnxruntime")


def load(artifact: Path, *, threads: int) -> OnnxModel:
    """See `models.load_model`."""
    try:
        import onnxruntime  # noqa: F401, PLC0415 - an optional dependency

        from msearch_running import onnx_files  # noqa: PLC0415 - imports onnx
    except ImportError as error:
        raise RuntimeMissing(f"an ONNX model needs ONNX Runtime ({error}): pip install 'msearch[onnx]'") from None
    model = onnx_files.read_model(artifact)
    inputs, outputs = onnx_files.specs(model)
    return OnnxModel(model, inputs, tuple(spec.name for spec in outputs), threads)


class OnnxModel:
    """An open session. Its graph stays at hand, to put noise on its weights."""

    def __init__(self, model: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[str, ...], threads: int) -> None:
        self.inputs = inputs
        self._model = model
        self._outputs = outputs
        self._threads = threads
        self._session = _open(model.SerializeToString(), threads)

    @property
    def has_weights(self) -> bool:
        """See `LoadedModel`."""
        return bool(_weights(self._model))

    def run(self, feed: Feed) -> dict[str, NDArray[Any]]:
        """See `LoadedModel`."""
        try:
            values = self._session.run(list(self._outputs), dict(feed))
        except Exception as error:  # noqa: BLE001 - the runtime's own tree of errors begins at Exception
            raise WrongOutput(f"the model fails on these rows: {_in_short(error)}") from None
        return dict(zip(self._outputs, values, strict=True))

    def with_noise(self, eta: float, seed: int) -> OnnxModel:
        """See `LoadedModel`."""
        from onnx import numpy_helper  # noqa: PLC0415 - an optional dependency

        noisy = type(self._model)()
        noisy.CopyFrom(self._model)
        random = noise_generator(seed)
        for tensor in _weights(noisy):
            values = numpy_helper.to_array(tensor)
            changed = numpy_helper.from_array(add_noise(values, eta, random).astype(values.dtype), tensor.name)
            tensor.CopyFrom(changed)
        return OnnxModel(noisy, self.inputs, self._outputs, self._threads)


def _weights(model: Any) -> list[Any]:
    """Floating constants of two or more dimensions, in the order of the file."""
    from onnx import TensorProto  # noqa: PLC0415 - an optional dependency

    from msearch_running import onnx_files  # noqa: PLC0415 - imports onnx

    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
    return [tensor for tensor in onnx_files.tensors(model) if tensor.data_type in floats and len(tensor.dims) > 1]


def _open(graph: bytes, threads: int) -> Any:
    import onnxruntime  # noqa: PLC0415 - an optional dependency

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what matters comes as an exception
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the runtime's own tree of errors begins at Exception
        raise LoadFailed(f"ONNX Runtime cannot load the model: {_in_short(error)}") from None


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:2_000] or type(error).__name__
