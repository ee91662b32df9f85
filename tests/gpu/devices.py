"""What the tests on a GPU share: the device, who can use it, and what torch gives for the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from profiler_agent.backends import find_backend
from profiler_agent.backends._cuda_driver import CudaDevice
from profiler_agent.backends.base import Backend, CompileRequest
from profiler_agent.errors import CompileFailed
from profiler_agent.work import Precision

DEVICE = "cuda:0"
Ask = Callable[..., CompileRequest]
"""Makes a request from a backend, an example model and the variant's fields."""


def usable(name: str, device: str = DEVICE) -> Backend:
    """The backend, if it can use the GPU; otherwise the test skips with the probe's own words."""
    backend = find_backend(name)
    probe = backend.probe()
    if not probe.available or device not in probe.devices:
        pytest.skip(f"{name} cannot use {device}: {probe.detail}")
    return backend


def skip_unlisted(name: str, precision: Precision, gpu: CudaDevice, error: CompileFailed) -> None:
    """Skips where TensorRT for RTX has no int8 convolution for a GPU that it does not list (data-centre GPUs)."""
    if (name, precision, gpu.capability) == ("tensorrt", Precision.INT8_STATIC, (9, 0)):
        pytest.skip(f"{gpu.name} is not among the GPUs of TensorRT for RTX: {error.message[:300]}")


def in_torch(name: str, feed: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What torch gives in fp32 on the CPU, from the same weights."""
    import torch

    from tests.compiled_models import _torch_modules

    with torch.inference_mode():
        outputs = _torch_modules()[name](**{key: torch.from_numpy(value) for key, value in feed.items()})
    return {key: value.numpy() for key, value in outputs.items()}
