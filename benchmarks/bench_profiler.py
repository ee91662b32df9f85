"""Everything that `make bench-profiler` measures: the load generator beside LoadGen, a job's overhead, many agents.

    python -m benchmarks.bench_profiler [--quick]

Each part runs in a process of its own. The bars of all parts are printed again at the end; the exit status is 1 if one
is short. Close other programs first: the instrument notices them, and so do the bars.
"""

from __future__ import annotations

import sys

from benchmarks.parts import run_parts

PARTS = {
    "dispatch": "bench_dispatch",
    "agreement": "bench_agreement",
    "job": "bench_job",
    "agents": "bench_agents",
}

if __name__ == "__main__":
    sys.exit(run_parts(__doc__ or "", PARTS))
