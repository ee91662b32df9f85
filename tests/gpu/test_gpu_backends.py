"""Every backend that can use the GPU, in every precision that it offers there, against torch in fp32 on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from profiler_agent.backends import find_backends
from profiler_agent.backends._cuda_driver import CudaDevice
from profiler_agent.errors import BackendUnavailable, CompileFailed
from profiler_agent.verification import check_batch_invariance, compare
from profiler_agent.work import Precision
from tests.compiled_models import EXAMPLES
from tests.gpu.devices import DEVICE, Ask, in_torch, skip_unlisted, usable

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]

READERS = [name for name, backend in find_backends().items() if backend.formats and name != "openvino"]
EACH = [pytest.param(name, marks=pytest.mark.slow if name == "inductor" else ()) for name in READERS]
readers = pytest.mark.parametrize("name", EACH)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("example", list(EXAMPLES))
@readers
def test_outputs_are_torchs(name: str, example: str, precision: Precision, ask: Ask, gpu: CudaDevice) -> None:
    backend = usable(name)
    probe = backend.probe()
    feed = EXAMPLES[example].feed(64, 11)
    wanted = in_torch(example, feed)
    tried = 0
    for mode in probe.modes:
        try:
            compiled = backend.compile(ask(name, example, precision=precision, mode=mode, batch_size=64))
        except BackendUnavailable:  # not in this precision and mode on a GPU
            continue
        except CompileFailed as error:
            skip_unlisted(name, precision, gpu, error)
            raise
        tried += 1
        # Silent zeros, constants and NaN are wrong outputs to `compare`, whatever the precision.
        found = compare(wanted, compiled.run(feed), precision)
        assert found.problem == "", f"{name} {mode} on {gpu.name}"
        assert found.sqnr_db is not None
        assert found.sqnr_db > 20
        assert found.agreed.mean() >= 0.9
        assert compiled.facts.device == DEVICE
        compiled.close()
    if not tried:
        pytest.skip(f"{name} offers no {precision} on {DEVICE}: {probe.detail}")


@readers
def test_rows_are_their_own_in_any_batch(name: str, ask: Ask) -> None:
    compiled = usable(name).compile(ask(name, "cnn", batch_size=8))
    if isinstance(compiled.inputs[0].shape[0], int):
        pytest.skip(f"{name} compiles for one batch size, so that no row can be run alone")
    feed = EXAMPLES["cnn"].feed(8)
    together = compiled.run(feed)
    for row in (0, 7):
        alone = compiled.run({"image": feed["image"][row : row + 1]})
        check_batch_invariance(alone, together, row, Precision.FP32)
    compiled.close()


@readers
def test_a_device_that_is_not_there_is_refused(name: str, ask: Ask) -> None:
    with pytest.raises(BackendUnavailable, match="cuda:99"):
        usable(name).compile(ask(name, "mlp", device="cuda:99"))


def test_onnxruntime_uses_the_provider_that_was_asked_for(ask: Ask) -> None:
    backend = usable("onnxruntime")
    compiled = backend.compile(ask("onnxruntime", "cnn"))
    assert compiled.facts.details["providers"].startswith("CUDAExecutionProvider")
    compiled.close()


def test_memory_is_given_back(ask: Ask) -> None:
    """Of an engine or a model that was closed, nothing but the library's own workspace stays."""
    import torch

    backend = usable("torch")
    before = torch.cuda.memory_allocated()
    compiled = backend.compile(ask("torch", "cnn"))
    compiled.run(EXAMPLES["cnn"].feed(4))
    assert torch.cuda.memory_allocated() > before
    compiled.close()
    del compiled
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() - before < 64 << 20
    assert np.isfinite(in_torch("cnn", EXAMPLES["cnn"].feed(1))["logits"]).all()
