"""What docs/measuring.md says of numbers, and what it and docs/profiling.md say of rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profiler_agent.stats.percentiles import count_to_print, smallest_count

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/measuring.md").read_text(encoding="utf-8")


def test_the_sample_table_is_what_the_code_computes() -> None:
    rows = re.findall(r"^\| p([\d.]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert [float(percent) for percent, *_ in rows] == [90, 95, 99, 99.9]
    for percent, *counts in rows:
        expected = [smallest_count(float(percent), failures) for failures in range(3)]
        assert [int(count.replace(",", "")) for count in counts] == expected
    assert f"(p50: {count_to_print(50)})" in PAGE


@pytest.mark.parametrize(
    ("page", "heading"),
    [("docs/measuring.md", "| rule | broken if |"), ("docs/profiling.md", "| rule | it did not hold because |")],
)
def test_every_rule_of_the_wire_is_explained(page: str, heading: str) -> None:
    proto = (ROOT / "protos/msearch/v1/profiles.proto").read_text(encoding="utf-8")
    comment = proto.split("// A rule that did not hold.")[1].split("string rule")[0]
    rules = set(re.findall(r'"([a-z_]+)"', comment))
    table = (ROOT / page).read_text(encoding="utf-8").split(heading)[1].split("\n\n")[0]
    first_cells = "".join(re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([a-z_]+)`", first_cells)) == rules
