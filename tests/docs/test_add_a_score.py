"""docs/add-a-score.md: its file, put where the page says, is found, passes the contract suite and ranks."""

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
import search_service.scores as scores
assert scores.__file__.startswith({copy!r}), scores.__file__
assert "source_rows" in scores.find_scores()
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", {root!r}, "-c", {config!r},
                      {suite!r}, "-k", "source_rows"]))
"""


def test_the_file_of_the_page_passes_the_contract_suite(tmp_path: Path) -> None:
    """In a copy of the package, because the page puts the file into the package itself."""
    shutil.copytree(ROOT / "search_service", tmp_path / "search_service", ignore=shutil.ignore_patterns("__pycache__"))
    (block,) = fenced("docs/add-a-score.md", "python")
    (tmp_path / "search_service" / "scores" / "source_rows.py").write_text(block, encoding="utf-8")
    suite = ROOT / "tests" / "contracts" / "test_score_contract.py"
    program = CHECK.format(copy=str(tmp_path), root=str(ROOT), config=str(ROOT / "pyproject.toml"), suite=str(suite))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    passed = int(done.stdout.splitlines()[-1].split()[0])
    assert passed > 10
