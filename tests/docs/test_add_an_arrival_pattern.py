"""docs/add-an-arrival-pattern.md and docs/load.md: the page's file passes the contract suite; the tables are true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from profiler_agent.loadgen.arrivals import find_arrivals
from profiler_agent.loadgen.load_text import format_load, parse_load
from tests.docs.blocks import ROOT, fenced

CHECK = """
import sys
sys.path[:0] = [{copy!r}]
import pytest
import profiler_agent.loadgen.arrivals as arrivals
assert arrivals.__file__.startswith({copy!r}), arrivals.__file__
assert "spurts" in arrivals.find_arrivals()
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", {root!r}, "-c", {config!r},
                      {suite!r}, "-k", "spurts"]))
"""


def test_the_file_of_the_page_passes_the_contract_suite(tmp_path: Path) -> None:
    """In a copy of the package, because the page puts the file into the package itself."""
    shutil.copytree(ROOT / "profiler_agent", tmp_path / "profiler_agent", ignore=shutil.ignore_patterns("__pycache__"))
    (block,) = fenced("docs/add-an-arrival-pattern.md", "python")
    (tmp_path / "profiler_agent" / "loadgen" / "arrivals" / "spurts.py").write_text(block, encoding="utf-8")
    suite = ROOT / "tests" / "contracts" / "test_arrival_contract.py"
    program = CHECK.format(copy=str(tmp_path), root=str(ROOT), config=str(ROOT / "pyproject.toml"), suite=str(suite))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert int(done.stdout.splitlines()[-1].split()[0]) > 5


def _table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading of docs/load.md, as cells."""
    text = (ROOT / "docs/load.md").read_text(encoding="utf-8").split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_lists_every_pattern_with_its_parameters() -> None:
    told = {}
    for pattern, _, parameters in _table("Arrival patterns"):
        found = re.findall(r"`(\w+)` \(([\d.,]+); ([\d.,]+) to ([\d.,]+)\)", parameters)
        told[pattern.strip("`")] = {name: tuple(float(n.replace(",", "")) for n in numbers) for name, *numbers in found}
    assert told == {
        name: {key: (one.default, one.lowest, one.highest) for key, one in arrival.parameters.items()}
        for name, arrival in find_arrivals().items()
    }


def test_the_page_lists_texts_of_loads() -> None:
    texts = [row[0].strip("`") for row in _table("Scenarios")]
    assert len(texts) == 6
    assert [format_load(parse_load(text)) for text in texts] == texts
