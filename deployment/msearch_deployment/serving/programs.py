"""Programs that run an exported model as it was measured, put together from the templates beside this file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

from msearch_deployment.serving.package import HALVES, Package, Tensor

_TEMPLATES = Path(__file__).with_name("templates")
_OWN_CODE = ("torch", "inductor", "tensorrt")
"""Backends whose programs load the model by the code of msearch that measured it."""

_DISTRIBUTIONS = {
    "onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch", "inductor": "torch",
    "tensorrt": "tensorrt",
}  # fmt: skip
_OV_GROUP_SIZE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What a backend's program has beside what all have."""

    template: str
    imports: tuple[str, ...]
    constants: tuple[str, ...]
    standard_imports: tuple[str, ...] = ()


def program_name(package: Package) -> str:
    """As in run_onnxruntime.py."""
    return f"run_{_parts(package).template}.py"


def program(package: Package) -> str:
    """The text of a Python program that loads the model beside it, and runs it on rows of a file."""
    parts = _parts(package)
    head, rows = _template("head"), _template("rows")
    name = program_name(package)
    beginning = head.substitute(
        identity=_in_docstring(package.identity),
        form=_in_docstring(package.form),
        requirement=_in_docstring(requirement(package)),
        packages="msearch",
        needed=" and ".join(["msearch" if package.backend in _OWN_CODE else package.backend, "numpy"]),
        program=name,
        standard_imports="\n".join(sorted(("import hashlib", "import json", "import sys", *parts.standard_imports))),
        imports="\n".join(parts.imports),
        digests=repr(dict(package.digests)),
        threads=package.threads,
        batch=package.batch_size,
        fixed=package.mode == "static" or not package.free_batch,
        inputs=_specs(package.inputs),
        outputs=repr([tensor.name for tensor in package.outputs]),
        constants="".join(f"{line}\n" for line in parts.constants),
    )
    return beginning + _template(parts.template).template + rows.substitute(program=name)


def triton_model(package: Package) -> str:
    """The text of model.py, for Triton's Python backend."""
    module = program_name(package).removesuffix(".py")
    return _template("triton_model").substitute(identity=_in_docstring(package.identity), module=module)


def requirement(package: Package) -> str:
    """The runtime as pip takes it, in the version that was measured."""
    name = _DISTRIBUTIONS[package.backend]
    if package.backend == "onnxruntime" and package.on_gpu:
        name += "-gpu"
    return f"{name}=={package.version}" if package.version else name


def _parts(package: Package) -> _Parts:
    match package.backend:
        case "onnxruntime":
            return _Parts(
                template="onnxruntime",
                imports=("import onnxruntime",),
                constants=(f"PROVIDERS = {_providers(package)!r}",),
            )
        case "openvino":
            return _Parts(
                template="openvino",
                imports=("import openvino",),
                constants=(
                    f"DEVICE = {(package.device or 'cpu').upper()!r}",
                    f"PRECISION = {HALVES.get(package.precision, 'f32')!r}",
                    f"GROUP_SIZE = {_OV_GROUP_SIZE if package.precision == 'int8_dynamic' else 0}",
                ),
            )
        case "tensorrt":
            return _Parts(
                template="tensorrt",
                imports=(
                    "from msearch_running.tensors import TensorSpec",
                    "from profiler_agent.backends.tensorrt import open_plan",
                ),
                constants=(
                    f"DEVICE = {'cuda:' + package.gpu!r}",
                    f"BOUND_TO = {dict(package.bound_to)!r}",
                    f"OUTPUT_TENSORS = {_specs(package.outputs)}",
                ),
            )
        case _:
            return _Parts(
                template="torch",
                standard_imports=("import os", "import tempfile"),
                imports=(
                    "from profiler_agent.backends import find_backend",
                    "from profiler_agent.backends.base import CompileRequest",
                    "from profiler_agent.work import Precision, Variant",
                ),
                constants=(
                    "VARIANT = Variant(",
                    f"    backend={package.backend!r}, precision=Precision({package.precision!r}), batch_size=BATCH,",
                    f"    threads=THREADS, mode={package.mode!r}, device={package.device!r},",
                    ")",
                    f"QUANTISED = {package.made}",
                ),
            )


def _template(name: str) -> Template:
    return Template((_TEMPLATES / f"{name}.py.template").read_text(encoding="utf-8"))


def _specs(tensors: Iterable[Tensor]) -> str:
    return repr({tensor.name: (tensor.element_type, tensor.shape) for tensor in tensors})


def _providers(package: Package) -> list[tuple[str, dict[str, str]]]:
    if not package.on_gpu:
        return [("CPUExecutionProvider", {})]
    number = {"device_id": package.gpu}
    found = [("CUDAExecutionProvider", number | {"use_tf32": "0"}), ("CPUExecutionProvider", {})]
    return [("TensorrtExecutionProvider", number), *found] if package.mode == "tensorrt" else found


def _in_docstring(text: str) -> str:
    """Text that can neither end a docstring nor escape in it: names come from strangers."""
    return text.replace("\\", "/").replace('"', "'")
