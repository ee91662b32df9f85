"""The HTML report of 1,000 profiles: how large it is, how long it takes to make, how long to open.

    python -m benchmarks.bench_report [--quick]

The profiles are made up (`benchmarks.made_up_profiles`). Opening is timed where a Chromium is installed: in a headless
one, from asking for the page until it is loaded and its first content is painted.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

from benchmarks.browser import Chromium, find_browser
from benchmarks.made_up_profiles import FORMS, HOSTS, MODELS, MadeUpModel, make_profile
from benchmarks.report import Report, Timing, repeat
from msearch_client import Profile
from msearch_client._analyses import make_study
from msearch_client._analysis_calls import write_report

COUNT = 1_000
LARGEST_BYTES = 5_000_000
LONGEST_S = 3.0
OPENED = 5
LOADS = ("single_stream", *(f"server:{rate}" for rate in (25, 50, 100, 200, 300, 400)))


def many_profiles(count: int) -> list[Profile]:
    """Models of all sizes in all forms under all loads on two kinds of host; one in twelve is INVALID."""
    models = [
        MadeUpModel(f"{model.name.partition('@')[0]}-{size:g}@1", model.per_sample_ms * size, model.parameters * size,
                    model.flops * size)
        for size in (0.5, 0.75, 1.0, 1.5) for model in MODELS
    ]  # fmt: skip
    forms = [*FORMS, *(f"onnxruntime fp32 batch={batch}" for batch in (4, 16))]
    cells = itertools.islice(itertools.product(LOADS, forms, models, HOSTS), count)
    return [
        make_profile(model, form, load, host, broken=("unsteady",) if number % 12 == 7 else ())
        for number, (load, form, model, host) in enumerate(cells)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the profiles")
    quick = parser.parse_args().quick
    report = Report("report", quick=quick)
    profiles = many_profiles(COUNT // 10 if quick else COUNT)
    study = make_study(profiles)
    report.figure("profiles", len(profiles))
    report.figure("runs", sum(len(profile.runs) for profile in profiles))
    report.figure("rows_shown", len(study.shown))
    with tempfile.TemporaryDirectory() as place:
        page = Path(place) / "report.html"
        made = repeat(lambda: write_report(page, profiles), 1, warm_ups=0)
        report.figure("make_s", made.median)
        size = page.stat().st_size
        print(f"{len(profiles):,} profiles, made in {made.median:.1f} s: {size:,} bytes")
        report.bar("report_1000_runs_bytes", size, limit=LARGEST_BYTES)
        program = find_browser()
        if program is None:
            print("no Chromium is installed to open it with")
            return report.finish()
        with Chromium(program) as browser:
            opened = Timing(tuple(browser.open(page) for _ in range(OPENED)))
        report.figure("opened_s", opened.seconds)
        report.bar("report_1000_runs_opened_s", opened.median, limit=LONGEST_S)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
