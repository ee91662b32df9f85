"""Keeps the interpreter itself from delaying requests while a run lasts."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL_S = 20e-6
"""How long a thread that computes in Python may keep another waiting; 5 ms by default, which is many requests."""


@contextmanager
def quiet_interpreter() -> Iterator[None]:
    """No garbage collection, and quick hand-overs between threads; as before afterwards."""
    collecting, interval = gc.isenabled(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.unfreeze()
        if collecting:
            gc.enable()
