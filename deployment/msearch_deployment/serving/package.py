"""What is deployed, for the texts that serve it."""

from __future__ import annotations

from dataclasses import dataclass


class Unservable(Exception):
    """There is no ready configuration for it; the message says why, and what there is."""


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
        digest: SHA-256 of `model.onnx`, in hexadecimal.
        backend: that it was measured with.
        precision: fp32, bf16, ...
        batch_size: rows a call had.
        threads: within one call.
        mode: the backend's own; "" for its default.
        device: "cpu", "cuda:0", or "" for the backend's own choice.
        inputs: of the graph.
        outputs: of the graph.
        joined_batch: most requests that were joined in front of the model; 1 for none.
        joined_wait_us: longest wait for others, in microseconds.
        version: of the backend's runtime; "" if unknown.
    """

    identity: str
    digest: str
    backend: str
    precision: str
    batch_size: int
    threads: int
    mode: str
    device: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    joined_batch: int = 1
    joined_wait_us: int = 0
    version: str = ""

    @property
    def on_gpu(self) -> bool:
        """Whether it was measured on an NVIDIA GPU."""
        return self.device.startswith("cuda")

    @property
    def free_batch(self) -> bool:
        """Whether all tensors take and give any number of rows."""
        return all(tensor.free_batch for tensor in (*self.inputs, *self.outputs))

    @property
    def form(self) -> str:
        """In words, as in "onnxruntime fp32, batch 1, 1 thread, on the CPU"."""
        threads = f"{self.threads} thread" + ("s" if self.threads != 1 else "")
        mode = f" {self.mode}" if self.mode else ""
        return f"{self.backend} {self.precision}{mode}, batch {self.batch_size}, {threads}, on {self.device or 'cpu'}"


HALVES = {"bf16": "bf16", "fp16": "f16"}
"""Precisions that OpenVINO computes in by itself, and its name for each."""


def check_servable(package: Package) -> None:
    """Whether the artifact as it is, with settings, gives what was measured.

    Raises:
        Unservable: the agent compiled something from it that is not in the artifact.
    """
    if package.backend not in ("onnxruntime", "openvino"):
        raise Unservable(
            f"there is no ready configuration for the backend {package.backend}, only for onnxruntime and openvino"
        )
    if package.backend == "openvino" and package.on_gpu:
        raise Unservable(f"OpenVINO does not run on {package.device}")
    if package.precision == "fp32" and package.mode in ("", "static"):
        return
    if package.precision in HALVES and package.backend == "openvino":
        return
    raise Unservable(
        f"the agent makes {package.precision} of {package.backend} from the artifact, calibrated or rewritten, and the "
        "registered artifact is not that form"
    )
