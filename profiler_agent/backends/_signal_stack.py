"""Keeps the stack that signals are handled on.

OpenVINO's CPU plug-in gives the thread that loads it an alternate signal stack of its own, for the large registers of
AMX, and takes it back when it is unloaded. Where two are unloaded in the order in which they were loaded, the second
restores the stack that the first has already unmapped; Python handles every signal on the alternate stack, so the next
one, Ctrl-C or a timer, ends the process without a word.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Puts back the alternate signal stack of this thread, or that it had none, whatever the block has set.

    A plug-in that is unloaded later does not touch a stack that is not its own.
    """
    if sys.platform != "linux":
        yield
        return
    library, before = ctypes.CDLL(None), _Stack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)
