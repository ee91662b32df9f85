"""Everything that `make bench-search` measures: sketching, the index beside its peers, the service over gRPC.

    python -m benchmarks.bench_search [--quick]

Each part runs in a process of its own, so that none inherits the memory or the warm caches of another. The bars of all
parts are printed again at the end; the exit status is 1 if one is short.
"""

from __future__ import annotations

import sys

from benchmarks.parts import run_parts

PARTS = {"sketch": "bench_sketch", "search_index": "bench_search_index", "service": "bench_service"}

if __name__ == "__main__":
    sys.exit(run_parts(__doc__ or "", PARTS))
