"""Draws the example pictures of docs/analyses.md from made-up profiles. Run by `make pictures`.

By hand: a picture changes a little with every version of matplotlib, so no test holds them current.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.browser import Chromium, find_browser
from benchmarks.made_up_profiles import HOSTS, a_study, pipeline_profiles
from msearch_analysis.drawing import draw_file
from msearch_client._analyses import analyse_profiles
from msearch_client._analysis_calls import write_report

FOLDER = Path(__file__).resolve().parent / "pictures"
SHOWN = {"leaderboard": 2, "latency": 2, "load-curves": 2, "heat-maps": 4, "variants": 2, "roofline": 2, "stages": 2,
         "hosts": 1, "pareto": 2, "cold-start": 2}  # fmt: skip

PHOTOGRAPHS = {"report": (1180, 700, False, ""), "report-phone": (390, 760, True, "latency")}
"""Width, height and darkness of the screens that the report is shown on, and the section that is looked at."""


def main() -> None:
    """Writes a file an analysis, and photographs of the report where there is a browser to take them."""
    FOLDER.mkdir(exist_ok=True)
    everything = a_study()
    one_host = [profile for profile in everything if profile.host_class == HOSTS[0].name]
    for name, count in SHOWN.items():
        shown = {"hosts": everything, "roofline": everything, "stages": pipeline_profiles()}.get(name, one_host)
        found = analyse_profiles(name, shown)
        (FOLDER / f"{name}.svg").write_bytes(draw_file(found.title, found.charts[:count], "svg"))
    program = find_browser()
    if program is None:
        sys.stderr.write("no Chromium is installed, so the photographs stay as they are\n")
        return
    with tempfile.TemporaryDirectory() as place, Chromium(program) as browser:
        page = Path(place) / "report.html"
        write_report(page, one_host, title="Three models on one host")
        for name, (width, height, dark, section) in PHOTOGRAPHS.items():
            browser.pretend(width=width, height=height, dark=dark)
            browser.open(page, section)
            browser.photograph(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
