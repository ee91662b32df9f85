"""Building with TensorRT, for which TensorRT for RTX needs no GPU; running is tested in tests/gpu."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from profiler_agent.backends import find_backend
from profiler_agent.backends import tensorrt as backend
from profiler_agent.backends._cuda_driver import CudaDevice, NoCudaDevice, cuda_devices
from profiler_agent.backends._tensorrt_builder import batch_profile, obtain_engine, typed_model
from profiler_agent.backends._tensorrt_library import Library, LibraryMissing, Messages, find_library
from profiler_agent.backends.base import Probe
from profiler_agent.backends.tensorrt import BACKEND, build_engine, open_plan
from profiler_agent.errors import BackendUnavailable, CompileFailed, UnsupportedOperator
from profiler_agent.work import Precision
from tests.tensorrt_models import image_model, request_for

NO_GPU = "nogpu"
"""Stands in an engine's place in the cache for the GPU that it is built for."""


@pytest.fixture(scope="module")
def library() -> Library:
    """The TensorRT that is installed."""
    try:
        return find_library()
    except LibraryMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small convolutional network with a free batch."""
    return image_model(tmp_path / "model.onnx")


def test_it_is_found_by_name() -> None:
    assert find_backend("tensorrt") is BACKEND
    assert BACKEND.formats == ("onnx",)


def test_an_engine_takes_batches_up_to_the_one_asked_for(library: Library, model: Path) -> None:
    messages = Messages(library.module)
    assert len(build_engine(model, batch_size=4, messages=messages)) > 10_000
    # As TensorRT describes what it built: the batch is free. Without a profile the build would have failed.
    assert "image (Float[-1,3,8,8])" in messages.layers()
    assert "scores (Float[-1,5])" in messages.layers()


def test_a_fixed_batch_needs_no_profile(library: Library, tmp_path: Path) -> None:
    fixed = image_model(tmp_path / "fixed.onnx", batch=2)
    messages = Messages(library.module)
    build_engine(fixed, batch_size=2, messages=messages)
    assert "image (Float[2,3,8,8])" in messages.layers()
    with pytest.raises(CompileFailed, match="has a fixed batch of 2, not 4"):
        build_engine(fixed, batch_size=4)


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.BF16, Precision.INT8_STATIC])
def test_every_precision_builds(library: Library, model: Path, tmp_path: Path, precision: Precision) -> None:
    request = request_for(model, tmp_path, precision=precision)
    engine = obtain_engine(request, library, NO_GPU)
    assert not engine.from_cache
    assert engine.plan != build_engine(model, batch_size=4)
    assert typed_model(request).parent == request.workspace
    # Inputs and outputs stay what the model declares.
    assert "image (Float[-1,3,8,8])" in engine.details["layers"]


def test_int8_without_calibration_rows_says_so(library: Library, model: Path, tmp_path: Path) -> None:
    request = replace(request_for(model, tmp_path, precision=Precision.INT8_STATIC), calibration=())
    with pytest.raises(CompileFailed, match="rows of the source dataset"):
        obtain_engine(request, library, NO_GPU)


def test_dynamic_int8_and_other_formats_are_refused(library: Library, model: Path, tmp_path: Path) -> None:
    request = request_for(model, tmp_path, precision=Precision.INT8_DYNAMIC)
    with pytest.raises(UnsupportedOperator, match="TensorRT has no int8_dynamic"):
        obtain_engine(request, library, NO_GPU)
    with pytest.raises(UnsupportedOperator, match="reads onnx, not torch_export"):
        obtain_engine(replace(request, format="torch_export"), library, NO_GPU)


@pytest.mark.parametrize(("operator", "domain"), [("Frobnicate", ""), ("Frobnicate", "my.domain"), ("Bernoulli", "")])
def test_an_unsupported_operator_is_named(library: Library, tmp_path: Path, operator: str, domain: str) -> None:
    path = image_model(tmp_path / "odd.onnx", operator=operator, domain=domain)
    with pytest.raises(UnsupportedOperator, match=rf"the operator {operator} \(node 'middle'\)"):
        build_engine(path)


def test_a_truncated_model_fails_with_the_parsers_words(library: Library, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:500])
    with pytest.raises(CompileFailed, match="Failed to parse the ONNX model") as caught:
        build_engine(model)
    assert not isinstance(caught.value, UnsupportedOperator)


@pytest.mark.parametrize("content", [b"", b"hello world" * 10])
def test_what_parses_to_nothing_fails_when_built(library: Library, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nothing.onnx"
    path.write_bytes(content)
    with pytest.raises(CompileFailed, match="must have at least one output"):
        build_engine(path)


def test_a_failed_build_lets_go_of_the_builder(library: Library, model: Path, tmp_path: Path) -> None:
    odd = image_model(tmp_path / "odd.onnx", operator="Frobnicate")
    with pytest.raises(UnsupportedOperator):
        build_engine(odd)
    with pytest.raises(CompileFailed):
        build_engine(image_model(tmp_path / "fixed.onnx", batch=2), batch_size=4)
    with pytest.raises(FileNotFoundError) as caught:
        build_engine(tmp_path / "not-there.onnx")
    assert caught.value.__traceback__ is not None  # the errors, and what they hold, are still there
    messages = Messages(library.module)
    build_engine(model, messages=messages)
    # TensorRT would complain of another logger if a builder were left.
    assert "already registered" not in messages.warnings()


def test_engines_are_kept_by_what_they_depend_on(library: Library, model: Path, tmp_path: Path) -> None:
    request = request_for(model, tmp_path)
    first = obtain_engine(request, library, NO_GPU)
    again = obtain_engine(request, library, NO_GPU)
    assert (first.from_cache, again.from_cache) == (False, True)
    assert again.plan == first.plan
    others = [
        obtain_engine(replace(request, digest="another"), library, NO_GPU),
        obtain_engine(replace(request, variant=replace(request.variant, batch_size=2)), library, NO_GPU),
        obtain_engine(replace(request, variant=replace(request.variant, precision=Precision.FP16)), library, NO_GPU),
        obtain_engine(request, replace(library, version="another"), NO_GPU),
        obtain_engine(request, library, "another GPU"),
    ]
    assert not any(engine.from_cache for engine in others)


def test_calibration_rows_are_part_of_the_key_only_where_they_matter(
    library: Library, model: Path, tmp_path: Path
) -> None:
    for precision, kept in ((Precision.INT8_STATIC, False), (Precision.FP32, True)):
        request = request_for(model, tmp_path, precision=precision)
        obtain_engine(request, library, NO_GPU)
        fewer = replace(request, calibration=request.calibration[:1])
        assert obtain_engine(fewer, library, NO_GPU).from_cache is kept


@pytest.mark.parametrize("damage", ["cut", "gone", "emptied"])
def test_a_damaged_entry_is_built_again(library: Library, model: Path, tmp_path: Path, damage: str) -> None:
    request = request_for(model, tmp_path)
    first = obtain_engine(request, library, NO_GPU)
    [kept] = request.cache.rglob("model.engine")
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_bytes(kept.read_bytes()[:1000] if damage == "cut" else b"")
    again = obtain_engine(request, library, NO_GPU)
    assert not again.from_cache
    assert len(again.plan) == len(first.plan)
    assert obtain_engine(request, library, NO_GPU).from_cache


def test_an_entry_that_cannot_be_used_is_replaced_on_demand(library: Library, model: Path, tmp_path: Path) -> None:
    request = request_for(model, tmp_path)
    obtain_engine(request, library, NO_GPU)
    assert not obtain_engine(request, library, NO_GPU, rebuild=True).from_cache
    assert obtain_engine(request, library, NO_GPU).from_cache


def test_a_failed_build_leaves_nothing_in_the_cache(library: Library, tmp_path: Path) -> None:
    request = request_for(image_model(tmp_path / "odd.onnx", operator="Bernoulli"), tmp_path)
    with pytest.raises(UnsupportedOperator):
        obtain_engine(request, library, NO_GPU)
    assert [path for path in request.cache.rglob("*") if path.is_file()] == []


def test_only_the_batch_may_be_free() -> None:
    assert batch_profile("x", (-1, 3, 8), 4) == ((1, 3, 8), (4, 3, 8), (4, 3, 8))
    assert batch_profile("x", (4, 3), 4) is None
    assert batch_profile("x", (), 4) is None
    with pytest.raises(CompileFailed, match=r"'x' of shape \['\?', 3, '\?'\] leaves more than its batch free"):
        batch_profile("x", (-1, 3, -1), 4)


def test_without_a_gpu_it_can_build_but_not_run(
    library: Library, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_device() -> None:
        raise NoCudaDevice("no CUDA device: the driver sees none")

    monkeypatch.setattr(backend, "cuda_devices", no_device)
    probe = BACKEND.probe()
    assert not probe.available
    words = f"{library} can build engines here but cannot run them: no CUDA device: the driver sees none; it takes an"
    assert probe.detail.startswith(words)
    assert probe.version == str(library)
    with pytest.raises(BackendUnavailable, match="cannot run them"):
        BACKEND.compile(request_for(model, tmp_path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("raise ImportError('libnvinfer.so.11: cannot open shared object file')", "libnvinfer.so.11"),
        ("raise RuntimeError('run the installer first')", "run the installer first"),
        ("raise OSError", "OSError"),
        ("import not_there_at_all", "not_there_at_all"),
        ("", "it has no builder, so only part of it is installed"),
    ],
)
def test_a_half_installed_library_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, words: str
) -> None:
    (tmp_path / "half_a_tensorrt.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(backend, "find_library", lambda: find_library({"half_a_tensorrt": "TensorRT"}))
    probe = BACKEND.probe()
    assert not probe.available
    assert words in probe.detail
    assert "pip install tensorrt-rtx-cu13-libs" in probe.detail
    with pytest.raises(BackendUnavailable, match="no TensorRT can be imported"):
        build_engine(tmp_path / "model.onnx")


def test_a_library_that_is_not_there_at_all_needs_no_reason() -> None:
    with pytest.raises(LibraryMissing, match=r"^no TensorRT can be imported; install"):
        find_library({"not_there_at_all": "TensorRT"})


FAKE_DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return INIT; }
int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Pretend GPU", length); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 8 : 9; return 0; }
"""


@pytest.mark.parametrize(
    ("init", "count", "words"), [(100, 0, "error 100 to cuInit"), (0, 0, "the driver sees none"), (0, 2, "")]
)
def test_devices_are_asked_of_the_driver(tmp_path: Path, init: int, count: int, words: str) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc) to make a driver")
    (tmp_path / "driver.c").write_text(FAKE_DRIVER)
    made = tmp_path / f"driver_{init}_{count}.so"
    options = ["-shared", "-fPIC", f"-DINIT={init}", f"-DCOUNT={count}"]
    subprocess.run([compiler, *options, "-o", str(made), str(tmp_path / "driver.c")], check=True)
    if words:
        with pytest.raises(NoCudaDevice, match=words):
            cuda_devices(str(made))
        return
    devices = cuda_devices(str(made))
    assert [device.fingerprint for device in devices] == ["Pretend GPU sm_89 driver 13.2"] * 2


def test_a_missing_driver_is_no_device() -> None:
    with pytest.raises(NoCudaDevice, match="libnowhere is not there"):
        cuda_devices("libnowhere")


BOUND = {"library": "TensorRT 10.13.0", "gpu": "NVIDIA H100 sm_90"}


@pytest.mark.parametrize(
    ("bound_to", "device", "reason"),
    [
        (BOUND | {"gpu": "NVIDIA L4 sm_89"}, "cuda:0", "for NVIDIA L4 sm_89, and the gpu here is NVIDIA H100 sm_90"),
        (BOUND | {"library": "TensorRT 9"}, "cuda:0", "made by TensorRT 9 .* the library here is TensorRT 10.13.0"),
        (BOUND, "cuda:1", "has no device 'cuda:1' here; it has cuda:0"),
    ],
)
def test_an_engine_of_another_host_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, bound_to: dict[str, str], device: str, reason: str
) -> None:
    found = Probe(available=True, detail="", version="10.13.0", devices=("cuda:0",), precisions=(Precision.FP32,))
    gpu = CudaDevice(name="NVIDIA H100", capability=(9, 0), driver="12.8")
    monkeypatch.setattr(type(BACKEND), "probe", lambda self: found)
    monkeypatch.setattr(backend, "cuda_devices", lambda: (gpu,))
    monkeypatch.setattr(backend, "find_library", lambda: BOUND["library"])
    with pytest.raises(BackendUnavailable, match=reason) as caught:
        open_plan(b"plan", bound_to=bound_to, device=device, batch_size=1, specs=((), ()))
    assert device == "cuda:1" or "measure the model on this host" in caught.value.message


def test_an_engine_without_a_gpu_is_refused_as_the_probe_says() -> None:
    if (probe := BACKEND.probe()).available:
        pytest.skip("there is a GPU here")
    with pytest.raises(BackendUnavailable) as caught:
        open_plan(b"plan", bound_to=BOUND, device="cuda:0", batch_size=1, specs=((), ()))
    assert caught.value.message == probe.detail
