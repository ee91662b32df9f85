"""Generates the Python code of the protos beside them. Run by `make protos`; a test checks that it changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def generate(target: Path) -> None:
    """Writes the generated modules of every proto under `target`, with stubs that mypy accepts when strict."""
    sources = sorted(ROOT.glob("msearch/*/*.proto"))
    services = [source for source in sources if source.stem.endswith("_service")]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}"]
    for outputs, files in (
        ([f"--python_out={target}", f"--mypy_out=quiet:{target}"], sources),
        ([f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}"], services),
    ):
        subprocess.run([*protoc, *outputs, *map(str, files)], check=True, env=environment)  # noqa: S603


if __name__ == "__main__":
    generate(ROOT)
