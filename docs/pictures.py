"""Draws the example pictures of docs/analyses.md from made-up profiles. Run by `make pictures`.

By hand: a picture changes a little with every version of matplotlib, so no test holds them current.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.made_up_profiles import HOSTS, a_study
from msearch_analysis.drawing import draw_file
from msearch_client._analyses import analyse_profiles

FOLDER = Path(__file__).resolve().parent / "pictures"
SHOWN = {"leaderboard": 2, "latency": 2, "load-curves": 2, "heat-maps": 4, "variants": 2, "roofline": 2, "stages": 2,
         "hosts": 1, "pareto": 2, "cold-start": 2}  # fmt: skip


def main() -> None:
    """Writes a file an analysis."""
    FOLDER.mkdir(exist_ok=True)
    everything = a_study()
    one_host = [profile for profile in everything if profile.host_class == HOSTS[0].name]
    for name, count in SHOWN.items():
        found = analyse_profiles(name, everything if name in ("hosts", "roofline") else one_host)
        (FOLDER / f"{name}.svg").write_bytes(draw_file(found.title, found.charts[:count], "svg"))


if __name__ == "__main__":
    main()
