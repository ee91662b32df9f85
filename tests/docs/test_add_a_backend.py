"""docs/add-a-backend.md: its file, put where the page says, is found and passes the contract suite."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import ROOT, fenced

CHECK = """
import sys
sys.path[:0] = [{copy!r}]
import pytest
import profiler_agent.backends as backends
assert backends.__file__.startswith({copy!r}), backends.__file__
assert "onnx_reference" in backends.find_backends()
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", {root!r}, "-c", {config!r},
                      {suite!r}, "-k", "onnx_reference"]))
"""


def test_the_file_of_the_page_passes_the_contract_suite(tmp_path: Path) -> None:
    """In a copy of the package, because the page puts the file into the package itself."""
    shutil.copytree(ROOT / "profiler_agent", tmp_path / "profiler_agent", ignore=shutil.ignore_patterns("__pycache__"))
    (block,) = fenced("docs/add-a-backend.md", "python")
    (tmp_path / "profiler_agent" / "backends" / "onnx_reference.py").write_text(block, encoding="utf-8")
    suite = ROOT / "tests" / "contracts" / "test_backend_contract.py"
    program = CHECK.format(copy=str(tmp_path), root=str(ROOT), config=str(ROOT / "pyproject.toml"), suite=str(suite))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    passed = int(done.stdout.splitlines()[-1].split()[0])
    assert passed > 25
