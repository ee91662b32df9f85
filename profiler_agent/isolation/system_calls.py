"""System calls that Python has no function for. Linux only; elsewhere everything here raises Unsupported."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
CAPABILITY_VERSION_3 = 0x20080522
CAPSET = {"x86_64": 126, "aarch64": 91}


class Unsupported(Exception):
    """The platform has no such thing; the message says what is missing."""


@cache
def _library() -> ctypes.CDLL:
    if sys.platform != "linux":
        raise Unsupported(f"not available on {sys.platform}")
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


def syscall(number: int, *arguments: object) -> int:
    """Calls by number; -1 on failure, with the reason in errno. Raises Unsupported."""
    # Integers are passed as long: variadic ints would leave the upper half of a register undefined.
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return int(_library().syscall(ctypes.c_long(number), *converted))


def prctl(option: int, value: int) -> None:
    """Sets an attribute of the calling process or thread. Raises OSError, Unsupported."""
    zero = ctypes.c_ulong(0)
    result = _library().prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero)
    check(int(result), f"prctl {option}")


def check(result: int, what: str) -> int:
    """`result` unless it is negative. Raises OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prohibit_new_privileges() -> None:
    """No program that this process executes gains rights, set-user-id or not; Landlock and seccomp ask for it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Gives up all capabilities, for good once `prohibit_new_privileges` holds. Raises OSError, Unsupported."""
    number = CAPSET.get(os.uname().machine)
    if number is None:
        raise Unsupported(f"not known how on {os.uname().machine}")
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    check(syscall(number, ctypes.byref(header), ctypes.byref(nothing)), "capset")
