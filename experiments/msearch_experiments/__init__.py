"""Benchmark files: what they ask for, as a plan of cells; and the canonical models that they may name. Pure."""

from msearch_experiments.benchmark import Benchmark
from msearch_experiments.errors import ArchitectureError, BenchmarkError, TooManyRuns
from msearch_experiments.loads import LoadPoint
from msearch_experiments.parsing import benchmark_schema, load_benchmark, parse_benchmark
from msearch_experiments.plan import Cell, Plan, count_cells, expand

__all__ = [
    "ArchitectureError",
    "Benchmark",
    "BenchmarkError",
    "Cell",
    "LoadPoint",
    "Plan",
    "TooManyRuns",
    "benchmark_schema",
    "count_cells",
    "expand",
    "load_benchmark",
    "parse_benchmark",
]
