"""The measured quantities by name: unit, whether smaller is better, and numbers with human units ("20ms", "512MiB").

The names are the API; docs/profiling.md describes each with its formula.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches

from msearch_client._errors import LocalError

LOWER, HIGHER = "lower", "higher"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured quantity. `better` is "lower" or "higher"."""

    name: str
    unit: str
    better: str = LOWER


_BY_UNIT: dict[tuple[str, str], str] = {
    ("ms", LOWER): (
        "mean_ms p50_ms p90_ms p95_ms p99_ms p999_ms max_ms service_p50_ms service_p99_ms queue_p50_ms queue_p99_ms "
        "dispatch_p50_ms dispatch_p99_ms batch_wait_p50_ms batch_wait_p99_ms uplink_p50_ms uplink_p99_ms "
        "downlink_p50_ms downlink_p99_ms preprocess_ms postprocess_ms stage_uplink_ms stage_queue_ms "
        "stage_preprocess_ms stage_inference_ms stage_postprocess_ms stage_downlink_ms "
        "cold_start_ms process_start_ms load_ms compile_ms first_inference_ms batch_slope_ms batch_intercept_ms"
    ),
    ("s", LOWER): "duration_s warm_up_s",
    ("1/s", HIGHER): "throughput_per_s goodput_per_s peak_rate_per_s",
    ("bytes", LOWER): "peak_memory_bytes device_memory_bytes artifact_bytes compiled_bytes activation_bytes",
    ("", LOWER): "cpu_utilisation gpu_utilisation memory_utilisation max_difference accuracy_loss parameters operators",
    ("", HIGHER): "top1_agreement speed_up mean_batch_size",
    ("J", LOWER): "energy_j energy_net_j",
    ("W", LOWER): "power_w",
    ("USD", LOWER): "cost_per_1k",
    ("g", LOWER): "co2_g_per_1k",
    ("dB", HIGHER): "sqnr_db",
    ("FLOP", LOWER): "flops",
}
QUANTITIES: dict[str, Quantity] = {
    name: Quantity(name, unit, better) for (unit, better), names in _BY_UNIT.items() for name in names.split()
}

DEPLOYMENT_QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (Quantity("accuracy", "", HIGHER), Quantity("replicas", ""), Quantity("usd_per_hour", "USD"))
}
"""What a recommendation knows beside what was measured; no profile holds them, so no query can limit them."""

# Factors to the unit of the quantity. Prefixes of bytes follow IEC 80000-13: KiB is 1024, kB is 1000.
_FACTORS: dict[str, dict[str, float]] = {
    "ms": {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6},
    "s": {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "1/s": {"1/s": 1.0, "/s": 1.0, "hz": 1.0, "k/s": 1e3, "1/min": 1 / 60, "/min": 1 / 60},
    "bytes": {
        "b": 1.0, "byte": 1.0, "bytes": 1.0,
        "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40,
    },
    "": {"%": 0.01, "k": 1e3, "M": 1e6, "G": 1e9},
    "J": {"uJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "Wh": 3600.0},
    "W": {"mW": 1e-3, "W": 1.0, "kW": 1e3},
    "USD": {"usd": 1.0, "$": 1.0},
    "g": {"mg": 1e-3, "g": 1.0, "kg": 1e3},
    "dB": {"db": 1.0},
    "FLOP": {"flop": 1.0, "kflop": 1e3, "mflop": 1e6, "gflop": 1e9, "tflop": 1e12},
}  # fmt: skip

# Where case tells units apart (mJ from MJ) it counts; elsewhere it does not.
_ANY_CASE = ("ms", "s", "1/s", "bytes", "USD", "dB", "FLOP")

_AMOUNT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)")


def read_amount(text: str, metric: str) -> float:
    """The number in the unit of the quantity `metric`: "20", "20ms" and "0.02 s" are all 20 for "p99_ms".

    Raises:
        LocalError: it is no number, or its unit is not one of this quantity.
    """
    found = _AMOUNT.fullmatch(text.strip())
    value = float(found[1]) if found else math.nan
    if not found or not math.isfinite(value):
        raise LocalError(f"{text.strip()!r} is not a number, as a limit on {metric} must be")
    unit = found[2]
    if not unit:
        return value
    quantity = QUANTITIES.get(metric) or DEPLOYMENT_QUANTITIES.get(metric)
    if quantity is None:
        raise LocalError(
            f"{metric} is not a quantity this client knows, so {unit!r} cannot be converted to its unit",
            hint="give the number alone, in the unit that docs/profiling.md says",
        )
    factors = _FACTORS[quantity.unit]
    factor = factors.get(unit.lower() if quantity.unit in _ANY_CASE else unit)
    if factor is None:
        known = ", ".join(dict.fromkeys(factors))
        raise LocalError(f"{unit!r} is no unit of {metric}", hint=f"use one of {known}, or the number alone")
    return value * factor


def better_of(metric: str) -> str:
    """Which values of a quantity are better: "lower" or "higher".

    Raises:
        LocalError: this client does not know the quantity.
    """
    if metric not in QUANTITIES:
        near = get_close_matches(metric, QUANTITIES, n=3)
        raise LocalError(
            f"{metric!r} is not a quantity this client knows",
            hint=f"did you mean {' or '.join(near)}?" if near else "docs/profiling.md lists them",
        )
    return QUANTITIES[metric].better
