"""The real search service as a process of its own, on a free port, with everything in one folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 120


@contextmanager
def running_service(folder: Path) -> Iterator[str]:
    """Starts the service, gives its address, and stops it."""
    with service_process(folder) as (_, address):
        yield address


@contextmanager
def service_process(
    folder: Path, *, prepare: Callable[[], object] | None = None, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """As `running_service`, but with the process, which a test may kill.

    `prepare` runs in the process before the program; `variables` are added to its environment.
    """
    ready, log = folder / "ready", folder / "service.log"
    ready.unlink(missing_ok=True)
    words = ["serve", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data"), "--ready-file", str(ready)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MSEARCH_")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "search_service", *words],
            stdout=output,
            stderr=output,
            env=environment | variables,
            preexec_fn=prepare,  # noqa: PLW1509 - nothing else of this process runs threads that hold locks it needs
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the service did not start:\n{log.read_text(encoding='utf-8')}")
                time.sleep(0.05)
            yield process, ready.read_text(encoding="utf-8").strip()
        finally:
            process.terminate()
            process.wait(30)
