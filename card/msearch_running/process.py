"""Runs models one after another in a process of its own, so that one that crashes takes nothing with it.

The process is `msearch_running.worker`; it is started when the first model runs, and anew after a crash. It has this
user's rights: what confines strangers' models on agents is the agent's own.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from msearch_card import Card
from msearch_running.errors import Crashed, DeadlineExceeded, error_of
from msearch_running.outputs import Outputs
from msearch_running.running import OnProgress

DEADLINE_S = 600.0
_END_S = 10.0


class ModelProcess(AbstractContextManager["ModelProcess"]):
    """Runs models on one table of rows. Used as a context manager; not safe to share between threads.

    Args:
        rows: what every model runs on.
        threads: of the runtimes; 0 takes as many as there are processors for this process.
        deadline_s: how long one model may take.
    """

    def __init__(self, rows: pa.Table, *, threads: int = 0, deadline_s: float = DEADLINE_S) -> None:
        self._rows = rows
        self._threads = threads or _processors()
        self._deadline_s = deadline_s
        self._folder = tempfile.TemporaryDirectory(prefix="msearch-run-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process, and removes the files that were exchanged with it."""
        self._end()
        self._folder.cleanup()

    def run(
        self, card: Card, artifact: Path, *, with_noise: bool = False, on_progress: OnProgress = lambda _: None
    ) -> Outputs:
        """As `run_model`.

        Raises:
            RunError: as there; DeadlineExceeded, or Crashed with what the process last said.
        """
        folder = Path(self._folder.name)
        order = {
            "card": card.canonical_json(),
            "base": None if card.base is None else str(card.base.absolute()),
            "artifact": str(artifact.absolute()),
            "rows": str(self._written(folder)),
            "probabilities": str(folder / "probabilities"),
            "noisy_votes": str(folder / "noisy_votes"),
            "with_noise": with_noise,
            "threads": self._threads,
        }
        process = self._started()
        deadline = time.monotonic() + self._deadline_s
        try:
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            answer = self._wait(card, deadline, on_progress)
        except BaseException as error:
            self._end()
            if isinstance(error, BrokenPipeError):
                raise Crashed(f"the process that runs models ended while it was idle{self._last_words()}") from None
            raise
        if "error" in answer:
            raise error_of(str(answer["error"]["code"]), str(answer["error"]["message"]))
        shape = (self._rows.num_rows, len(card.classes))
        draws = int(answer["draws"])
        return Outputs(
            classes=card.classes,
            probabilities=np.fromfile(folder / "probabilities", np.float32).reshape(shape),
            problem=str(answer["problem"]),
            noisy_votes=np.fromfile(folder / "noisy_votes", np.int16).reshape(draws, shape[0]) if draws else None,
        )

    def _wait(self, card: Card, deadline: float, on_progress: OnProgress) -> dict[str, Any]:
        while True:
            try:
                line = self._answers.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                raise DeadlineExceeded(f"{card.identity} took longer than {self._deadline_s:g} s") from None
            if not line:
                code = self._process.wait(_END_S) if self._process is not None else 0
                raise Crashed(f"the process that ran {card.identity} ended with code {code}{self._last_words()}")
            answer: dict[str, Any] = json.loads(line)
            if "share" not in answer:
                return answer
            on_progress(answer["share"])

    def _written(self, folder: Path) -> Path:
        path = folder / "rows.arrow"
        if not path.exists():
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, self._rows.schema) as writer:
                writer.write_table(self._rows)
        return path

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        self._answers = queue.SimpleQueue()
        with (Path(self._folder.name) / "said").open("wb") as said:
            self._process = subprocess.Popen(
                # -P: a file of the working folder must not stand in for a library.
                [sys.executable, "-P", "-m", "msearch_running.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                # It is killed, and what it had not yet removed goes with the folder.
                env=os.environ | {"TMPDIR": self._folder.name},
            )
        reader = threading.Thread(target=_pass_on, args=(self._process.stdout, self._answers), daemon=True)
        reader.start()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was still to be written to it
                    continue

    def _last_words(self) -> str:
        said = Path(self._folder.name) / "said"
        text = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
        lines = [line for line in text.splitlines() if line.strip()]
        return f"; it last wrote: {lines[-1][:500]}" if lines else ""


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pass_on(stream: IO[bytes], answers: queue.SimpleQueue[bytes]) -> None:
    """Lines as they come, then b"" at the end."""
    try:
        for line in stream:
            answers.put(line)
    except (OSError, ValueError):  # the stream was closed by whoever ended the process
        pass
    answers.put(b"")
