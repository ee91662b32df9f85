"""Every example of docs/benchmarks.md is a benchmark file, by the parser and by the published schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from msearch_card.documents import read_document
from msearch_experiments import benchmark_schema, count_cells, expand, parse_benchmark
from msearch_experiments.benchmark import NETWORKS
from msearch_experiments.canonical import families
from msearch_experiments.canonical.checking import MOST_PARAMETERS
from msearch_experiments.plan import CONFIRM_ABOVE, MOST_CELLS, MOST_GENERATED_PARAMETERS

PAGE = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_can_be_planned(text: str) -> None:
    benchmark = parse_benchmark(text)
    assert len(expand(benchmark, confirmed=True).cells) == count_cells(benchmark) > 0


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_follows_the_schema(text: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    validator = jsonschema.Draft202012Validator(benchmark_schema())
    validator.validate(read_document(text))
    assert not validator.is_valid(read_document(text) | {"modles": "x"})


def test_the_page_names_every_family_with_its_usual_input() -> None:
    for name, family in families().items():
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(str(list(family.usual_input)))} \|$", PAGE, re.MULTILINE)


def test_the_page_has_the_numbers_of_the_networks() -> None:
    for name, (round_trip, up, down) in NETWORKS.items():
        assert f"| `{name}` | {round_trip:g} ms | {up:,g} Mbit/s | {down:,g} Mbit/s |" in PAGE


def test_the_page_names_the_limits() -> None:
    assert f"more than {CONFIRM_ABOVE} profiles" in PAGE
    assert f"more than {MOST_CELLS:,} is refused" in PAGE
    assert f"At most {MOST_PARAMETERS:,} parameters" in PAGE
    assert f"and {MOST_GENERATED_PARAMETERS:,} (4 GiB) for a file" in PAGE
