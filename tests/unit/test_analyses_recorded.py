"""Analyses of what a real agent reported: names, parts and fingerprints are those that analyses look for."""

from __future__ import annotations

import pytest

from msearch_analysis.analyses import Options, find_analyses
from msearch_analysis.analyses.cold_start import PARTS, TOTAL
from msearch_analysis.analyses.roofline import peaks_of
from msearch_analysis.analyses.stages import parts_of
from msearch_analysis.page import make_page
from msearch_analysis.page.hosts import facts_of_hosts
from msearch_analysis.rows import Study
from msearch_client._analyses import make_study
from tests.recorded_profiles import recorded_profiles


@pytest.fixture(scope="module")
def study() -> Study:
    return make_study(recorded_profiles())


def test_every_quantity_that_an_agent_reports_is_known(study: Study) -> None:
    reported = {name for row in study.rows for name in (*row.quantities, *row.missing)}
    assert reported <= set(study.quantities)


def test_none_of_them_counts(study: Study) -> None:
    assert len(study.rows) > 20
    assert study.current == ()
    assert len(study.invalid_only) == len(study.shown) > 15
    assert all("disturbed" in row.broken_rules for row in study.rows)
    ranks = find_analyses()["leaderboard"].function(study, Options()).table.rows
    assert {row["rank"] for row in ranks} == {None}


def test_parts_of_a_cold_start_add_up(study: Study) -> None:
    for row in study.rows:
        assert sum(row.value(part) or 0.0 for part in PARTS) == pytest.approx(row.value(TOTAL))


def test_parts_of_a_request_are_about_its_median(study: Study) -> None:
    for row in study.rows:
        parts = parts_of(row).parts
        assert min(parts.values()) >= 0
        assert parts["execution"] > 0
        inside = parts["queueing"] + parts["wait for a batch"] + parts["execution"]
        assert inside <= 1.5 * (row.value("p50_ms") or 0.0)


def test_the_fingerprint_has_measured_peaks_and_the_processor(study: Study) -> None:
    assert set(peaks_of(list(study.rows))) == {1, 2}
    (host,) = facts_of_hosts(study)
    names = [name for name, _ in host.facts]
    assert {"CPU", "usable CPUs", "memory", "measured peaks, 1 thread", "measured peaks, 2 threads"} <= set(names)


def test_a_page_of_nothing_that_counts_is_a_page(study: Study) -> None:
    page = make_page(study, title="A busy host")
    assert "<strong>0</strong> VALID" in page
    assert "no VALID profile of an offered variant is there" in page
    assert "disturbed" in page
