"""A Triton model repository: which of its backends serves a package, and its config.pbtxt.

Names, types and shapes are those of what is loaded; threads, batch and queue those that were measured.
"""

from __future__ import annotations

import json
import re

from msearch_deployment.serving.package import Package, Tensor, Unservable

_TYPES = {
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "bfloat16": "BF16", "bool": "BOOL", "string": "STRING",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
PYTHON = "python"
REPOSITORY = "model_repository"
"""The folder beside the programs. One called triton would hide the package of that name, which torch imports."""


def repository_name(identity: str) -> str:
    """The model's name as that of a folder: what is neither letter, digit, "-", "_" nor "." becomes "_"."""
    return re.sub(r"[^\w.-]", "_", identity.rpartition("@")[0] or identity).strip(".") or "model"


def triton_backend(package: Package) -> str:
    """The backend of Triton that serves exactly what was measured; "python" where that takes the exported program.

    Its OpenVINO backend cannot be told a precision but bf16, and takes bf16 by itself wherever the CPU has it. Its
    PyTorch backend runs other things than programs of torch.export. It knows no TensorRT for RTX.
    """
    if package.backend == "openvino":
        told = package.precision == "bf16" or not (package.precision == "fp16" or package.bf16_host)
        return "openvino" if told else PYTHON
    if package.backend == "tensorrt":
        return PYTHON if "RTX" in package.bound_to.get("library", "") else "tensorrt"
    return "onnxruntime" if package.backend == "onnxruntime" else PYTHON


def config_pbtxt(package: Package) -> str:
    """The text of config.pbtxt.

    Requests are joined into batches only where the measured variant had batches; then up to that size, and no longer
    waiting than was measured. With a free batch, `max_batch_size` is what was measured and the shapes leave the batch
    out, as Triton wants it; else the shapes are whole and Triton joins nothing.

    Raises:
        Unservable: a tensor has a type that Triton does not know.
    """
    batch = max(package.batch_size, package.joined_batch) if package.free_batch else 0
    backend = triton_backend(package)
    lines = [
        f"# {' '.join(f'{package.identity} as it was measured: {package.form}'.split())}.",
        f"name: {_quoted(repository_name(package.identity))}",
        f"backend: {_quoted(backend)}",
        f"default_model_filename: {_quoted('model.py' if backend == PYTHON else package.model_file)}",
        f"max_batch_size: {batch}",
    ]
    lines += [_tensor("input", tensor, batch) for tensor in package.inputs]
    lines += [_tensor("output", tensor, batch) for tensor in package.outputs]
    if batch > 1:
        wait = f"  max_queue_delay_microseconds: {package.joined_wait_us}\n" if package.joined_batch > 1 else ""
        lines.append(f"dynamic_batching {{\n  preferred_batch_size: [ {batch} ]\n{wait}}}")
    lines.append(_instances(package))
    if backend == "onnxruntime" and package.mode == "tensorrt":
        lines.append('optimization { execution_accelerators { gpu_execution_accelerator [ { name: "tensorrt" } ] } }')
    lines += [
        f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"
        for key, value in _parameters(package, backend).items()
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
        return f"instance_group {{ count: 1 kind: KIND_GPU gpus: [ {package.gpu} ] }}"
    return "instance_group { count: 1 kind: KIND_CPU }"


def _parameters(package: Package, backend: str) -> dict[str, str]:
    """Of the backend; the program that the Python backend runs has all of them itself."""
    if backend == "onnxruntime":
        return {"intra_op_thread_count": str(package.threads), "inter_op_thread_count": "1"}
    if backend == "openvino":
        found = {"INFERENCE_NUM_THREADS": str(package.threads), "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY"}
        return found | ({"HINT_BF16": "YES"} if package.precision == "bf16" else {})
    return {}


def _quoted(text: str) -> str:
    """As a string of the protobuf text format: JSON's escapes are among its own, once all is ASCII."""
    return json.dumps(text)
