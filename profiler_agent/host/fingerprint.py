"""Everything about a host that a measurement may depend on, read from /proc, /sys, NVML and the environment.

Within 50 ms on a host without a GPU; starting NVML takes longer on one with. Nothing here says who or where the host
is: no names, addresses or serial numbers.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from profiler_agent.host.cpu import read_cpu
from profiler_agent.host.libraries import library_versions
from profiler_agent.host.nvml import load_nvml, read_gpus
from profiler_agent.host.system import read_memory, read_system

LIBRARIES = (
    "msearch", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "nncf", "torch", "torchao", "tensorrt",
    "tensorrt-rtx-cu13-libs", "nvidia-ml-py",
)  # fmt: skip
THREAD_SETTINGS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY", "KMP_BLOCKTIME", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER",
)  # fmt: skip


def fingerprint(
    root: Path = Path("/"),
    *,
    load: Callable[[], Any] = load_nvml,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The host as JSON values. `root` replaces / and `load` NVML, so that other hosts can be replayed."""
    variables = os.environ if environment is None else environment
    cpu = read_cpu(root)
    return {
        "cpu": cpu,
        "memory": read_memory(root),
        "gpu": read_gpus(root, load),
        "system": read_system(root, hypervisor_flag=cpu.pop("hypervisor_flag")),
        "python": platform.python_version(),
        "libraries": library_versions(LIBRARIES),
        "threads": {name: variables[name] for name in THREAD_SETTINGS if name in variables},
    }
