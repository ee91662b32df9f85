"""What children do, one function a task: each takes and gives JSON values and runs in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from profiler_agent.backends import digest_of, find_backend, find_backends
from profiler_agent.backends.base import CompiledModel, CompileRequest, Feed
from profiler_agent.errors import JobError
from profiler_agent.host.libraries import library_versions
from profiler_agent.isolation import Context
from profiler_agent.measuring import messages, rows
from profiler_agent.measuring.messages import (
    ColdStart,
    Files,
    InputsOrder,
    InputsResult,
    RunOrder,
    VariantOrder,
    VerifyResult,
)
from profiler_agent.measuring.running import run_once
from profiler_agent.measuring.target import joins_rows
from profiler_agent.measuring.verifying import run_all, verify_outputs
from profiler_agent.onnx_files import count, generated_feeds, read_specs
from profiler_agent.work import Form, Measurement, Precision, TensorSpec, Variant

CALIBRATION_ROWS = 256
CALIBRATION_BATCH = 32
REFERENCES = {"onnx": ("onnxruntime", "openvino"), "torch_export": ("torch",)}
"""Backends whose fp32 on the CPU is the reference, by format; the first that is available."""

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "openvino", "nncf", "torch", "torchao", "tensorrt", "msearch")


def probe_backends(argument: Any, context: Context) -> Any:  # noqa: ARG001 - the signature of tasks
    """Probes every backend: what is found is remembered by the agent, what was imported for it is not."""
    return {name: messages.dump(backend.probe()) for name, backend in find_backends().items()}


def make_inputs(argument: Any, context: Context) -> Any:
    """Prepares the rows, runs the reference on them, and counts what the artifact holds."""
    order = messages.load(InputsOrder, argument)
    context.send({"stage": "verify", "message": "preparing inputs"})
    specs = _input_specs(order, context)
    note, measurements = "", []
    prepared: rows.Rows | None = None
    if order.sample_file is not None and order.card_json:
        try:
            sample = rows.read_sample(order.card_json, order.sample_file, order.label_column, specs)
        except JobError as error:
            note = f"{error.message}; generated inputs stand in"
        else:
            prepared, note = sample.rows, sample.problem
            measurements.append(
                Measurement(name="preprocess_ms", value=sample.per_row_ns / 1e6, unit="ms", source="card, per row")
            )
    verified_on = "generated" if prepared is None else "sample"
    if prepared is None:
        note = note or "no sample of the source dataset is registered"
        prepared = rows.Rows(generated_feeds(specs, rows.MOST_ROWS, order.seed) if specs else {})
    outputs, reference = _reference_outputs(order.files, prepared.first(order.checked_rows), specs, context)
    rows.save(order.files.inputs, rows.Rows(prepared.tensors, prepared.labels, outputs))
    result = InputsResult(
        rows=prepared.count,
        verified_on=verified_on,
        note=note,
        reference=reference,
        measurements=(*measurements, *_costs(order.files)),
    )
    return messages.dump(result)


def verify_variant(argument: Any, context: Context) -> Any:
    """Starts a variant from nothing, in this fresh process with an empty cache, and checks its outputs.

    The cold start ends with the first inference; what follows is not part of it.
    """
    order = messages.load(VariantOrder, argument)
    context.send({"stage": "compile", "message": f"{order.variant}: starting cold"})
    prepared = rows.load(order.files.inputs)
    first = rows.tile(prepared, order.variant.batch_size).feed(slice(0, order.variant.batch_size))
    before_ns = time.monotonic_ns()
    compiled = compile_variant(order, prepared, context)
    try:
        joins_rows(compiled, order.variant.batch_size)
        facts, ready_ns = compiled.facts, time.monotonic_ns()
        compiled.run(first)
        cold = ColdStart(
            process_start_ns=context.started_ns - context.spawned_ns,
            # What the backend does not call compiling is importing the runtime and reading the file.
            load_ns=max(ready_ns - before_ns - facts.compile_ns, 0),
            compile_ns=facts.compile_ns,
            first_inference_ns=time.monotonic_ns() - ready_ns,
        )
        context.send({"stage": "verify", "message": f"{order.variant}: checking the outputs"})
        found = verify_outputs(order, compiled, prepared)
    finally:
        compiled.close()
    sizes = (Measurement(name="compiled_bytes", value=facts.size_bytes, unit="bytes", source=order.variant.backend),)
    result = VerifyResult(
        problem=found.problem,
        loss=found.loss,
        measurements=(*found.measurements, *(sizes if facts.size_bytes else ())),
        versions=library_versions(_LIBRARIES),
        device=facts.device,
        cold=cold,
        form=_form(order.files, compiled),
    )
    return messages.dump(result)


def run_variant(argument: Any, context: Context) -> Any:
    """One run: compiled model from the cache, warm-up, load, meters, verdict."""
    order = messages.load(RunOrder, argument)
    prepared = rows.load(order.compile.files.inputs)
    compiled = compile_variant(order.compile, prepared, context)
    try:
        result = run_once(order, compiled, prepared, context)
    finally:
        compiled.close()
    return messages.dump(replace(result, form=_form(order.compile.files, compiled)))


def compile_variant(order: VariantOrder, prepared: rows.Rows, context: Context) -> CompiledModel:
    """The compiled model; its batch is free up to `largest_batch` where the backend needs to know."""
    variant = order.variant
    calibration: tuple[Feed, ...] = ()
    if variant.precision is Precision.INT8_STATIC:
        starts = range(0, min(prepared.count, CALIBRATION_ROWS), CALIBRATION_BATCH)
        calibration = tuple(prepared.feed(slice(start, start + CALIBRATION_BATCH)) for start in starts)
    request = CompileRequest(
        variant=variant,
        artifact=order.files.artifact,
        format=order.files.format,
        digest=order.files.digest,
        cache=order.files.cache,
        workspace=context.workspace,
        calibration=calibration,
        remote_target=order.files.remote_target,
        largest_batch=order.largest_batch,
    )
    return find_backend(variant.backend).compile(request)


def _form(files: Files, compiled: CompiledModel) -> Form | None:
    """What the runtime has loaded; None where there is no artifact."""
    if files.artifact is None:
        return None
    made = compiled.facts.made
    path = files.artifact if made is None else made.path
    return Form(
        format=files.format if made is None else made.format,
        # That of the artifact was verified when it was fetched: no run reads gigabytes for it.
        digest=files.digest if made is None else digest_of(path),
        size_bytes=path.stat().st_size,
        inputs=compiled.inputs,
        outputs=compiled.outputs,
        bound_to={} if made is None else made.bound_to,
        path=None if made is None else path,
    )


def _input_specs(order: InputsOrder, context: Context) -> tuple[TensorSpec, ...]:
    if order.files.artifact is not None and order.files.format == "onnx":
        return read_specs(order.files.artifact)[0]
    probe = VariantOrder(
        files=order.files, variant=order.specs_from, card_json=order.card_json, largest_batch=1, epsilon=0.0
    )
    compiled = compile_variant(probe, rows.Rows({}), context)
    try:
        return compiled.inputs
    finally:
        compiled.close()


def _reference_outputs(
    files: Files, prepared: rows.Rows, specs: tuple[TensorSpec, ...], context: Context
) -> tuple[Mapping[str, NDArray[Any]], str]:
    """Outputs of the reference on the prepared rows, and its name; empty where there is none."""
    backends = find_backends()
    names = [name for name in REFERENCES.get(files.format, ()) if name in backends and backends[name].probe().available]
    if files.artifact is None or not names:
        return {}, ""
    # Nothing is timed here, so it may have all the CPUs: 512 images through a deep network take minutes on one.
    variant = Variant(backend=names[0], device="cpu", threads=len(os.sched_getaffinity(0)))
    order = VariantOrder(files=files, variant=variant, card_json="", largest_batch=CALIBRATION_BATCH, epsilon=0.0)
    compiled = compile_variant(order, prepared, context)
    fixed = next((spec.shape[0] for spec in specs if spec.shape and isinstance(spec.shape[0], int)), None)
    try:
        return run_all(compiled, prepared, fixed or CALIBRATION_BATCH), str(variant)
    finally:
        compiled.close()


def _costs(files: Files) -> tuple[Measurement, ...]:
    """Size, parameters, operators, activations and FLOPs of the artifact, as far as they can be counted."""
    if files.artifact is None:
        return ()
    found = [Measurement(name="artifact_bytes", value=files.artifact.stat().st_size, unit="bytes", source="artifact")]
    if files.format == "onnx":
        counts = count(files.artifact)
        found.append(Measurement(name="parameters", value=counts.parameters, unit="", source="graph"))
        found.append(Measurement(name="operators", value=counts.operator_count, unit="", source="graph"))
        for name, value, unit in (
            ("activation_bytes", counts.activation_bytes, "bytes"),
            ("flops", counts.flops, "FLOP"),
        ):
            source = "none" if value is None else "graph"
            found.append(Measurement(name=name, value=value or 0, unit=unit, source=source, detail=counts.flops_detail))
    return tuple(found)
