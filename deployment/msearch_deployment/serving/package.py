"""What is deployed, for the texts that serve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class Unservable(Exception):
    """There is no ready configuration for it; the message says why, and what there is."""


FILES = {
    "onnx": ("model.onnx",),
    "openvino_ir": ("model.xml", "model.bin"),
    "torch_export": ("model.pt2",),
    "tensorrt_plan": ("model.plan",),
}
"""The files of each format; a runtime is told the first."""

READS = {
    "onnxruntime": ("onnx",),
    "openvino": ("onnx", "openvino_ir"),
    "torch": ("torch_export",),
    "inductor": ("torch_export",),
    "tensorrt": ("tensorrt_plan",),
}
"""The formats that each backend loads."""

HALVES = {"bf16": "bf16", "fp16": "f16"}
"""Precisions that OpenVINO computes in by itself, and its name for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output. An element type is a numpy name or "string"; a dimension an extent, a symbol, or None."""

    name: str
    element_type: str
    shape: tuple[int | str | None, ...]

    @property
    def free_batch(self) -> bool:
        """Whether the first axis takes any number of rows."""
        return bool(self.shape) and not isinstance(self.shape[0], int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A model in the form that was measured.

    Args:
        identity: name@version.
        format: of what the runtime loads, one of FILES.
        digests: SHA-256 of each of its files, in hexadecimal, by name; the first is what the runtime is told.
        made: whether the agent made it, rather than load the registered artifact.
        backend: that it was measured with.
        precision: fp32, bf16, ...
        batch_size: rows a call had.
        threads: within one call.
        mode: the backend's own; "" for its default.
        device: "cpu", "cuda:0", or "" for the backend's own choice.
        inputs: of what is loaded.
        outputs: of what is loaded.
        joined_batch: most requests that were joined in front of the model; 1 for none.
        joined_wait_us: longest wait for others, in microseconds.
        version: of the backend's runtime; "" if unknown.
        bound_to: what alone can load it, e.g. "library" and "gpu" of a TensorRT plan.
        bf16_host: whether the CPU it was measured on has instructions for bf16, which OpenVINO uses unless it is told
            not to.
    """

    identity: str
    format: str
    digests: Mapping[str, str]
    backend: str
    precision: str
    batch_size: int
    threads: int
    mode: str
    device: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    made: bool = False
    joined_batch: int = 1
    joined_wait_us: int = 0
    version: str = ""
    bound_to: Mapping[str, str] = field(default_factory=dict)
    bf16_host: bool = False

    @property
    def model_file(self) -> str:
        """The file that a runtime is told."""
        return FILES[self.format][0]

    @property
    def on_gpu(self) -> bool:
        """Whether it was measured on an NVIDIA GPU."""
        return self.device.startswith("cuda") or self.backend == "tensorrt"

    @property
    def gpu(self) -> str:
        """The number of the GPU."""
        return self.device.partition(":")[2] or "0"

    @property
    def free_batch(self) -> bool:
        """Whether all tensors take and give any number of rows."""
        return all(tensor.free_batch for tensor in (*self.inputs, *self.outputs))

    @property
    def form(self) -> str:
        """In words, as in "onnxruntime fp32, batch 1, 1 thread, on cpu"."""
        threads = f"{self.threads} thread" + ("s" if self.threads != 1 else "")
        mode = f" {self.mode}" if self.mode else ""
        device = self.device or ("cuda:0" if self.on_gpu else "cpu")
        return f"{self.backend} {self.precision}{mode}, batch {self.batch_size}, {threads}, on {device}"


def check_servable(package: Package) -> None:
    """Whether what there is, with settings, gives what was measured.

    Raises:
        Unservable: the runtime does not load it, the agent made something else of it, or the service keeps what is
            measured itself.
    """
    backend, precision = package.backend, package.precision
    if backend not in READS:
        raise Unservable(
            f"there is no ready configuration for the backend {backend}, only for {', '.join(READS)}: what it measured "
            "is not a file"
        )
    if package.format not in READS[backend] or (needs_making(backend, precision) and not package.made):
        raise Unservable(
            f"the agent makes {precision} of {backend} from the artifact, and the registered artifact is not that "
            "form: measure it again with an agent that keeps what it makes"
        )
    if backend == "openvino" and package.device.startswith("cuda"):
        raise Unservable(f"OpenVINO does not run on {package.device}")
    if not package.inputs or not package.outputs:
        raise Unservable("its inputs and outputs are not known: measure it again, the profile then tells them")


def needs_making(backend: str, precision: str) -> bool:
    """Whether a runtime cannot make that precision of the artifact while it loads it."""
    if backend == "onnxruntime":
        return precision != "fp32"
    if backend in ("openvino", "inductor"):
        return precision.startswith("int8")
    return backend == "tensorrt"
