"""A Triton model repository for an ONNX artifact: its config.pbtxt.

Names, types and shapes are those of the graph; threads, batch and queue those that were measured.
"""

from __future__ import annotations

import json
import re

from msearch_deployment.serving.package import Package, Tensor, Unservable

MODEL_FILE = "model.onnx"

_TYPES = {
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "bfloat16": "BF16", "bool": "BOOL", "string": "STRING",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


def repository_name(identity: str) -> str:
    """The model's name as that of a folder: what is neither letter, digit, "-", "_" nor "." becomes "_"."""
    return re.sub(r"[^\w.-]", "_", identity.rpartition("@")[0] or identity).strip(".") or "model"


def config_pbtxt(package: Package) -> str:
    """The text of config.pbtxt.

    Requests are joined into batches only where the measured variant had batches; then up to that size, and no longer
    waiting than was measured. With a free batch, `max_batch_size` is what was measured and the shapes leave the batch
    out, as Triton wants it; else the shapes are whole and Triton joins nothing.

    Raises:
        Unservable: a tensor has a type that Triton does not know.
    """
    batch = max(package.batch_size, package.joined_batch) if package.free_batch else 0
    lines = [
        f"# {' '.join(f'{package.identity} as it was measured: {package.form}'.split())}.",
        f"name: {_quoted(repository_name(package.identity))}",
        f"backend: {_quoted(package.backend)}",
        f"default_model_filename: {_quoted(MODEL_FILE)}",
        f"max_batch_size: {batch}",
    ]
    lines += [_tensor("input", tensor, batch) for tensor in package.inputs]
    lines += [_tensor("output", tensor, batch) for tensor in package.outputs]
    if batch > 1:
        wait = f"  max_queue_delay_microseconds: {package.joined_wait_us}\n" if package.joined_batch > 1 else ""
        lines.append(f"dynamic_batching {{\n  preferred_batch_size: [ {batch} ]\n{wait}}}")
    lines.append(_instances(package))
    lines += [
        f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"
        for key, value in _parameters(package).items()
    ]
    return "\n".join(lines) + "\n"


def _tensor(kind: str, tensor: Tensor, batch: int) -> str:
    shape = tensor.shape[1:] if batch else tensor.shape
    dims = [extent if isinstance(extent, int) else -1 for extent in shape]
    # Triton wants at least one dimension; a tensor of one number a row is reshaped to that.
    reshape = "" if dims else " reshape { shape: [ ] }"
    shown = ", ".join(map(str, dims or [1]))
    return f"{kind} {{ name: {_quoted(tensor.name)} data_type: {_type(tensor)} dims: [ {shown} ]{reshape} }}"


def _type(tensor: Tensor) -> str:
    if tensor.element_type not in _TYPES:
        raise Unservable(f"Triton has no type for {tensor.element_type}, which {tensor.name!r} is of")
    return f"TYPE_{_TYPES[tensor.element_type]}"


def _instances(package: Package) -> str:
    if package.on_gpu:
        number = package.device.partition(":")[2] or "0"
        return f"instance_group {{ count: 1 kind: KIND_GPU gpus: [ {number} ] }}"
    return "instance_group { count: 1 kind: KIND_CPU }"


def _parameters(package: Package) -> dict[str, str]:
    if package.backend == "onnxruntime":
        return {"intra_op_thread_count": str(package.threads), "inter_op_thread_count": "1"}
    found = {"INFERENCE_NUM_THREADS": str(package.threads), "NUM_STREAMS": "1"}
    return found | ({"HINT_BF16": "YES"} if package.precision == "bf16" else {})


def _quoted(text: str) -> str:
    """As a string of the protobuf text format: JSON's escapes are among its own, once all is ASCII."""
    return json.dumps(text)
