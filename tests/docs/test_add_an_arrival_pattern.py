"""docs/add-an-arrival-pattern.md and docs/load.md: the page's file passes the contract suite; the tables are true."""

from __future__ import annotations

import re
from pathlib import Path

from profiler_agent.loadgen.arrivals import find_arrivals
from profiler_agent.loadgen.load_text import format_load, parse_load
from tests.docs.blocks import ROOT
from tests.docs.plugin_pages import PlugInPage, count_passed

PAGE = PlugInPage(
    page="docs/add-an-arrival-pattern.md",
    package="profiler_agent.loadgen.arrivals",
    name="spurts",
    find="find_arrivals",
    suite="test_arrival_contract.py",
)


def test_the_file_of_the_page_passes_the_contract_suite(tmp_path: Path) -> None:
    assert count_passed(PAGE, tmp_path) > 5


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
