"""Runs the parts of a benchmark in processes of their own and prints all bars at the end."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.report import RESULTS, Bar


def run_parts(description: str, parts: Mapping[str, str]) -> int:
    """Runs the modules `parts` (by the name of their result file); gives 1 if a bar is short or a part failed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; the bars then prove nothing")
    quick = parser.parse_args().quick
    # One core, as the bars are defined; the libraries read this when they are loaded.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    failed = []
    bars: list[Bar] = []
    for name, module in parts.items():
        print(f"\n== {name}", flush=True)
        result = RESULTS / f"{name}{'_quick' if quick else ''}.json"
        result.unlink(missing_ok=True)
        command = [sys.executable, "-m", f"benchmarks.{module}", *(["--quick"] if quick else [])]
        subprocess.run(command, env=environment, check=False)
        if not result.exists():
            failed.append(name)
            continue
        bars += [Bar.from_dict(bar) for bar in json.loads(result.read_text(encoding="utf-8"))["bars"]]
    print("\n== all bars")
    for bar in bars:
        print(bar)
    for name in failed:
        print(f"{name} did not finish: see above")
    return 1 if failed or not all(bar.ok for bar in bars) else 0
