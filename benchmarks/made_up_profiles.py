"""Profiles that nobody measured: variants with a service time each, loads run through a simulated queue.

Latencies follow Lindley's recursion over lognormal service times, so that tails grow with the load as real ones do; all
else is derived from them by the formulas of docs/profiling.md. The same seed gives the same profiles.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from msearch_client import InvalidReason, Load, Measurement, Offer, Profile, RunSummary, Scenario, Variant, Verdict
from msearch_client._quantities import QUANTITIES

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
REQUESTS = 1_500
RUNS = 3
SIGMA = 0.12
PERCENTS = {"p50_ms": 50.0, "p90_ms": 90.0, "p95_ms": 95.0, "p99_ms": 99.0}
UNMEASURED_ENERGY = "this host has no RAPL counters"


@dataclass(frozen=True, slots=True)
class MadeUpModel:
    """Its execution time in ms a sample in fp32 of ONNX Runtime with one thread on the first host, and its size."""

    name: str
    per_sample_ms: float
    parameters: float
    flops: float
    layers: int | None = None


@dataclass(frozen=True, slots=True)
class MadeUpHost:
    """Its class, its speed relative to the first host, what an hour of it costs; `power_w` None without a counter."""

    name: str
    speed: float
    cpus: int
    usd_per_hour: float
    power_w: float | None
    cpu: str


MODELS = (
    MadeUpModel("digits-small@1", 0.45, 6.0e5, 2.4e7),
    MadeUpModel("digits-wide@2", 1.30, 3.3e6, 9.1e7),
    MadeUpModel("topics-bag@1", 0.12, 3.3e4, 6.5e4),
)
HOSTS = (
    MadeUpHost("xeon-8481c-4cpu-16gib-3f2a91", 1.0, 4, 0.21, 48.0, "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"),
    MadeUpHost("epyc-9b14-4cpu-16gib-c07d12", 1.22, 4, 0.19, None, "AMD EPYC 9B14"),
)
FORMS = ("onnxruntime fp32", "onnxruntime int8_static", "openvino fp32", "openvino int8_static", "torch fp32")
_FORM_SPEED = {"onnxruntime": 1.0, "openvino": 1.18, "torch": 0.62}
_PRECISION_SPEED = {"fp32": 1.0, "int8_static": 1.75, "int8_dynamic": 0.9, "bf16": 1.1, "fp16": 1.1}
CALL_SHARES = {"preprocess": 0.3, "inference": 0.6, "postprocess": 0.1}
"""Where the time of a call goes in a pipeline."""

_LOSS = {"fp32": 0.0, "int8_static": 0.004, "int8_dynamic": 0.016, "bf16": 0.001, "fp16": 0.001}


def make_profile(
    model: MadeUpModel,
    variant: str | Variant,
    load: str,
    host: MadeUpHost = HOSTS[0],
    *,
    seed: int = 1,
    broken: Sequence[str] = (),
) -> Profile:
    """One profile; `broken` are the validity rules that its runs did not keep."""
    chosen = Variant.parse(variant) if isinstance(variant, str) else variant
    parsed = Load.parse(load)
    key = f"{seed} {model.name} {chosen} {load} {host.name}"
    random = np.random.default_rng(list(key.encode()))
    service = _service_ms(model, chosen, host)
    reasons = tuple(InvalidReason(rule, "made up") for rule in broken)
    verdict = Verdict.INVALID if broken else Verdict.VALID
    started = START + timedelta(minutes=int(random.integers(0, 60 * 24 * 3)))
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    runs = []
    for number in range(RUNS):
        drift = math.exp(random.normal(0, 0.012))
        executing, latency, span_s = _drive(parsed, service * drift, random)
        latency = latency + (parsed.network.round_trip_ms if parsed.network is not None else 0.0)
        for value in latency:
            histogram.record_value(max(round(value * 1e3), 1))
        runs.append(
            RunSummary(
                verdict=verdict, reasons=reasons, schedule_digest=f"{number:064x}",
                measurements=tuple(_of_run(latency, executing, span_s, chosen, parsed)),
                started_at=started + timedelta(seconds=20 * number),
            )
        )  # fmt: skip
    offered = chosen.precision.value != "int8_dynamic"
    return Profile(
        id=f"prf_{random.bytes(10).hex()}", job_id="job_made_up", attempt=1, model_id=f"mdl_{model.name}",
        model_name=model.name, variant=chosen, load=parsed, load_text=str(parsed), host_class=host.name,
        agent_id="agt_made_up", verdict=verdict, reasons=reasons,
        measurements=tuple(_of_profile(model, chosen, host, runs, random)),
        histogram="" if broken else histogram.encode().decode(), runs=tuple(runs),
        offer=Offer.OFFERED if offered and not broken else Offer.REJECTED,
        offer_reason="" if offered else "rejected: loses up to 1.9 %, more than the 1 % allowed",
        verified_on="sample", host_json=json.dumps(_fingerprint(host)),
        versions={"numpy": "2.3.4", chosen.backend: "1.23.0"}, created_at=started + timedelta(minutes=2),
    )  # fmt: skip


def _service_ms(model: MadeUpModel, variant: Variant, host: MadeUpHost) -> float:
    """Of one call: a fixed part and one a sample, shared by threads at 80 % efficiency."""
    speed = host.speed * _FORM_SPEED.get(variant.backend, 1.0) * _PRECISION_SPEED[variant.precision.value]
    threads = 1 + 0.8 * (variant.threads - 1)
    return (0.06 + model.per_sample_ms * variant.batch_size / threads) / speed


def _drive(load: Load, service_ms: float, random: np.random.Generator) -> tuple[Any, Any, float]:
    """Execution times and response latencies in ms, and how long it took in s."""
    executing = service_ms * np.exp(random.normal(0, SIGMA, REQUESTS))
    executing[random.random(REQUESTS) < 0.004] *= 3.5
    clients = load.streams if load.scenario is Scenario.CONCURRENCY else 1
    if load.scenario is not Scenario.SERVER:
        return executing, executing * clients, float(executing.sum()) / 1e3
    gaps = random.exponential(1e3 / load.rate_per_s, REQUESTS)
    waits = np.zeros(REQUESTS)
    for number in range(1, REQUESTS):
        waits[number] = max(0.0, waits[number - 1] + executing[number - 1] - gaps[number])
    return executing, waits + executing, float(gaps.sum()) / 1e3


def _of_run(
    latency: NDArray[Any], executing: NDArray[Any], span_s: float, variant: Variant, load: Load
) -> Iterator[Measurement]:
    for name, percent in PERCENTS.items():
        yield _measurement(name, _rank(latency, percent))
    yield _measurement("mean_ms", float(latency.mean()))
    yield _measurement("max_ms", float(latency.max()))
    yield _measurement("service_p50_ms", _rank(executing, 50.0))
    yield _measurement("service_p99_ms", _rank(executing, 99.0))
    way_ms = load.network.round_trip_ms / 2 if load.network is not None else 0.0
    queueing = latency - executing - 2 * way_ms
    yield _measurement("queue_p50_ms", _rank(queueing, 50.0))
    yield _measurement("queue_p99_ms", _rank(queueing, 99.0))
    if load.pipeline:
        yield _measurement("stage_queue_ms", float(queueing.mean()))
        for stage, share in CALL_SHARES.items():
            yield _measurement(f"stage_{stage}_ms", share * float(executing.mean()))
        if load.network is not None:
            yield from (_measurement(f"stage_{stage}_ms", way_ms) for stage in ("uplink", "downlink"))
    name = "peak_rate_per_s" if load.scenario is Scenario.FIND_PEAK else "throughput_per_s"
    yield _measurement(name, REQUESTS * variant.batch_size / span_s)
    yield _measurement("cpu_utilisation", min(float(executing.sum()) / 1e3 / span_s, 1.0) * variant.threads)


def _of_profile(
    model: MadeUpModel, variant: Variant, host: MadeUpHost, runs: Sequence[RunSummary], random: np.random.Generator
) -> Iterator[Measurement]:
    names = [item.name for item in runs[0].measurements]
    found = {name: sorted(run.measurement(name).value or 0.0 for run in runs) for name in names}
    middle = sorted(runs, key=lambda run: run.measurement("mean_ms").value or 0.0)[len(runs) // 2]
    for name, values in found.items():
        if name.startswith("stage_"):  # of one run, so that they add up
            yield _measurement(name, middle.measurement(name).value)
        else:
            yield replace(_measurement(name, values[len(values) // 2]), low=values[0], high=values[-1])
    throughput = found.get("throughput_per_s", found.get("peak_rate_per_s", [1.0]))[RUNS // 2]
    energy = None if host.power_w is None else host.power_w / throughput
    yield _measurement("energy_j", energy, "rapl_counter", UNMEASURED_ENERGY)
    yield _measurement("co2_g_per_1k", None if energy is None else 1e3 * energy / 3.6e6 * 381 * 1.2, "rapl_counter",
                       UNMEASURED_ENERGY)  # fmt: skip
    yield _measurement("cost_per_1k", host.usd_per_hour / (3600 * throughput) * 1e3, "price table")
    yield _measurement("peak_memory_bytes", 9.0e7 + 4 * model.parameters + 2e5 * variant.batch_size)
    yield _measurement("parameters", model.parameters)
    yield _measurement("flops", model.flops)
    yield _measurement("preprocess_ms", 0.02)
    yield _measurement("postprocess_ms", 0.004)
    cold = dict(zip(("process_start_ms", "load_ms", "compile_ms", "first_inference_ms"), random.lognormal(
        [4.6, 4.2, 4.0 if variant.backend == "openvino" else 2.4, 1.0], 0.2), strict=True))  # fmt: skip
    yield _measurement("cold_start_ms", float(sum(cold.values())))
    for name, value in cold.items():
        yield _measurement(name, float(value))
    precision = variant.precision.value
    loss = _LOSS[precision] * (0.5 + random.random())
    yield replace(_measurement("accuracy_loss", loss), low=max(0.0, loss - 0.003), high=loss + 0.003)
    if precision != "fp32":
        speed = _PRECISION_SPEED[precision] * math.exp(random.normal(0, 0.08))
        yield replace(_measurement("speed_up", speed), low=0.96 * speed, high=1.04 * speed)


def _measurement(name: str, value: float | None, source: str = "made up", detail: str = "") -> Measurement:
    return Measurement(
        name=name, value=value, unit=QUANTITIES[name].unit, source="none" if value is None else source,
        detail=detail if value is None else "",
    )  # fmt: skip


def _rank(values: NDArray[Any], percent: float) -> float:
    return float(np.sort(values)[math.ceil(percent / 100 * len(values)) - 1])


def _fingerprint(host: MadeUpHost) -> dict[str, Any]:
    single = 95.0 * host.speed
    return {
        "cpu": {"model": host.cpu, "usable_cpus": host.cpus, "isa": ["avx2", "avx512f"], "governor": "performance",
                "turbo": True, "smt": True},
        "memory": {"usable_bytes": 16 << 30},
        "system": {"kernel": "6.12", "virtualisation": "kvm"},
        "python": "3.12.9",
        "libraries": {"numpy": "2.3.4", "onnxruntime": "1.23.0"},
        "peaks": [
            {"threads": 1, "gflop_per_s": single, "gb_per_s": 11.0},
            {"threads": host.cpus, "gflop_per_s": 0.9 * host.cpus * single, "gb_per_s": 31.0},
        ],
    }  # fmt: skip


def a_study() -> list[Profile]:
    """A set with something for every analysis: two hosts, sweeps of rate, batch and threads, peaks, INVALID ones."""
    found = []
    for host in HOSTS:
        for model in MODELS:
            forms = (*FORMS, "onnxruntime int8_dynamic") if model is MODELS[1] else FORMS
            found += [make_profile(model, form, "single_stream", host) for form in forms]
            found += [make_profile(model, form, "server:200", host) for form in FORMS[:3]]
    wide = MODELS[1]
    found += [make_profile(wide, form, f"server:{rate}") for form in FORMS[:3] for rate in (50, 100, 400, 600)]
    found += [make_profile(wide, "onnxruntime fp32", "server:750", broken=("unsteady",))]
    found += [make_profile(wide, "onnxruntime fp32", "find_peak:20")]
    found += [make_profile(wide, "openvino fp32", f"concurrency:{clients}") for clients in (1, 2, 4, 8)]
    found += [
        make_profile(wide, f"onnxruntime fp32 batch={batch} threads={threads}", "single_stream",
                     broken=("disturbed",) if (batch, threads) == (16, 4) else ())
        for batch in (1, 4, 16, 64) for threads in (1, 2, 4) if (batch, threads) != (1, 1)
    ]  # fmt: skip
    found += [
        make_profile(wide, f"onnxruntime fp32 batch={batch}", f"server:{rate}")
        for batch in (2, 4) for rate in (50, 100, 200)
    ]  # fmt: skip
    found += [make_profile(MODELS[0], "torch fp32", "server:400", broken=("late_generator", "disturbed"))]
    return found


def pipeline_profiles() -> list[Profile]:
    """Requests that carry rows, beside the model and over a network."""
    loads = ("server:200,pipeline=1", "server:200,pipeline=1,rtt_ms=5")
    return [make_profile(model, form, load) for load in loads for model in MODELS for form in FORMS[:2]]
