"""A virtual environment of its own for MLServer, which wants another protobuf than this project, and a server in it.

python -m tests.mlserver.environment     makes .venv-mlserver ahead of the tests
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-mlserver"
REQUIREMENT = "mlserver==1.7.1"
INSTALL_TIMEOUT_S = 240
START_TIMEOUT_S = 90


class CannotInstall(Exception):
    """The environment cannot be made; the message is pip's own reason."""


def mlserver(folder: Path = FOLDER) -> Path:
    """The program `mlserver`, installed first if it is not there yet.

    Raises:
        CannotInstall: pip could not, or took more than four minutes.
    """
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    with Path(tempfile.gettempdir(), f"msearch-mlserver-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        return _installed(folder)


def _installed(folder: Path) -> Path:
    program, ready = folder / "bin" / "mlserver", folder / ".ready"
    if ready.exists() and ready.read_text() == REQUIREMENT and program.exists():
        return program
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
              "--retries", "1", "--timeout", "20", REQUIREMENT])  # fmt: skip
        _run([str(program), "--version"])
    except CannotInstall:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    ready.write_text(REQUIREMENT)
    return program


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"{' '.join(words[1:4])} took more than {INSTALL_TIMEOUT_S} s") from error
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise CannotInstall(f"{REQUIREMENT} cannot be installed: {' '.join(lines[-3:])[:500]}")


@contextmanager
def running_mlserver(folder: Path, program: Path) -> Iterator[tuple[str, str]]:
    """Serves `model.py` as "linear" on loopback; gives HOST:PORT of gRPC and of HTTP."""
    http_port, grpc_port, metrics_port = _free_ports(3)
    shutil.copy(Path(__file__).with_name("model.py"), folder / "served_model.py")
    settings = {
        "host": "127.0.0.1",
        "http_port": http_port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "metrics_dir": str(folder / "metrics"),
        "parallel_workers": 0,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    tensors = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}],
    }
    model = {"name": "linear", "implementation": "served_model.Linear", "platform": "numpy", **tensors}
    (folder / "model-settings.json").write_text(json.dumps(model))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLSERVER_", "PYTHON"))}
    log = folder / "mlserver.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), "start", str(folder)],
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment | {"OMP_NUM_THREADS": "1", "OTEL_SDK_DISABLED": "true"},
        )
        try:
            _wait_for(f"http://127.0.0.1:{http_port}/v2/models/linear/ready", process, log)
            yield f"127.0.0.1:{grpc_port}", f"127.0.0.1:{http_port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MLServer did not start:\n{log.read_text(errors='replace')[-3000:]}") from None
            time.sleep(0.1)


if __name__ == "__main__":
    print(mlserver())
