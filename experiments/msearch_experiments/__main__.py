"""Prints the JSON schema of the benchmark file: python -m msearch_experiments > docs/benchmark.schema.json."""

import json
import sys

from msearch_experiments.parsing import benchmark_schema

json.dump(benchmark_schema(), sys.stdout, indent=2, sort_keys=True)
sys.stdout.write("\n")
