"""A seccomp filter that refuses system calls: network sockets, and ways out of the process group.

The program is classic BPF over `struct seccomp_data` (include/uapi/linux/seccomp.h, filter.h). It needs no privileges.
"""

from __future__ import annotations

import ctypes
import errno
import os

from profiler_agent.isolation.system_calls import Unsupported, check, prohibit_new_privileges, syscall

SET_MODE_FILTER = 1
FILTER_ALL_THREADS = 1
LOAD_WORD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
OFFSET_NUMBER, OFFSET_ARCHITECTURE, OFFSET_FIRST_ARGUMENT = 0, 4, 16  # low half, on little-endian machines
UNIX_SOCKETS = 1
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
X32_BIT = 0x40000000

# Machine: AUDIT_ARCH_..., the number of seccomp(2), and the numbers of what is refused. Both are little-endian.
ARCHITECTURES: dict[str, tuple[int, int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        317,
        {
            "socket": 41, "io_uring_setup": 425, "setsid": 112, "setpgid": 109, "ptrace": 101, "process_vm_readv": 310,
            "process_vm_writev": 311, "pidfd_getfd": 438, "unshare": 272, "setns": 308, "mount": 165, "bpf": 321,
        },
    ),
    "aarch64": (
        0xC00000B7,
        277,
        {
            "socket": 198, "io_uring_setup": 425, "setsid": 157, "setpgid": 154, "ptrace": 117,
            "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438, "unshare": 97, "setns": 268,
            "mount": 40, "bpf": 280,
        },
    ),
}  # fmt: skip


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def refuse_calls(*, network: bool) -> None:
    """From now on this process, and whatever it starts, gets EACCES for the calls above; for sockets unless `network`.

    Unix sockets stay, because CUDA makes one for itself. io_uring is refused in any case: its requests, sockets among
    them, pass by such filters.

    Raises:
        Unsupported: not known how on this processor, or the kernel has no seccomp.
        OSError: the kernel refuses the filter.
    """
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise Unsupported(f"no system call numbers for {machine}")
    architecture, number, calls = ARCHITECTURES[machine]
    refused = sorted(value for name, value in calls.items() if name != "socket")
    instructions = _compile(architecture, refused, None if network else calls["socket"])
    program = _Program(len(instructions), instructions)
    prohibit_new_privileges()
    try:
        check(syscall(number, SET_MODE_FILTER, FILTER_ALL_THREADS, ctypes.byref(program)), "seccomp")
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EINVAL}:
            raise Unsupported("the kernel has no seccomp filters") from None
        raise


def _compile(architecture: int, refused: list[int], socket: int | None) -> ctypes.Array[_Instruction]:
    """Refuses another architecture (32-bit calls of a 64-bit kernel), the listed numbers, and sockets but Unix ones."""
    body: list[tuple[int, str, str, int]] = [
        (LOAD_WORD, "", "", OFFSET_ARCHITECTURE),
        (JUMP_EQUAL, "", "refuse", architecture),
        (LOAD_WORD, "", "", OFFSET_NUMBER),
        (JUMP_AT_LEAST, "refuse", "", X32_BIT),
        *((JUMP_EQUAL, "refuse", "", number) for number in refused),
    ]
    if socket is not None:
        body += [
            (JUMP_EQUAL, "", "allow", socket),
            (LOAD_WORD, "", "", OFFSET_FIRST_ARGUMENT),
            (JUMP_EQUAL, "allow", "refuse", UNIX_SOCKETS),
        ]
    end = len(body)
    ends = {"allow": end, "refuse": end + 1}
    body += [(RETURN, "", "", ALLOW), (RETURN, "", "", ERRNO | errno.EACCES)]

    def distance(index: int, goal: str) -> int:
        return ends[goal] - index - 1 if goal else 0

    return (_Instruction * len(body))(
        *(
            _Instruction(code, distance(index, yes), distance(index, no), value)
            for index, (code, yes, no, value) in enumerate(body)
        )
    )
