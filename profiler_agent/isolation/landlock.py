"""Landlock: a process without privileges limits what it and its children can reach (Linux 5.13 and later).

The numbers are those of include/uapi/linux/landlock.h; system call numbers are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from profiler_agent.isolation.system_calls import Unsupported, check, prohibit_new_privileges, syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST_13 = (1 << 13) - 1  # all of version 1, up to MAKE_SYM
CHARACTER_AND_BLOCK_DEVICES = (1 << 6) | (1 << 11)
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
TCP = 0b11  # bind and connect
ABSTRACT_SOCKETS, SIGNALS = 1 << 0, 1 << 1

READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ | WRITE_FILE | IOCTL_DEV


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_version() -> int:
    """Version of the interface, from 1. Raises Unsupported, with the reason."""
    try:
        return check(syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION), "landlock_create_ruleset")
    except OSError as error:
        raise Unsupported(f"the kernel offers no Landlock ({error.strerror})") from None


def restrict_self(
    *,
    readable: Iterable[Path],
    writable: Iterable[Path],
    devices: Iterable[Path],
    rewritable: Iterable[Path] = (),
    refuse_tcp: bool,
) -> int:
    """Limits this process, and whatever it starts, to these paths; what does not exist is passed over.

    Files below `rewritable` can be written, but none made or removed.
    Where the kernel can (version 6), it also cannot signal, or reach the abstract sockets of, processes outside.

    Returns:
        The version of the interface, which says how much of this holds.

    Raises:
        Unsupported: the kernel offers no Landlock.
        OSError: it does, and refuses.
    """
    version = landlock_version()
    known = FIRST_13 | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    known |= IOCTL_DEV if version >= 5 else 0
    attributes = _Ruleset(
        known, TCP if refuse_tcp and version >= 4 else 0, ABSTRACT_SOCKETS | SIGNALS if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = check(syscall(CREATE_RULESET, ctypes.byref(attributes), size, 0), "landlock_create_ruleset")
    try:
        for paths, access in (
            (readable, READ),
            (writable, (known | READ) & ~(CHARACTER_AND_BLOCK_DEVICES | IOCTL_DEV)),
            (devices, DEVICE),
            (rewritable, READ | WRITE_FILE | TRUNCATE),
        ):
            for path in paths:
                _allow(ruleset, path, access & known)
        prohibit_new_privileges()
        check(syscall(RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not there, or not to be seen: then there is nothing to allow
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= OF_FILES
        rule = _PathBeneath(access, descriptor)
        check(syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0), f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)
