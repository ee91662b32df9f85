"""How measured quantities are shown to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from msearch_analysis.amounts import format_amount, format_number
from msearch_client import Measurement, Profile
from msearch_client._quantities import QUANTITIES

# Title of a column, and the quantities that may fill it: the first that was measured.
COLUMNS: dict[str, tuple[str, ...]] = {
    "p50 ms": ("p50_ms",),
    "p99 ms": ("p99_ms",),
    "per s": ("throughput_per_s", "peak_rate_per_s"),
    "memory": ("peak_memory_bytes",),
    "energy": ("energy_j",),
}


# How the quantities of a profile are grouped for people; what stands nowhere follows at the end.
GROUPS: dict[str, tuple[str, ...]] = {
    "response latency": ("mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"),
    "parts of the latency": (
        "preprocess_ms", "uplink_p50_ms", "uplink_p99_ms", "queue_p50_ms", "queue_p99_ms", "batch_wait_p50_ms",
        "batch_wait_p99_ms", "mean_batch_size", "service_p50_ms", "service_p99_ms", "downlink_p50_ms",
        "downlink_p99_ms", "postprocess_ms", "dispatch_p50_ms", "dispatch_p99_ms",
    ),
    "stages of the latency, means": (
        "stage_uplink_ms", "stage_queue_ms", "stage_preprocess_ms", "stage_inference_ms", "stage_postprocess_ms",
        "stage_downlink_ms",
    ),
    "throughput": ("throughput_per_s", "goodput_per_s", "peak_rate_per_s"),
    "resources": (
        "peak_memory_bytes", "device_memory_bytes", "cpu_utilisation", "gpu_utilisation", "memory_utilisation",
    ),
    "energy and cost": ("energy_j", "energy_net_j", "power_w", "cost_per_1k", "co2_g_per_1k"),
    "cold start": ("cold_start_ms", "process_start_ms", "load_ms", "compile_ms", "first_inference_ms"),
    "model": (
        "artifact_bytes", "compiled_bytes", "parameters", "operators", "activation_bytes", "flops",
        "batch_slope_ms", "batch_intercept_ms",
    ),
    "run": ("duration_s", "warm_up_s"),
    "quality": ("max_difference", "top1_agreement", "sqnr_db", "accuracy_loss", "speed_up"),
}  # fmt: skip

_SOURCE_MATTERS = frozenset(GROUPS["energy and cost"] + GROUPS["resources"] + ("speed_up",))


def format_interval(measurement: Measurement) -> str:
    """The 95 % interval, or nothing where there is none; the unit is said once where it is that of both ends."""
    low, high = (
        None if end is None else format_amount(end, measurement.unit) for end in (measurement.low, measurement.high)
    )
    if measurement.value is None or (low is None and high is None):
        return ""
    if low is None or high is None:
        return f"at most {high}" if low is None else f"at least {low}"
    unit = high.partition(" ")[2]
    return f"{low.removesuffix(f' {unit}') if unit else low.removesuffix('/s')} to {high}"


def format_metric(profile: Profile | None, name: str) -> str:
    """A quantity of a profile with its unit, by the quantity's name."""
    value = None if profile is None else profile.value(name)
    quantity = QUANTITIES.get(name)
    return format_amount(value, quantity.unit if quantity else "")


def format_duration(duration: timedelta | None) -> str:
    """A duration for people: "3.2 s", "1 min 12 s"."""
    if duration is None:
        return ""
    seconds = duration.total_seconds()
    return f"{seconds:.3g} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def profile_row(profile: Profile, *, model: bool = False) -> dict[str, str]:
    """A profile as a row of a table."""
    row = {"model": profile.model_name or "-"} if model else {}
    row |= {"variant": str(profile.variant), "load": profile.load_text, "verdict": profile.verdict.value}
    for title, names in COLUMNS.items():
        found = next((item for item in _measured(profile, names)), None)
        if found is None:
            row[title] = "-"
        elif found.unit in ("ms", "1/s"):
            row[title] = format_number(found.value)
        else:
            row[title] = format_amount(found.value, found.unit)
    return row | {"offer": profile.offer.value}


def _measured(profile: Profile, names: Sequence[str]) -> Iterable[Measurement]:
    return (item for name in names for item in profile.measurements if item.name == name and item.value is not None)


def grouped(profile: Profile) -> Iterator[tuple[str, list[Measurement]]]:
    """The quantities in their groups; groups without any are left out."""
    held = {item.name: item for item in profile.measurements}
    for title, names in GROUPS.items():
        found = [held.pop(name) for name in names if name in held]
        if found:
            yield title, found
    if held:
        yield "other", list(held.values())


def describe(measurement: Measurement) -> str:
    """A value with its interval and source, or why there is none."""
    if measurement.value is None:
        return f"not measured: {measurement.detail or 'no reason given'}"
    interval = format_interval(measurement)
    parts = [
        format_amount(measurement.value, measurement.unit),
        f"(95 %: {interval})" if interval else "",
        f"[{measurement.source}]" if measurement.name in _SOURCE_MATTERS and measurement.source else "",
        measurement.detail if measurement.name in _SOURCE_MATTERS else "",
    ]
    return " ".join(part for part in parts if part)
