"""A search service in a process of its own, with one more method that does nothing: the yardstick for calls a second.

    python -m benchmarks.service_under_test FOLDER [DATABASE]

serves on a free loopback port until SIGTERM and prints the address once it answers.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from search_service.__main__ import build_service
from search_service.api.logs import configure_logs
from search_service.settings import read_settings
from search_service.storage import migrate, open_database

NOTHING = "/benchmark.Nothing/Call"


def nothing_handler() -> grpc.GenericRpcHandler:
    """Takes any bytes; the first four say how many bytes to answer with."""

    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        return bytes(int.from_bytes(request[:4], "big"))

    return grpc.method_handlers_generic_handler(
        "benchmark.Nothing", {"Call": grpc.unary_unary_rpc_method_handler(call)}
    )


@contextmanager
def running(folder: Path, database: str = "", *, end: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """The address of a service over the data in `folder`, ended by a signal; by default its database is there too."""
    command = [sys.executable, "-m", "benchmarks.service_under_test", str(folder), *([database] if database else [])]
    with (
        (folder / "service.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            if not address:
                raise RuntimeError(f"the service did not start: see {folder / 'service.log'}")
            yield address
        finally:
            process.send_signal(end)


def main(folder: Path, url: str | None = None) -> None:
    settings = read_settings(environment={}, listen="127.0.0.1:0", data_dir=folder, database=url)
    configure_logs(settings.log_format)
    migrate(settings.database)
    database = open_database(settings.database)
    service = build_service(settings, database, [nothing_handler()])
    service.start()
    print(service.address, flush=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    service.stop()
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
