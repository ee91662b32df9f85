"""Programs that run an exported model as it was measured: one template a backend, beside this file."""

from __future__ import annotations

from pathlib import Path
from string import Template

from msearch_deployment.serving.package import HALVES, Package, Tensor, Unservable

_DISTRIBUTIONS = {"onnxruntime": "onnxruntime", "openvino": "openvino"}


def program_name(package: Package) -> str:
    """As in run_onnxruntime.py."""
    return f"run_{package.backend}.py"


def program(package: Package) -> str:
    """The text of a Python program that loads model.onnx beside it, and runs it on rows of a file.

    Raises:
        Unservable: there is no template for the backend.
    """
    path = Path(__file__).with_name(f"{package.backend}.py.template")
    if not path.is_file():
        raise Unservable(f"there is no program for the backend {package.backend}")
    return Template(path.read_text(encoding="utf-8")).substitute(
        identity=_in_docstring(package.identity),
        form=_in_docstring(package.form),
        requirement=_in_docstring(requirement(package)),
        digest=repr(package.digest),
        threads=package.threads,
        batch=package.batch_size,
        fixed=package.mode == "static" or not package.free_batch,
        inputs=_specs(package.inputs),
        outputs=repr([tensor.name for tensor in package.outputs]),
        providers=_providers(package),
        precision=repr(HALVES.get(package.precision, "f32")),
        device=repr((package.device or "cpu").upper()),
    )


def requirement(package: Package) -> str:
    """The runtime as pip takes it, in the version that was measured."""
    name = _DISTRIBUTIONS[package.backend] + ("-gpu" if package.on_gpu else "")
    return f"{name}=={package.version}" if package.version else name


def _specs(tensors: tuple[Tensor, ...]) -> str:
    return repr({tensor.name: (tensor.element_type, tensor.shape) for tensor in tensors})


def _providers(package: Package) -> str:
    if not package.on_gpu:
        return repr([("CPUExecutionProvider", {})])
    options = {"device_id": package.device.partition(":")[2] or "0", "use_tf32": "0"}
    return repr([("CUDAExecutionProvider", options), ("CPUExecutionProvider", {})])


def _in_docstring(text: str) -> str:
    """Text that can neither end a docstring nor escape in it: names come from strangers."""
    return text.replace("\\", "/").replace('"', "'")
