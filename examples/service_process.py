"""Runs a search service, or a profiler agent, for a while, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 15
_LAST_LINES = 15


class ServiceFailed(Exception):
    """The service, or the agent, did not start; the message holds the end of its log."""


@contextmanager
def running_service(folder: Path, log: Path) -> Iterator[str]:
    """A service on a free port of loopback, with SQLite and its blobs in `folder`; gives "host:port".

    It is stopped when the block ends, however it ends. `log` takes what it writes, and stays.

    Raises:
        ServiceFailed: it did not come up.
    """
    command = ["search_service", "serve", "--listen", "127.0.0.1:0", "--data-dir", str(folder)]
    with _running("the search service", command, folder / "address", log) as address:
        yield address


@contextmanager
def running_agent(server: str, folder: Path, log: Path, *, name: str = "") -> Iterator[str]:
    """A profiler agent of that service, with its cache in `folder`; gives its id. `name`: the host's if empty.

    It is stopped when the block ends, however it ends. `log` takes what it writes, and stays.

    Raises:
        ServiceFailed: it did not come up.
    """
    command = ["profiler_agent", "run", "--server", server, "--data-dir", str(folder)]
    command += ["--name", name] if name else []
    with _running("the profiler agent", command, folder / "ready", log) as agent_id:
        yield agent_id


@contextmanager
def _running(what: str, command: Sequence[str], ready: Path, log: Path) -> Iterator[str]:
    """A program that writes a line into the file `ready` once it is up; gives that line."""
    # No setting of the caller's own service may leak into this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MSEARCH_")}
    with log.open("wb") as stream:
        # A session of its own: Ctrl-C reaches this program alone, which then stops the other in order.
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--ready-file", str(ready)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        yield _wait_until_ready(what, process, ready, log)
    finally:
        _stop(process)


def _wait_until_ready(what: str, process: subprocess.Popen[bytes], ready: Path, log: Path) -> str:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if ready.is_file():
            return ready.read_text(encoding="utf-8").strip()
        if process.poll() is not None:
            raise ServiceFailed(f"{what} ended with code {process.returncode}:\n{_end_of(log)}")
        time.sleep(0.05)
    raise ServiceFailed(f"{what} did not start within {_START_TIMEOUT_S} s:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Also where a second Ctrl-C cuts the waiting short; harmless if it has ended.
        process.kill()
        process.wait()
