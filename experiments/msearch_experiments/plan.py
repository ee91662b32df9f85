"""From a benchmark file to its plan: the cells of the grid, each one variant under one load on one class of hosts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

from msearch_experiments.benchmark import DEFAULT_RETRIES, MODEL_FREE, Batching, Benchmark, Generate, Pipeline, Software
from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.checking import canonical, plan_graph
from msearch_experiments.errors import ArchitectureError, BenchmarkError, TooManyRuns
from msearch_experiments.loads import LoadPoint

CONFIRM_ABOVE = 500
"""Profiles that are measured without asking."""

MOST_CELLS = 20_000
"""Cells that one experiment may hold, confirmed or not; looking at 5,000 takes about a second."""

MOST_GENERATED = 1_000
MOST_GENERATED_PARAMETERS = 1 << 30
"""Of all canonical models of a file together: 4 GiB in fp32, which the service stores."""

_AFTER_BATCHING = ("pipeline", "rtt_ms", "up_mbit", "down_mbit", "limit_ms")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cell:
    """One profile to measure. `model` is "name" or "name@version", empty for the backends null and remote."""

    model: str
    backend: str
    precision: str
    batch_size: int
    threads: int
    mode: str
    device: str
    server: str
    load: LoadPoint
    host_class: str

    @property
    def key(self) -> str:
        """Digest of all of it."""
        variant = (self.backend, self.precision, self.batch_size, self.threads, self.mode, self.device)
        where = (self.server, self.host_class)
        return digest_of((self.model, variant, where, self.load.text, self.load.trace_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a benchmark file asks for: distinct cells, and the canonical models among them by `name@version`."""

    benchmark: Benchmark
    cells: tuple[Cell, ...]
    generated: Mapping[str, Architecture] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of what the file means: spelling, order, names for people and the priority do not change it."""
        benchmark = self.benchmark
        meaning = {
            "cells": sorted(cell.key for cell in self.cells),
            "labels": benchmark.hardware.labels,
            "limits": benchmark.limits.model_dump(exclude_none=True),
            "search": benchmark.search.model_dump(exclude_none=True) if benchmark.search else None,
            "memory_limit_bytes": benchmark.memory_limit_bytes,
        }
        # Files from before there were any keep their digest.
        return digest_of(meaning | ({"retries": benchmark.retries} if benchmark.retries != DEFAULT_RETRIES else {}))


def digest_of(value: Any) -> str:
    """SHA-256 of canonical JSON, as 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def count_cells(benchmark: Benchmark) -> int:
    """How many profiles the grid holds, before cells that stand twice are joined. Expands nothing."""
    models = len(benchmark.models or ()) + sum(_count_generated(block) for block in benchmark.generate or ())
    loads = sum(load.count for load in benchmark.loads)
    variants = sum(_count_variants(block, models) for block in benchmark.software)
    return variants * loads * len(benchmark.hardware.host_class) * len(_around(benchmark.pipeline))


def expand(
    benchmark: Benchmark, *, confirmed: bool = False, canonical_text: Callable[[LoadPoint], str] | None = None
) -> Plan:
    """The plan of a benchmark file. `canonical_text` gives equal loads equal texts, and refuses loads that cannot be.

    Raises:
        TooManyRuns: the grid holds more than 500 profiles and that was not `confirmed`, or more than 20,000.
        BenchmarkError: a canonical model cannot be made.
    """
    _check_count(benchmark, confirmed=confirmed)
    generated = dict(_generated(benchmark))
    models = (*dict.fromkeys((*(benchmark.models or ()), *generated)),)

    @cache
    def read(point: LoadPoint) -> LoadPoint:
        return point if canonical_text is None else LoadPoint(canonical_text(point), point.trace_s)

    points = tuple(
        _within(point, around)
        for load in benchmark.loads
        for point, around in product(load.points(), _around(benchmark.pipeline))
    )
    cells = dict.fromkeys(
        Cell(model=model, load=read(_batched(point, batching)), host_class=host_class, **variant)
        for block in benchmark.software
        for variant in _variants(block)
        for model in ([""] if variant["backend"] in MODEL_FREE else models)
        for host_class in benchmark.hardware.host_class
        for point, batching in product(points, block.batching)
    )
    return Plan(benchmark=benchmark, cells=tuple(cells), generated=generated)


def _check_count(benchmark: Benchmark, *, confirmed: bool) -> None:
    profiles = count_cells(benchmark)
    measured = profiles if benchmark.search is None else min(profiles, benchmark.search.trials)
    if profiles > MOST_CELLS:
        raise TooManyRuns(
            f"the grid holds {profiles:,} profiles, an experiment at most {MOST_CELLS:,}: shorten its lists",
            profiles,
        )
    if measured > CONFIRM_ABOVE and not confirmed:
        repeats = benchmark.limits.repeats or 5
        raise TooManyRuns(
            f"the benchmark asks for {measured:,} profiles, up to {measured * repeats:,} runs; more "
            f"than {CONFIRM_ABOVE} profiles must be confirmed: confirm, shorten the lists, or search instead",
            measured,
        )


def _count_generated(block: Generate) -> int:
    return len(block.family) * len(block.layers) * len(block.width) * (len(block.input) or 1) * len(block.seed)


def _count_variants(block: Software, models: int) -> int:
    factor = sum(1 if name in MODEL_FREE else models for name in block.backends) * len(block.server or (None,))
    lists = (block.precision, block.batch_size, block.threads, block.mode, block.device, block.batching)
    for values in lists:
        factor *= len(values)
    return factor


def _variants(block: Software) -> Iterator[dict[str, Any]]:
    names = ("backend", "server", "precision", "batch_size", "threads", "mode", "device")
    servers = block.server or ("",)
    lists = (block.backends, servers, block.precision, block.batch_size, block.threads, block.mode, block.device)
    for values in product(*lists):
        yield dict(zip(names, values, strict=True))


def _around(pipeline: Pipeline | None) -> tuple[str, ...]:
    """What each pipeline adds to the text of a load."""
    if pipeline is None:
        return ("",)
    processing = "pipeline=1" if pipeline.processing else ""
    networks = ("" if network is None else network.text for network in pipeline.network)
    return tuple(",".join(filter(None, (processing, network))) for network in networks)


def _within(point: LoadPoint, around: str) -> LoadPoint:
    if not around:
        return point
    # In the order of a canonical text: the limit comes last.
    head, limit, value = point.text.partition(",limit_ms=")
    return LoadPoint(f"{head},{around}{limit}{value}", point.trace_s)


def _batched(point: LoadPoint, batching: Batching | None) -> LoadPoint:
    if batching is None or batching.max_batch == 1:
        return point
    # In the order of a canonical text: a network and the limit come after it.
    parts = point.text.split(",")
    place = next((n for n, part in enumerate(parts) if part.partition("=")[0] in _AFTER_BATCHING), len(parts))
    text = f"batch={batching.max_batch},wait_ms={batching.max_wait_ms:g}"
    return LoadPoint(",".join([*parts[:place], text, *parts[place:]]), point.trace_s)


def _generated(benchmark: Benchmark) -> Iterator[tuple[str, Architecture]]:
    count = sum(_count_generated(block) for block in benchmark.generate or ())
    if count > MOST_GENERATED:
        problem = f"asks for {count:,} canonical models, at most {MOST_GENERATED:,} are made for one experiment"
        raise BenchmarkError(f"the benchmark file is invalid: generate: {problem}", [("generate", problem)])
    parameters: dict[str, int] = {}
    for place, block in enumerate(benchmark.generate or ()):
        for family, layers, width, shape, seed in product(
            block.family, block.layers, block.width, block.input or ((),), block.seed
        ):
            try:
                wanted = Architecture(
                    family=family, layers=layers, width=width, input=shape, classes=block.classes, seed=seed
                )
                named = canonical(wanted)
                parameters[named.identity] = plan_graph(wanted).parameters
            except ArchitectureError as error:
                path = f"generate[{place}].{error.field}"
                raise BenchmarkError(
                    f"the benchmark file is invalid: {path}: {error.problem}", [(path, error.problem)]
                ) from None
            if sum(parameters.values()) > MOST_GENERATED_PARAMETERS:
                problem = (
                    f"the models up to {named.identity} would have {sum(parameters.values()):,} parameters together, "
                    f"at most {MOST_GENERATED_PARAMETERS:,} are generated for one file: take fewer or smaller ones"
                )
                raise BenchmarkError(f"the benchmark file is invalid: generate: {problem}", [("generate", problem)])
            yield named.identity, named
