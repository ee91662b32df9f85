"""Figures on the pages are those of the result files that they name, to the digits that they show."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from tests.docs.blocks import ROOT, read

KIB, GIB = 1024, 1 << 30


def figures(name: str) -> dict[str, Any]:
    """What a benchmark found, from its result file."""
    found: dict[str, Any] = json.loads((ROOT / "benchmarks/results" / f"{name}.json").read_text())["figures"]
    return found


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """The table whose first line begins so: cells by the first one, without marks."""
    table = read(page).split(f"\n{heading}")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in table]
    return {first: others for first, *others in cells}


def agrees(text: str, value: float) -> bool:
    """Whether the number in a text is the value, rounded to its digits."""
    number = text.replace(",", "").rstrip("%").strip()
    digits = len(number.partition(".")[2])
    return abs(float(number) - value) <= 0.501 * 10**-digits


def test_agreement_is_a_matter_of_the_digits_shown() -> None:
    assert agrees("0.022", 0.0215)
    assert agrees("1,163", 1163.4)
    assert agrees("98.4 %", 98.4375)
    assert not agrees("0.022", 0.0214)
    assert not agrees("1.63", 1.6361)


@pytest.mark.parametrize("row", rows("docs/scheduling.md", "| sizes |"))
def test_the_simulated_ratios(row: str) -> None:
    name = {"speeds .5 .5 1 2, load 0.8": "exponential, load 0.8, speeds .5 .5 1 2"}.get(row, row)
    found = figures("scheduler_simulated")[name]
    mean, p5, p50, p95, wait, completion, *_ = rows("docs/scheduling.md", "| sizes |")[row]
    ratio, most = found["ratio"], found["max_completion_time"]
    told = zip((mean, p5, p50, p95), (ratio["mean"], ratio["p5"], ratio["p50"], ratio["p95"]), strict=True)
    assert all(agrees(text, value) for text, value in told)
    assert agrees(wait, found["longest_wait"])
    policy, baseline = completion.split(", ")
    assert agrees(policy, most["policy"])
    assert agrees(baseline, most["baseline"])


@pytest.mark.parametrize("row", ["images", "activity", "sentiment", "topics", "matching", "mean"])
def test_the_accuracies_of_ensembles(row: str) -> None:
    found = figures("ensembles")[row]
    told = rows("docs/ensembles.md", "| workload |")[row]
    values = [found[name] for name in ("first member", "routed", "weighed", "mean", "best single")]
    assert all(agrees(text, value) for text, value in zip(told, values, strict=True))


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("random halves of a target, by rows", "no drift, by rows"),
        ("another person, genre or matching task, by rows", "another source, by rows"),
        ("images of half of the digits against all, by rows", "fewer classes, by rows"),
        ("images inverted, rotated, blurred or noisy against clean ones, by rows", "image corrupted, by rows"),
    ],
)
def test_the_verdicts_on_drift(row: str, name: str) -> None:
    found = figures("drift")[name]
    pairs, *told = rows("docs/drift.md", "| | pairs |")[row]
    assert int(pairs) == sum(found.values())
    shares = [100 * found[verdict] / sum(found.values()) for verdict in ("NONE", "SLIGHT", "MOVED")]
    assert all(agrees(text, share) for text, share in zip(told, shares, strict=True))


def of(name: str, pick: Callable[[dict[str, Any]], float]) -> Callable[[], float]:
    return lambda: pick(figures(name))


README = [
    (
        r"sketch 2,000 images of 28 × 28 / 10,000 short texts \| ([\d.]+) s / ([\d.]+) s, (\d+) KiB / (\d+) KiB",
        of("sketch", lambda found: median(found["images_28x28"]["seconds"])),
        of("sketch", lambda found: median(found["short_texts"]["seconds"])),
        of("sketch", lambda found: found["images_28x28"]["bytes_of_2000_rows"] / KIB),
        of("sketch", lambda found: found["short_texts"]["bytes_of_2000_rows"] / KIB),
    ),
    (
        r"500 target rows \| median ([\d.]+) ms, p99 ([\d.]+) ms, ([\d.]+) ns a posting, ([\d.]+) GiB",
        of("search_index", lambda found: found["index"]["query_ms_median"]),
        of("search_index", lambda found: found["index"]["query_ms_p99"]),
        of("search_index", lambda found: found["index"]["ns_per_posting"]),
        of("search_index", lambda found: found["index"]["grown_bytes"] / GIB),
    ),
    (
        r"partition JSD on the same \| (\d+) s \(scaled\) / (\d+) ms / (\d+) ms",
        of("search_index", lambda found: found["row coverage, brute force"]["query_ms_scaled"] / 1000),
        of("search_index", lambda found: found["RKME-MMD, reduced sets"]["query_ms"]),
        of("search_index", lambda found: found["partition JSD"]["query_ms"]),
    ),
    (r"to the first answer \| ([\d.]+) s", of("service", lambda found: median(found["start"]["seconds"]))),
    (
        r"models registered over gRPC, SQLite \| (\d+) a second",
        of("service", lambda found: found["registration"]["models"] / found["registration"]["seconds"]),
    ),
    (
        r"8 callers \| (\d+) a second",
        of("service", lambda found: median(found["search"]["searches_per_s"])),
    ),
    (r"verification and report \| ([\d.]+) s", of("job", lambda found: median(found["overhead_s"]))),
    (
        r"p50 / p99 ratio \| ([\d.]+) / ([\d.]+) \|",
        of("agreement", lambda found: median(found["ratio_5ms_80_p50"])),
        of("agreement", lambda found: median(found["ratio_5ms_80_p99"])),
    ),
    (
        r"one process / fresh processes \| ([\d.]+) s / ([\d.]+) s",
        of("agreement", lambda found: median(found["time_to_p50_s"])),
        of("agreement", lambda found: median(found["time_to_p50_fresh_processes_s"])),
    ),
    (
        r"jobs flow \| p50 ([\d.]+) ms, p99 (\d+) ms",
        of("agents", lambda found: found["acquire_ms"]["p50"]),
        of("agents", lambda found: found["acquire_ms"]["p99"]),
    ),
]


@pytest.mark.parametrize(("pattern", "values"), [(pattern, values) for pattern, *values in README])
def test_how_fast_it_is(pattern: str, values: list[Callable[[], float]]) -> None:
    found = re.search(pattern, read("README.md"))
    assert found is not None
    assert [text for text, value in zip(found.groups(), values, strict=True) if not agrees(text, value())] == []
