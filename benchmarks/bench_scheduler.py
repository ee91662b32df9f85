"""The scheduler: simulated, deciding among 10,000 jobs in a database, at work with agents on real jobs, keeping
measurements apart; and the report of 1,000 profiles.

python -m benchmarks.bench_scheduler [--quick]

Prints `bar NAME value limit ok|short` for every bar and exits with 1 if one is short. Results with the machine's
fingerprint go to benchmarks/results (MSEARCH_BENCHMARK_RESULTS names another folder).
"""

from __future__ import annotations

import sys

from benchmarks.parts import run_parts

PARTS = {
    "scheduler_simulated": "bench_scheduler_simulated",
    "scheduler_store": "bench_scheduler_store",
    "scheduler_real": "bench_scheduler_real",
    "interference": "bench_interference",
    "report": "bench_report",
}

if __name__ == "__main__":
    sys.exit(run_parts(__doc__ or "", PARTS))
