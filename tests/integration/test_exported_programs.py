"""Every form that a backend measures, as an exported program loads it: the same numbers, and only what was made."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msearch_deployment.serving import FILES, Package, Tensor, check_servable, program, program_name
from profiler_agent.backends import find_backends
from profiler_agent.backends.base import CompiledModel, CompileRequest
from profiler_agent.errors import BackendUnavailable
from profiler_agent.work import Precision, Variant
from tests.compiled_models import EXAMPLES, digest, write_model

BACKENDS = find_backends()
FORMS = [
    pytest.param(name, precision, mode, marks=pytest.mark.slow if name == "inductor" else ())
    for name in ("onnxruntime", "openvino", "torch", "inductor")
    for precision in Precision
    for mode in ("", "static", "channels_last", "aot")
    if mode in BACKENDS[name].probe().modes and precision in BACKENDS[name].probe().precisions
]


def compiled_for(name: str, precision: Precision, mode: str, folder: Path) -> tuple[CompileRequest, CompiledModel]:
    """A small real network, compiled as a job compiles it."""
    kind = BACKENDS[name].formats[0]
    artifact = write_model(folder, "cnn", kind)
    request = CompileRequest(
        variant=Variant(backend=name, precision=precision, mode=mode, batch_size=4, device="cpu"),
        artifact=artifact, format=kind, digest=digest(artifact), cache=folder / "cache", workspace=folder,
        calibration=[EXAMPLES["cnn"].feed(32, seed) for seed in range(3)] if precision is Precision.INT8_STATIC else (),
    )  # fmt: skip
    try:
        return request, BACKENDS[name].compile(request)
    except BackendUnavailable as error:
        pytest.skip(error.message)


def exported(request: CompileRequest, compiled: CompiledModel, folder: Path) -> Any:
    """The program for what was compiled, imported from a folder that holds it and the files it names alone."""
    made, variant = compiled.facts.made, request.variant
    assert request.artifact is not None
    kind = request.format if made is None else made.format
    source = request.artifact if made is None else made.path
    folder.mkdir()
    if len(FILES[kind]) > 1:
        with zipfile.ZipFile(source) as archive:
            archive.extractall(folder)
    else:
        (folder / FILES[kind][0]).write_bytes(source.read_bytes())
    tensors = [
        tuple(Tensor(name=one.name, element_type=one.element_type, shape=one.shape) for one in specs)
        for specs in (compiled.inputs, compiled.outputs)
    ]
    package = Package(
        identity="net@1", format=kind, made=made is not None, backend=variant.backend,
        digests={name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES[kind]},
        precision=variant.precision.value, batch_size=variant.batch_size, threads=variant.threads, mode=variant.mode,
        device=variant.device, inputs=tensors[0], outputs=tensors[1],
    )  # fmt: skip
    check_servable(package)
    path = folder / program_name(package)
    path.write_text(program(package))
    spec = importlib.util.spec_from_file_location(f"exported_{variant.backend}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "precision", "mode"), FORMS)
def test_an_exported_program_gives_the_numbers_that_were_measured(
    name: str, precision: Precision, mode: str, tmp_path: Path
) -> None:
    request, compiled = compiled_for(name, precision, mode, tmp_path)
    feed = EXAMPLES["cnn"].feed(4, 9)
    measured = dict(compiled.run(feed))
    module = exported(request, compiled, tmp_path / "exported")
    outputs = module.run(module.load(), dict(feed))
    assert outputs.keys() == measured.keys()
    for key, value in measured.items():
        np.testing.assert_allclose(outputs[key], value, rtol=1e-6, atol=1e-6)
    if precision is not Precision.FP32 and compiled.facts.made is not None:
        reference = BACKENDS[name].compile(
            CompileRequest(
                variant=Variant(backend=name, batch_size=4, device="cpu", mode=mode), artifact=request.artifact,
                format=request.format, digest=request.digest, cache=tmp_path / "fp32", workspace=tmp_path,
            )
        )  # fmt: skip
        assert any(np.abs(reference.run(feed)[key] - value).max() > 0 for key, value in measured.items())


def test_onnx_runtime_makes_the_same_bytes_again(tmp_path: Path) -> None:
    request, compiled = compiled_for("onnxruntime", Precision.INT8_STATIC, "", tmp_path)
    made = compiled.facts.made
    assert made is not None
    first = made.path.read_bytes()
    made.path.unlink()
    again = BACKENDS["onnxruntime"].compile(request).facts.made
    assert again is not None
    assert again.path.read_bytes() == first


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_another_file_than_the_one_measured_is_refused(name: str, tmp_path: Path) -> None:
    module = exported(*compiled_for(name, Precision.INT8_DYNAMIC, "", tmp_path), tmp_path / "exported")
    for file in module.SHA256:
        path = tmp_path / "exported" / file
        good = path.read_bytes()
        path.write_bytes(good + b"\n")
        with pytest.raises(ValueError, match="is not the model that was measured"):
            module.load()
        path.write_bytes(good)
    module.load()
