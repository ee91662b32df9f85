"""From a document to a `Benchmark`: YAML or JSON in, a benchmark or an error that names every wrong field out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msearch_card.errors import DocumentError
from msearch_card.reading import DocumentReader
from msearch_experiments.benchmark import Benchmark
from msearch_experiments.errors import BenchmarkError

_READER = DocumentReader(Benchmark, "the benchmark file")


def parse_benchmark(text_or_mapping: str | bytes | Mapping[str, Any]) -> Benchmark:
    """Reads a benchmark from YAML or JSON text, or from a mapping.

    Raises:
        BenchmarkError: the text is neither, a key stands twice, or a field is wrong; `fields` names each.
    """
    try:
        return _READER.parse(text_or_mapping)
    except DocumentError as error:
        raise BenchmarkError(error.message, error.fields) from None


def load_benchmark(path: str | Path) -> Benchmark:
    """Reads a benchmark from a file.

    Raises:
        BenchmarkError: the file cannot be read, or as for `parse_benchmark`; the message begins with the path.
    """
    path = Path(path)
    try:
        text = _READER.read(path)
    except DocumentError as error:
        raise BenchmarkError(error.message, error.fields) from None
    try:
        return parse_benchmark(text)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error.message}", error.fields) from None


def benchmark_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a benchmark file, published as docs/benchmark.schema.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Benchmark.model_json_schema()}
