"""TensorRT's engines on the GPU: batches, cache, and engines that do not belong here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profiler_agent.backends._cuda_driver import CudaDevice
from profiler_agent.backends.tensorrt import open_plan
from profiler_agent.errors import BackendUnavailable, CompileFailed, UnsupportedOperator
from profiler_agent.verification import compare
from profiler_agent.work import Precision
from tests.compiled_models import EXAMPLES
from tests.gpu.devices import Ask, in_torch, skip_unlisted, usable
from tests.tensorrt_models import image_model, request_for

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.BF16, Precision.INT8_STATIC])
def test_an_engine_computes_something_in_every_precision(precision: Precision, ask: Ask, gpu: CudaDevice) -> None:
    """Engines for GPUs that TensorRT for RTX does not list have given zeros without a word."""
    backend = usable("tensorrt")
    if precision not in backend.probe().precisions:
        pytest.skip(f"no {precision} here: {backend.probe().detail}")
    try:
        compiled = backend.compile(ask("tensorrt", "cnn", precision=precision, batch_size=32))
    except CompileFailed as error:
        skip_unlisted("tensorrt", precision, gpu, error)
        raise
    feed = EXAMPLES["cnn"].feed(32, 3)
    assert compare(in_torch("cnn", feed), compiled.run(feed), precision).problem == ""
    compiled.close()


def test_batches_of_one_up_to_the_largest_and_beyond_in_parts(ask: Ask) -> None:
    compiled = usable("tensorrt").compile(ask("tensorrt", "cnn", batch_size=8))
    for rows in (1, 5, 8, 19, 2):
        feed = EXAMPLES["cnn"].feed(rows, rows)
        given, wanted = compiled.run(feed)["logits"], in_torch("cnn", feed)["logits"]
        assert given.shape == wanted.shape
        assert np.abs(given - wanted).max() <= 1e-4 * np.abs(wanted).max()
    compiled.close()


def test_the_engine_says_which_batches_it_takes(ask: Ask) -> None:
    compiled = usable("tensorrt").compile(ask("tensorrt", "cnn", batch_size=8))
    shapes = compiled._engine.get_tensor_profile_shape("image", 0)  # type: ignore[attr-defined]
    assert [tuple(shape) for shape in shapes] == [(1, 3, 32, 32), (8, 3, 32, 32), (8, 3, 32, 32)]
    compiled.close()


def test_an_engine_is_kept_for_this_gpu(ask: Ask, gpu: CudaDevice) -> None:
    backend = usable("tensorrt")
    request = ask("tensorrt", "cnn", batch_size=4)
    first = backend.compile(request)
    second = backend.compile(request)
    assert (first.facts.from_cache, second.facts.from_cache) == (False, True)
    assert second.facts.details["gpu"] == gpu.fingerprint
    feed = EXAMPLES["cnn"].feed(4)
    np.testing.assert_allclose(first.run(feed)["logits"], second.run(feed)["logits"], atol=1e-6)
    first.close()
    second.close()


def test_what_was_measured_opens_again_as_an_exported_program_opens_it(ask: Ask, gpu: CudaDevice) -> None:
    compiled = usable("tensorrt").compile(ask("tensorrt", "cnn", batch_size=4))
    made, specs = compiled.facts.made, (compiled.inputs, compiled.outputs)
    assert made is not None
    assert (made.format, made.bound_to["gpu"]) == ("tensorrt_plan", gpu.model)
    plan = made.path.read_bytes()
    again = open_plan(plan, bound_to=made.bound_to, device="cuda:0", batch_size=4, specs=specs)
    feed = EXAMPLES["cnn"].feed(4)
    np.testing.assert_allclose(again.run(feed)["logits"], compiled.run(feed)["logits"], atol=1e-6)
    other = dict(made.bound_to) | {"gpu": "another sm_10"}
    with pytest.raises(BackendUnavailable, match="measure the model on this host"):
        open_plan(plan, bound_to=other, device="cuda:0", batch_size=4, specs=specs)
    again.close()
    compiled.close()


def test_a_kept_file_that_is_no_engine_is_built_again(ask: Ask) -> None:
    """One that was stored whole but that TensorRT refuses, as after a change of driver."""
    from profiler_agent.backends._cache import find_entry
    from profiler_agent.backends._cuda_driver import cuda_devices
    from profiler_agent.backends._tensorrt_library import find_library

    backend = usable("tensorrt")
    request = ask("tensorrt", "cnn", batch_size=4)
    device = cuda_devices()[0].fingerprint

    def write(path: Path) -> None:
        path.write_bytes(b"no engine")

    find_entry(request, name="model.engine", version=str(find_library()), device=device).store(write)
    first, second = backend.compile(request), backend.compile(request)
    assert (first.facts.from_cache, second.facts.from_cache) == (False, True)
    first.close()
    second.close()


def test_what_cannot_be_built_is_named(tmp_path: Path) -> None:
    backend = usable("tensorrt")
    odd = request_for(image_model(tmp_path / "odd.onnx", operator="Frobnicate"), tmp_path)
    with pytest.raises(UnsupportedOperator, match="Frobnicate"):
        backend.compile(odd)
    good = request_for(image_model(tmp_path / "good.onnx"), tmp_path)
    with pytest.raises(BackendUnavailable, match="fast"):
        backend.compile(replace(good, variant=replace(good.variant, mode="fast")))
    with pytest.raises(BackendUnavailable, match="int8_dynamic"):
        backend.compile(replace(good, variant=replace(good.variant, precision=Precision.INT8_DYNAMIC)))
