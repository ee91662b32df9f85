"""How large a job is: the time from its lease to its end on an agent of speed 1, before it has run.

A job prepares each of its variants (compile, verify, start cold) and then runs each of them under each load, several
times, each run in a process of its own:

    size = job + sum over variants of setup(backend) + runs x overhead + driven seconds

`USUAL` holds what the terms are before anything is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class JobShape:
    """What decides how long a job takes.

    Args:
        variants: how many variants each backend prepares.
        runs: how many runs are driven in all, repeats included.
        driven_s: seconds of load in all of them.
    """

    variants: Mapping[str, int] = field(default_factory=dict)
    runs: int = 0
    driven_s: float = 0.0


JOB_S, RUN_S, OTHER_BACKEND_S = 1.0, 0.8, 4.0
"""Seconds a job takes at least, a run takes beside its load, and a variant of a backend that is not in USUAL takes."""

USUAL: Mapping[str, float] = {
    "null": 0.5,
    "remote": 1.0,
    "onnxruntime": 3.0,
    "openvino": 5.0,
    "torch": 5.0,
    "inductor": 30.0,
    "tensorrt": 60.0,
}
"""Seconds to prepare a variant, by backend."""


def reckon(shape: JobShape) -> float:
    """The size of a job before any has ended, in seconds."""
    setup = sum(count * USUAL.get(backend, OTHER_BACKEND_S) for backend, count in shape.variants.items())
    return JOB_S + setup + RUN_S * shape.runs + shape.driven_s
