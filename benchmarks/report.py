"""What every benchmark shares: repeats and medians, the machine's fingerprint, bars, and the JSON result.

    report = Report("search_index")
    report.bar("coverage_p99_ms", 17.2, limit=25.0)
    sys.exit(report.finish())

A bar prints one line, `bar NAME value limit ok|short`; `finish` writes the result and gives the exit status.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "numpy",
    "mlcommons-loadgen",
    "numba",
    "scipy",
    "datasketch",
    "faiss-cpu",
    "grpcio",
    "sqlalchemy",
    "onnxruntime",
    "pyarrow",
)
RESULTS = Path(os.environ.get("MSEARCH_BENCHMARK_RESULTS") or Path(__file__).parent / "results")
"""Where result files go."""

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise: `value` is at most `limit`, or at least `limit` where more is better."""

    name: str
    value: float
    limit: float
    more_is_better: bool = False

    @property
    def ok(self) -> bool:
        """Whether the promise holds; a value that is not a number breaks it."""
        return self.value >= self.limit if self.more_is_better else self.value <= self.limit

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Bar:
        """A bar from a result file."""
        return cls(raw["name"], raw["value"], raw["limit"], raw["more_is_better"])

    def __str__(self) -> str:
        return f"bar {self.name} {self.value:.4g} {self.limit:.4g} {'ok' if self.ok else 'short'}"


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall times of repeats, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    def percentile(self, percent: float) -> float:
        """By nearest rank: the smallest time that at least `percent` per cent of the repeats do not exceed."""
        rank = max(1, -(-len(self.seconds) * percent // 100))
        return sorted(self.seconds)[int(rank) - 1]


def repeat(action: Callable[[], object], times: int, *, warm_ups: int = 1) -> Timing:
    """Times `times` calls after some that do not count."""
    for _ in range(warm_ups):
        action()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return Timing(tuple(seconds))


@dataclass(slots=True)
class Report:
    """Collects figures and bars of one benchmark. `quick` marks a small run whose bars prove nothing."""

    name: str
    quick: bool = False
    figures: dict[str, Any] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)

    def figure(self, name: str, value: Any) -> None:
        """Keeps a figure, JSON values only, for the result file."""
        self.figures[name] = value

    def bar(self, name: str, value: float, *, limit: float, more_is_better: bool = False) -> None:
        """Keeps a bar; `finish` prints it."""
        self.bars.append(Bar(name, float(value), float(limit), more_is_better))

    def finish(self, folder: Path = RESULTS) -> int:
        """Prints the bars, writes FOLDER/NAME.json, and gives 1 if a bar is short, else 0."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}{'_quick' if self.quick else ''}.json"
        result = {
            "benchmark": self.name,
            "quick": self.quick,
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": fingerprint(),
            "figures": self.figures,
            "bars": [asdict(bar) | {"ok": bar.ok} for bar in self.bars],
        }
        path.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        print(f"\nresult: {path}")
        for bar in self.bars:
            print(bar)
        return 0 if all(bar.ok for bar in self.bars) else 1


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns, the first to the left and the others to the right."""
    lines = [list(heading), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    for number, line in enumerate(lines):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def resident_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fingerprint() -> dict[str, Any]:
    """What the figures depend on beside the code."""
    return {
        "cpu": _first_value("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "memory_kb": int((_first_value("/proc/meminfo", "MemTotal") or "0 kB").split()[0]),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
        "threads": {name: os.environ[name] for name in _THREAD_SETTINGS if name in os.environ},
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
    }


def _first_value(path: str, key: str) -> str | None:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
