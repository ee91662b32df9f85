"""How far predictions of latency are off on models that they never saw.

    python -m benchmarks.bench_latency_prediction [--quick] [--observations FILE]

Canonical models of five families and many sizes are compiled by the agent's own backends and timed on this host, call
by call in alternating rounds; the p50 of a closed loop is what a single_stream profile reports. Then each model is left
out in turn and predicted from all others, nothing of it being known but what its graph says; and each family, which is
harder than anything the interval promises. Beside the predictor stand simpler rules under the same split: the median of
all latencies, a share of the peak, a share of the roofline. `--observations` keeps what was measured, or takes it from
there.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.report import Report, print_table
from msearch_deployment.latency import COVERAGE, Case, LatencyPredictor, Machine, Observation, Unpredictable, Work
from msearch_experiments.canonical import Architecture, onnx_bytes
from profiler_agent.backends import find_backend
from profiler_agent.backends.base import CompiledModel, CompileRequest
from profiler_agent.host import calibrate_peaks
from profiler_agent.onnx_files import count, generated_feeds
from profiler_agent.work import Variant

BACKENDS = ("onnxruntime", "openvino")
BATCHES = (1, 8)
ROUNDS = 5
ROUND_S = 0.05
LEAST_CALLS = 3
PREDICTOR = "predictor"

SIZES: dict[str, tuple[tuple[int, int], ...]] = {
    "mlp": ((2, 64), (2, 1024), (4, 256), (4, 1024), (8, 512), (3, 2048)),
    "cnn": ((2, 16), (3, 32), (4, 32), (4, 64), (6, 64), (8, 32)),
    "resnet": ((4, 16), (6, 32), (8, 32), (8, 64), (12, 32), (4, 64)),
    "lstm": ((1, 64), (1, 256), (2, 128), (2, 256), (3, 64), (1, 512)),
    "transformer": ((1, 64), (2, 64), (2, 128), (4, 128), (4, 256), (6, 128)),
}
"""Layers and widths by family."""
MODELS = tuple(
    Architecture(family=family, layers=layers, width=width)
    for family, sizes in SIZES.items()
    for layers, width in sizes
)

Rule = Callable[[Sequence[Observation], Case], float]


@dataclass(frozen=True, slots=True)
class Timed:
    """What was measured of one model: its form, family and observation."""

    backend: str
    family: str
    observation: Observation


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half of the models; the bars then prove nothing")
    parser.add_argument("--observations", type=Path, help="file to keep what was measured in, or to take it from")
    arguments = parser.parse_args()
    report = Report("latency_prediction", quick=arguments.quick)
    timed = _read(arguments.observations)
    if not timed:
        timed = measure(MODELS[::2] if arguments.quick else MODELS)
        _write(arguments.observations, timed)
    report.figure("observations", len(timed))
    for backend in BACKENDS:
        judge(report, backend, [one for one in timed if one.backend == backend])
    return report.finish()


def measure(models: Sequence[Architecture]) -> list[Timed]:
    """Times every model in every backend and batch, in rounds, so that a host that drifts touches all alike."""
    peaks = calibrate_peaks(1)
    machine = Machine(host_class="this host", gflop_per_s=peaks.gflop_per_s, gb_per_s=peaks.gb_per_s)
    print(f"one thread: {peaks.gflop_per_s:.3g} GFLOP/s, {peaks.gb_per_s:.3g} GB/s")
    runs: dict[tuple[str, str, int], list[float]] = {}
    works: dict[str, tuple[str, Work]] = {}
    with tempfile.TemporaryDirectory() as place, ExitStack() as open_models:
        calls: dict[tuple[str, str, int], Callable[[], object]] = {}
        for architecture in models:
            path = Path(place) / f"{len(works)}.onnx"
            path.write_bytes(onnx_bytes(architecture))
            works[architecture.name] = (architecture.family, _work(path))
            for backend in BACKENDS:
                compiled = _compile(backend, path, Path(place))
                open_models.callback(compiled.close)
                for batch in BATCHES:
                    calls[architecture.name, backend, batch] = _call(compiled, batch)
        for number in range(ROUNDS + 1):
            print(f"round {number} of {ROUNDS}", file=sys.stderr)
            for key, call in calls.items():
                times = _times(call)
                if number:  # the first warms up
                    runs.setdefault(key, []).append(statistics.median(times))
    found = []
    for (name, backend, batch), medians in runs.items():
        family, work = works[name]
        case = Case(model=name, work=work, machine=machine, batch=batch)
        found.append(Timed(backend, family, Observation(case, statistics.median(medians))))
    return found


def _work(path: Path) -> Work:
    counts = count(path)
    assert counts.flops is not None
    assert counts.activation_bytes is not None
    return Work(
        flops=counts.flops,
        activation_bytes=counts.activation_bytes,
        parameters=counts.parameters,
        operators=counts.operator_count,
    )


def _compile(backend: str, path: Path, folder: Path) -> CompiledModel:
    request = CompileRequest(
        variant=Variant(backend=backend, device="cpu"), artifact=path, format="onnx", digest=path.stem,
        cache=folder / "cache", workspace=folder, largest_batch=max(BATCHES),
    )  # fmt: skip
    return find_backend(backend).compile(request)


def _call(compiled: CompiledModel, batch: int) -> Callable[[], object]:
    feed = generated_feeds(compiled.inputs, batch, 1)
    return lambda: compiled.run(feed)


def _times(call: Callable[[], object]) -> list[float]:
    """Milliseconds of calls one after another, for a while."""
    found: list[float] = []
    end = time.perf_counter() + ROUND_S
    while len(found) < LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        found.append((time.perf_counter() - start) * 1e3)
    return found


RULES: dict[str, Rule] = {
    "median of all": lambda seen, _: statistics.median(one.latency_ms for one in seen),
    "share of the peak": lambda seen, case: _scaled(seen, case, lambda one: one.compute_ms),
    "share of the roofline": lambda seen, case: _scaled(seen, case, lambda one: one.roofline_ms),
}


@dataclass(slots=True)
class Judged:
    """Errors as factors by rule, those of the predictor by family, and what its intervals were worth."""

    errors: dict[str, list[float]]
    families: dict[str, list[float]]
    covered: list[bool]
    widths: list[float]
    refused: int = 0


def leave_out(timed: Sequence[Timed], group: Callable[[Timed], str]) -> Judged:
    """Leaves each group out in turn and predicts it from all others. Raises Unpredictable with too few models."""
    judged = Judged({name: [] for name in (*RULES, PREDICTOR)}, {}, [], [])
    for name in sorted({group(one) for one in timed}):
        seen = [one.observation for one in timed if group(one) != name]
        predictor = LatencyPredictor(seen)
        for one in timed:
            if group(one) != name:
                continue
            case, latency = one.observation.case, one.observation.latency_ms
            try:
                told = predictor.predict(case)
            except Unpredictable:
                judged.refused += 1
                continue
            for label, rule in RULES.items():
                judged.errors[label].append(_factor(rule(seen, case), latency))
            judged.errors[PREDICTOR].append(_factor(told.latency_ms, latency))
            judged.families.setdefault(one.family, []).append(judged.errors[PREDICTOR][-1])
            judged.covered.append(told.low_ms <= latency <= told.high_ms)
            judged.widths.append(math.sqrt(told.high_ms / told.low_ms))
    return judged


def judge(report: Report, backend: str, timed: Sequence[Timed]) -> None:
    """Prints errors as factors, by rule and by family, and keeps the bars."""
    try:
        models = leave_out(timed, lambda one: one.observation.case.model)
        families = leave_out(timed, lambda one: one.family)
    except Unpredictable as error:
        print(f"{backend}: {error}")
        return
    print()
    spread = ["median", "p90", "largest"]
    print_table(
        [f"{backend}: off by a factor of", *spread], [[name, *_spread(one)] for name, one in models.errors.items()]
    )
    print_table(["predictor by family", *spread], [[name, *_spread(one)] for name, one in models.families.items()])
    print_table(["family never seen", *spread], [[name, *_spread(one)] for name, one in families.families.items()])
    share = sum(models.covered) / len(models.covered)
    width = statistics.median(models.widths)
    within = f"{100 * share:.0f} % within the {100 * COVERAGE:.0f} % interval"
    print(f"{len(models.covered)} predicted, {models.refused} refused; {within}, a factor of {width:.2f} to each side")
    figures = {name: dict(zip(spread, _spread(one), strict=True)) for name, one in models.errors.items()}
    unseen = dict(zip(spread, _spread(families.errors[PREDICTOR]), strict=True))
    kept = {"coverage": share, "half_width_factor": width, "refused": models.refused, "family_never_seen": unseen}
    report.figure(backend, figures | kept)
    report.bar(f"{backend}_median_factor", statistics.median(models.errors[PREDICTOR]), limit=1.5)
    report.bar(f"{backend}_coverage", share, limit=0.85, more_is_better=True)


def _scaled(seen: Sequence[Observation], case: Case, bound_ms: Callable[[Case], float]) -> float:
    """The bound times the median of what models took of theirs."""
    return bound_ms(case) * statistics.median(one.latency_ms / bound_ms(one.case) for one in seen)


def _factor(predicted: float, measured: float) -> float:
    return max(predicted / measured, measured / predicted)


def _spread(factors: Sequence[float]) -> list[str]:
    return [f"{value:.2f}" for value in (statistics.median(factors), float(np.quantile(factors, 0.9)), max(factors))]


def _read(path: Path | None) -> list[Timed]:
    if path is None or not path.exists():
        return []
    found = []
    for one in json.loads(path.read_text(encoding="utf-8")):
        raw = one["observation"]
        found.append(Timed(one["backend"], one["family"], Observation(_case(raw["case"]), raw["latency_ms"])))
    return found


def _case(raw: dict[str, object]) -> Case:
    work, machine = raw.pop("work"), raw.pop("machine")
    return Case(work=Work(**work), machine=Machine(**machine), **raw)  # type: ignore[arg-type]


def _write(path: Path | None, timed: Sequence[Timed]) -> None:
    if path is not None:
        path.write_text(json.dumps([asdict(one) for one in timed]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
