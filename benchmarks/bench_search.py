"""Everything that `make bench-search` measures: sketching, the index beside its peers, the service over gRPC.

    python -m benchmarks.bench_search [--quick]

Each part runs in a process of its own, so that none inherits the memory or the warm caches of another. The bars of all
parts are printed again at the end; the exit status is 1 if one is short.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from benchmarks.report import RESULTS, Bar

PARTS = {"sketch": "bench_sketch", "search_index": "bench_search_index", "service": "bench_service"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; the bars then prove nothing")
    quick = parser.parse_args().quick
    # One core, as the bars are defined; the libraries read this when they are loaded.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    failed = []
    bars: list[Bar] = []
    for name, module in PARTS.items():
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


if __name__ == "__main__":
    sys.exit(main())
