"""The environment variables of a child: few, and none that holds a secret."""

from __future__ import annotations

import os
import site
from collections.abc import Mapping
from pathlib import Path

import profiler_agent

# How programs, libraries and devices are found. Everything else stays with the parent.
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "LD_PRELOAD", "CC", "CXX", "CUDA_HOME", "CUDA_PATH",
        "MSEARCH_ALLOWED_REMOTE_TARGETS")  # fmt: skip
KEPT_BEGINNINGS = ("CUDA_VISIBLE", "CUDA_DEVICE", "NVIDIA_", "GOMP_", "KMP_", "ONEDNN_")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def child_environment(workspace: Path, threads: int, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables for a child that works in `workspace`, from the parent's own `variables`."""
    given = os.environ if variables is None else variables
    kept = {name: value for name, value in given.items() if name in KEPT or name.startswith(KEPT_BEGINNINGS)}
    temporary = str(workspace / "tmp")
    made = {
        "HOME": str(workspace),
        "TMPDIR": temporary,
        "XDG_CACHE_HOME": str(workspace / "cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(workspace / "cache" / "inductor"),
        # Its workers are started in sessions of their own, which a child may not open.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(_import_roots(given)),
        "PYTHONUSERBASE": site.getuserbase(),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    if threads > 0:
        made |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    return kept | made


def _import_roots(variables: Mapping[str, str]) -> list[str]:
    """Where the parent's own code lies (a checkout need not be installed), then its PYTHONPATH."""
    root = str(Path(profiler_agent.__file__).resolve().parents[1])
    return [root, *(entry for entry in variables.get("PYTHONPATH", "").split(os.pathsep) if Path(entry).is_absolute())]
