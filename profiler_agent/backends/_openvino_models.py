"""Compiles ONNX models with OpenVINO. Imports openvino."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino.frontend import FrontEndManager

from profiler_agent.backends._cache import Entry, calibration_digest, find_entry, processor_fingerprint
from profiler_agent.backends._feeds import check_batch, check_feed
from profiler_agent.backends._openvino_ir import FORMAT, read_ir, write_ir
from profiler_agent.backends.base import CompileFacts, CompileRequest, Feed, MadeFile, Probe
from profiler_agent.errors import BackendUnavailable, CompileFailed, JobError, UnsupportedOperator
from profiler_agent.onnx_files import fit_batch, read_specs
from profiler_agent.work import Precision, TensorSpec, Variant

MODES = ("", "static")
_HINTS = {Precision.BF16: "bf16", Precision.FP16: "f16"}  # f32 for everything else
_INT8 = (Precision.INT8_DYNAMIC, Precision.INT8_STATIC)
_GROUP_SIZE = 32
_LACKING = re.compile(r"No conversion rule found for operations: ([^\n]+)")


def probe() -> Probe:
    """What OpenVINO can do here. A half precision is offered where a device lists it among its capabilities."""
    core = openvino.Core()
    devices = [name for name in core.available_devices if name.split(".")[0] in ("CPU", "GPU")]
    capable = {name for device in devices for name in core.get_property(device, "OPTIMIZATION_CAPABILITIES")}
    halves = [half for half, word in ((Precision.BF16, "BF16"), (Precision.FP16, "FP16")) if word in capable]
    int8 = _INT8 if importlib.util.find_spec("nncf") is not None else ()
    names = ", ".join(f"{device} {core.get_property(device, 'FULL_DEVICE_NAME')}" for device in devices)
    version = openvino.__version__.split("-")[0]
    return Probe(
        available=bool(devices),
        detail=f"OpenVINO {version} on {names}" + ("" if int8 else "; pip install nncf adds int8"),
        version=version,
        devices=tuple(device.lower() for device in devices),
        precisions=(Precision.FP32, *halves, *int8),
        modes=MODES,
    )


def compile_model(request: CompileRequest, found: Probe, start_ns: int) -> OpenVinoModel:
    """See `Backend.compile`. `start_ns`: when loading began."""
    core = openvino.Core()
    variant = request.variant
    device = _find_device(core, variant, found)
    if request.artifact is None or request.format != "onnx":
        raise UnsupportedOperator(f"the backend openvino reads onnx, not {request.format or 'nothing'}")
    inputs, outputs = read_specs(request.artifact)  # refuses tensors in other files, which OpenVINO would read
    if problem := check_batch(inputs, variant.batch_size):
        raise CompileFailed(problem)
    config = _configuration(variant, device)
    full_name = core.get_property(device, "FULL_DEVICE_NAME")
    entry, quantised = (
        find_entry(
            request,
            name=name,
            version=openvino.__version__,
            device=f"{processor_fingerprint()} {device} {full_name}",
            extra=what + (calibration_digest(request) if variant.precision is Precision.INT8_STATIC else ""),
        )
        for name, what in (("model.blob", ""), ("model.zip", "ir "))
    )
    made = MadeFile(path=quantised.path, format=FORMAT) if variant.precision in _INT8 else None
    loaded_ns = time.perf_counter_ns()
    if made is not None and not quantised.is_sound():
        entry.remove()  # what is compiled is what was kept, and no other
    compiled = _kept(core, entry, device, config)
    from_cache = compiled is not None
    if compiled is None:
        try:
            model = _read(request, inputs)
            if made is not None:
                quantised.remove()
                quantised.store(partial(write_ir, model))
                model = read_ir(core, made.path)
            compiled = core.compile_model(model, device, config)
            blob = compiled.export_model().getvalue()
        except Exception as error:  # noqa: BLE001 - the runtime raises RuntimeError and its subclasses, NNCF anything
            raise describe_failure(error) from None
        entry.store(lambda target: target.write_bytes(blob))
    _check_precision(compiled, variant, device)
    facts = CompileFacts(
        compile_ns=time.perf_counter_ns() - loaded_ns,
        load_ns=loaded_ns - start_ns,
        from_cache=from_cache,
        device=device.lower(),
        size_bytes=entry.path.stat().st_size,
        details={"inference_precision": _HINTS.get(variant.precision, "f32")},
        made=made,
    )
    if variant.mode == "static":
        inputs, outputs = (_with_batch(specs, variant.batch_size) for specs in (inputs, outputs))
    return OpenVinoModel(compiled, inputs, outputs, facts)


def _find_device(core: openvino.Core, variant: Variant, found: Probe) -> str:
    device = variant.device or "cpu"
    if device not in found.devices:
        raise BackendUnavailable(f"OpenVINO has no device {device!r} here; it has {', '.join(found.devices)}")
    if variant.mode not in MODES:
        raise BackendUnavailable(f"the backend openvino has no mode {variant.mode!r}; it has {', '.join(MODES[1:])}")
    capable = core.get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
    lacks = variant.precision in _HINTS and variant.precision.upper() not in capable
    if lacks or variant.precision not in found.precisions:
        raise BackendUnavailable(f"OpenVINO offers no {variant.precision} on {device}, which can {', '.join(capable)}")
    return device.upper()


def _configuration(variant: Variant, device: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": _HINTS.get(variant.precision, "f32"),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    if device == "CPU":
        config["INFERENCE_NUM_THREADS"] = variant.threads
        config["ENABLE_CPU_PINNING"] = False  # every process would pin itself to the same first cores
        dynamic = variant.precision is Precision.INT8_DYNAMIC
        config["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP_SIZE if dynamic else 0
    return config


def _kept(core: openvino.Core, entry: Entry, device: str, config: Mapping[str, Any]) -> openvino.CompiledModel | None:
    if not entry.is_sound():
        return None
    try:
        return core.import_model(entry.path.read_bytes(), device, dict(config))
    except RuntimeError:  # sound, but of a build that calls itself by the same version
        entry.remove()
        return None


def _read(request: CompileRequest, inputs: tuple[TensorSpec, ...]) -> openvino.Model:
    """The model, quantised and with its batch fixed as asked. The frontend is named, so nothing but ONNX is read."""
    frontend = FrontEndManager().load_by_framework("onnx")
    model = frontend.convert(frontend.load(str(request.artifact)))
    if request.variant.precision in _INT8:
        from profiler_agent.backends import _openvino_int8 as int8  # noqa: PLC0415 - NNCF takes seconds

        if request.variant.precision is Precision.INT8_STATIC:
            model = int8.quantise(model, fit_batch(request.calibration, inputs))
        else:
            model = int8.compress(model)
    if request.variant.mode == "static":
        shapes = {}
        for value in model.inputs:
            shape = value.get_partial_shape()
            shape[0] = request.variant.batch_size
            shapes[value] = shape
        model.reshape(shapes)
    return model


def _check_precision(compiled: openvino.CompiledModel, variant: Variant, device: str) -> None:
    wanted = _HINTS.get(variant.precision, "f32")
    used = compiled.get_property("INFERENCE_PRECISION_HINT")
    used_name = used.get_type_name() if isinstance(used, openvino.Type) else str(used)
    if used_name != wanted:
        raise BackendUnavailable(f"OpenVINO computes in {used_name} on {device}, though {wanted} was asked for")


def describe_failure(error: Exception) -> JobError:
    """What OpenVINO or NNCF says, as an error of the job."""
    if isinstance(error, JobError):
        return error
    if found := _LACKING.search(str(error)):
        return UnsupportedOperator(f"OpenVINO has no operator {found[1]}")
    lines = [line for line in str(error).splitlines() if line and not line.startswith(("Exception from", "Check '"))]
    words = " ".join(lines)[:2_000] or str(error)[:2_000] or type(error).__name__
    return CompileFailed(f"OpenVINO cannot compile the model: {words}")


def _with_batch(specs: tuple[TensorSpec, ...], batch: int) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=spec.name, element_type=spec.element_type, shape=(batch, *spec.shape[1:])) for spec in specs
    )


class OpenVinoModel:
    """A compiled model with one request."""

    def __init__(
        self,
        compiled: openvino.CompiledModel,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        facts: CompileFacts,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.facts = facts
        self._request: Any = compiled.create_infer_request()
        self._positions = [(spec.name, index) for index, spec in enumerate(outputs)]

    def run(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        """See `CompiledModel.run`. Inputs are read in place, outputs copied: the next call overwrites them."""
        if self._request is None:
            raise ValueError("the compiled model was closed")
        check_feed(feed, self.inputs)
        results = self._request.infer(dict(feed), share_inputs=True, share_outputs=False)
        return {name: results[index] for name, index in self._positions}

    def close(self) -> None:
        """Gives back the request and the model."""
        self._request = None
