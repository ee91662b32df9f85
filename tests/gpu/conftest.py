"""What the tests on a GPU share. All of them skip, with the reason, where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from profiler_agent.backends import find_backend
from profiler_agent.backends._cuda_driver import CudaDevice, NoCudaDevice, cuda_devices
from profiler_agent.backends.base import CompileRequest
from profiler_agent.work import Precision, Variant
from tests.compiled_models import EXAMPLES, digest, write_model
from tests.gpu.devices import DEVICE, Ask


@pytest.fixture(scope="session")
def gpu() -> CudaDevice:
    """The first GPU as the driver names it."""
    try:
        return cuda_devices()[0]
    except NoCudaDevice as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where model files are written."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def ask(models: Path, tmp_path: Path) -> Ask:
    """Makes requests for an example model on the GPU, with a cache of the test's own."""

    def make(name: str, example: str, **variant: Any) -> CompileRequest:
        kind = find_backend(name).formats[0]
        path = write_model(models, example, kind)
        for folder in ("cache", "workspace"):
            (tmp_path / folder).mkdir(exist_ok=True)
        asked = Variant(backend=name, **({"device": DEVICE} | variant))
        return CompileRequest(
            variant=asked,
            artifact=path,
            format=kind,
            digest=digest(path),
            cache=tmp_path / "cache",
            workspace=tmp_path / "workspace",
            calibration=[EXAMPLES[example].feed(32, seed) for seed in range(3)]
            if asked.precision is Precision.INT8_STATIC
            else (),
        )

    return make
