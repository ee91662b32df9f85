"""Quantities in words, for axes and headings."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from msearch_analysis.charts import Axis
from msearch_analysis.errors import AnalysisError
from msearch_analysis.rows import Estimate, Quantity, Row, Study

_WORDS = {
    "mean_ms": "mean latency",
    "p50_ms": "median latency (p50)",
    "p90_ms": "p90 latency",
    "p95_ms": "p95 latency",
    "p99_ms": "p99 latency",
    "p999_ms": "p99.9 latency",
    "max_ms": "largest latency",
    "service_p50_ms": "execution, p50",
    "service_p99_ms": "execution, p99",
    "queue_p50_ms": "queueing, p50",
    "queue_p99_ms": "queueing, p99",
    "uplink_p50_ms": "way to the model, p50",
    "uplink_p99_ms": "way to the model, p99",
    "downlink_p50_ms": "way back, p50",
    "downlink_p99_ms": "way back, p99",
    "batch_wait_p50_ms": "wait for a batch, p50",
    "batch_wait_p99_ms": "wait for a batch, p99",
    "stage_uplink_ms": "way to the model, mean",
    "stage_queue_ms": "queueing, mean",
    "stage_preprocess_ms": "pre-processing, mean",
    "stage_inference_ms": "execution, mean",
    "stage_postprocess_ms": "post-processing, mean",
    "stage_downlink_ms": "way back, mean",
    "preprocess_ms": "pre-processing",
    "postprocess_ms": "post-processing",
    "throughput_per_s": "throughput",
    "goodput_per_s": "goodput",
    "peak_rate_per_s": "peak rate",
    "peak_memory_bytes": "peak memory",
    "device_memory_bytes": "device memory",
    "cpu_utilisation": "CPU utilisation",
    "gpu_utilisation": "GPU utilisation",
    "energy_j": "energy an inference",
    "energy_net_j": "energy an inference, net of idle",
    "power_w": "power",
    "cost_per_1k": "cost of 1,000 inferences",
    "co2_g_per_1k": "CO2 of 1,000 inferences",
    "cold_start_ms": "cold start",
    "process_start_ms": "starting the process",
    "load_ms": "loading",
    "compile_ms": "compiling",
    "first_inference_ms": "first inference",
    "accuracy_loss": "accuracy loss",
    "speed_up": "speed-up over fp32",
    "top1_agreement": "top-1 agreement",
}

_UNITS = {"cpu_utilisation": "cores", "gpu_utilisation": "share of time", "speed_up": "times", "accuracy_loss": "share"}


# Units from the largest, with their size: an axis takes the first that its largest value fills.
_STEPS: dict[str, tuple[tuple[str, float], ...]] = {
    "bytes": (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10)),
    "J": (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6)),
    "g": (("g", 1.0), ("mg", 1e-3), ("µg", 1e-6)),
    "USD": (("USD", 1.0), ("10⁻³ USD", 1e-3), ("10⁻⁶ USD", 1e-6)),
    "FLOP": (("GFLOP", 1e9), ("MFLOP", 1e6), ("kFLOP", 1e3)),
}


def words_of(name: str) -> str:
    """A quantity in words: "p99 latency"."""
    return _WORDS.get(name, name.replace("_", " "))


class Scale(NamedTuple):
    """An axis in a unit that suits the values drawn, and what values are multiplied by to be in it."""

    axis: Axis
    factor: float

    def point(self, estimate: Estimate) -> tuple[float, float | None, float | None]:
        """A value and the ends of its interval in the unit of the axis."""
        low, high = (None if end is None else self.factor * end for end in (estimate.low, estimate.high))
        return self.factor * estimate.value, low, high


def scale_of(quantity: Quantity, values: Iterable[float], *, log: bool = False) -> Scale:
    """A scale for the values of a quantity: 1.2e-5 J are drawn as 12 µJ, bytes as MiB."""
    largest = max((abs(value) for value in values), default=0.0)
    unit, step = _UNITS.get(quantity.name, quantity.unit), 1.0
    for candidate, size in _STEPS.get(quantity.unit, ()):
        unit, step = candidate, size
        if largest >= size:
            break
    return Scale(Axis(words_of(quantity.name), unit, log=log), 1 / step)


def quantity_of(study: Study, name: str) -> Quantity:
    """The quantity of that name.

    Raises:
        AnalysisError: there is none.
    """
    if name not in study.quantities:
        near = get_close_matches(name, study.quantities, n=3)
        raise AnalysisError(
            f"{name!r} is not a quantity",
            hint=f"did you mean {' or '.join(near)}?" if near else "docs/profiling.md lists them",
        )
    return study.quantities[name]


def titled(study: Study, *parts: str, host: str) -> str:
    """The title of a picture: its parts, and the host class where the study has several."""
    return " · ".join(part for part in (*parts, host if len(study.host_classes) > 1 else "") if part)


def name_of(row: Row) -> str:
    """Model and variant, for a line of a picture."""
    return f"{row.model or 'no model'}, {row.variant}"
