"""Tasks for children of the agent; most of them behave badly on purpose."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from profiler_agent import errors
from profiler_agent.isolation import Context


def echo(argument: Any, context: Context) -> Any:
    return argument


def describe(argument: Any, context: Context) -> dict[str, Any]:
    return {
        "folder": str(Path.cwd()),
        "workspace": str(context.workspace),
        "environment": dict(os.environ),
        "session": os.getsid(0) == os.getpid(),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "isolation": context.isolation,
        "started_after_ns": context.started_ns - context.spawned_ns,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }


def find_gpus(argument: Any, context: Context) -> list[str]:
    from profiler_agent.backends._cuda_driver import cuda_devices

    return [device.name for device in cuda_devices()]


def sum_on_gpu(argument: int, context: Context) -> float:
    import torch

    return float((torch.ones(argument, device="cuda") * 2).sum())


def rename_threads(argument: list[str], context: Context) -> dict[str, str]:
    """What comes of writing into these files of procfs; "{pid}" stands for this process."""
    answers = {}
    for name in argument:
        try:
            Path(name.format(pid=os.getpid())).write_text("renamed")
        except OSError as error:
            answers[name] = type(error).__name__
        else:
            answers[name] = "written"
    return answers


def count(argument: int, context: Context) -> int:
    for number in range(argument):
        context.send(number)
    return argument


def raise_job_error(argument: dict[str, Any], context: Context) -> None:
    error = getattr(errors, argument["kind"])(argument["message"])
    error.retry = argument["retry"]
    raise error


def raise_value_error(argument: Any, context: Context) -> None:
    raise ValueError("seven is not a shape")


def raise_memory_error(argument: Any, context: Context) -> None:
    raise MemoryError


def leave(argument: int, context: Context) -> None:
    print("this goes to standard output")
    print("and this to standard error", file=sys.stderr)
    sys.stdout.flush()
    os._exit(argument)


def write_nothing_and_leave(argument: Any, context: Context) -> None:
    os._exit(0)


def exit_softly(argument: Any, context: Context) -> None:
    sys.exit(0)


def segfault(argument: Any, context: Context) -> None:
    ctypes.string_at(0)


def abort(argument: str, context: Context) -> None:
    sys.stderr.write(argument)
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGABRT)


def kill_itself(argument: Any, context: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(argument: Any, context: Context) -> None:
    context.send("hanging")
    while True:
        time.sleep(60)


def hang_in_c(argument: Any, context: Context) -> None:
    """Holds the interpreter lock and ignores what can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(600)


def allocate_without_end(argument: Any, context: Context) -> None:
    kept = []
    while True:
        block = bytearray(32 << 20)
        block[::4096] = b"x" * len(block[::4096])
        kept.append(block)


def allocate_at_once(argument: int, context: Context) -> int:
    return len(bytearray(argument))


def allocate_in_others(argument: int, context: Context) -> None:
    """Each process stays small; together they do not."""
    for _ in range(8):
        if os.fork() == 0:
            block = bytearray(argument)
            block[::4096] = b"x" * len(block[::4096])
            time.sleep(600)
    time.sleep(600)


def fork_without_end(argument: Any, context: Context) -> None:
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)


def fork_and_die(argument: Any, context: Context) -> None:
    """The grandchild keeps the pipe open."""
    if os.fork() == 0:
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGSEGV)


def leave_one_behind(argument: Any, context: Context) -> int:
    process = subprocess.Popen(["sleep", "600"])
    return process.pid


def leave_the_session(argument: Any, context: Context) -> str:
    if os.fork() == 0:
        try:
            os.setsid()
        except PermissionError:
            os._exit(13)
        os._exit(0)
    return os.strerror(os.waitstatus_to_exitcode(os.wait()[1]))


def write_raw(argument: str, context: Context) -> None:
    """Writes past the task's own means of answering."""
    pipes = [int(entry.name) for entry in Path("/proc/self/fd").iterdir() if int(entry.name) > 2]
    for pipe in pipes:
        try:
            os.write(pipe, argument.encode())
        except OSError:
            continue
    os._exit(0)


def close_channel(argument: Any, context: Context) -> None:
    os.closerange(3, 256)
    time.sleep(600)


def give_no_json(argument: str, context: Context) -> Any:
    return {"nan": float("nan"), "object": object(), "bytes": b"x"}[argument]


def write_files(argument: list[str], context: Context) -> dict[str, str]:
    """What happens on writing each of these files."""
    answers = {}
    for name in argument:
        try:
            Path(name).write_text("x")
            answers[name] = "written"
        except OSError as error:
            answers[name] = type(error).__name__
    return answers


def read_files(argument: list[str], context: Context) -> dict[str, str]:
    answers = {}
    for name in argument:
        try:
            answers[name] = Path(name).read_bytes()[:100].decode(errors="replace")
        except OSError as error:
            answers[name] = type(error).__name__
    return answers


def write_large_file(argument: int, context: Context) -> str:
    try:
        Path("large").write_bytes(b"x" * argument)
    except OSError as error:
        return error.strerror or ""
    return "written"


def fill_with_locked_folders(argument: Any, context: Context) -> None:
    (context.workspace / "a" / "b").mkdir(parents=True)
    (context.workspace / "a" / "b" / "c").write_text("x")
    (context.workspace / "link").symlink_to("/")
    (context.workspace / "a" / "b").chmod(0)
    (context.workspace / "a").chmod(0)


def connect(argument: list[Any], context: Context) -> str:
    host, port = argument
    try:
        with socket.create_connection((host, port), timeout=5):
            return "connected"
    except OSError as error:
        return type(error).__name__


def send_datagram(argument: list[Any], context: Context) -> str:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", tuple(argument))
    except OSError as error:
        return type(error).__name__
    return "sent"


def signal_process(argument: int, context: Context) -> str:
    try:
        os.kill(argument, 0)
    except OSError as error:
        return type(error).__name__
    return "allowed"


def compute(argument: int, context: Context) -> Any:
    """As a runtime does: numpy, threads, a sub-process, temporary files."""
    import tempfile
    import threading

    import numpy as np

    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    printed = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True, text=True).stdout
    return [float(np.ones((argument, argument)).sum()), json.loads(printed)]
