"""A confined child can use the GPU: its driver wants more of the host than any other library."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from profiler_agent.backends._cuda_driver import CudaDevice
from profiler_agent.isolation import ChildLimits, run_child

pytestmark = pytest.mark.gpu


def test_a_confined_child_finds_the_gpu(gpu: CudaDevice, tmp_path: Path) -> None:
    limits = ChildLimits(workspace=tmp_path, deadline_s=60)
    names = run_child(
        "tests.agent_children:find_gpus", None, limits=limits, cancelled=Event(), on_message=lambda _: None
    )
    assert names[0] == gpu.name


def test_a_confined_child_computes_on_the_gpu(gpu: CudaDevice, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the sum is made with torch")
    limits = ChildLimits(workspace=tmp_path, deadline_s=120)
    found = run_child(
        "tests.agent_children:sum_on_gpu", 1000, limits=limits, cancelled=Event(), on_message=lambda _: None
    )
    assert found == 2000
