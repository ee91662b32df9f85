"""The measured quantities that profiles hold and queries limit: one table."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from search_service.domain.errors import InvalidArgument, Reason


@dataclass(frozen=True, slots=True)
class MeasuredQuantity:
    """A quantity: its unit ("" for ratios and counts), whether less is better, and what it is."""

    name: str
    unit: str
    lower_is_better: bool
    meaning: str


def _less(name: str, unit: str, meaning: str) -> MeasuredQuantity:
    return MeasuredQuantity(name, unit, True, meaning)


def _more(name: str, unit: str, meaning: str) -> MeasuredQuantity:
    return MeasuredQuantity(name, unit, False, meaning)


QUANTITIES: dict[str, MeasuredQuantity] = {
    quantity.name: quantity
    for quantity in (
        _less("mean_ms", "ms", "mean response latency, from the scheduled time"),
        _less("p50_ms", "ms", "median response latency"),
        _less("p90_ms", "ms", "response latency that 90 % of requests meet"),
        _less("p95_ms", "ms", "response latency that 95 % of requests meet"),
        _less("p99_ms", "ms", "response latency that 99 % of requests meet"),
        _less("p999_ms", "ms", "response latency that 99.9 % of requests meet"),
        _less("max_ms", "ms", "largest response latency"),
        _less("service_p50_ms", "ms", "median time from the start of execution to its end"),
        _less("service_p99_ms", "ms", "99th percentile of the time from the start of execution to its end"),
        _less("queue_p50_ms", "ms", "median time from the scheduled time to the start of execution"),
        _less("queue_p99_ms", "ms", "99th percentile of the time from the scheduled time to the start of execution"),
        _less("dispatch_p50_ms", "ms", "median delay of the load generator itself"),
        _less("dispatch_p99_ms", "ms", "99th percentile of the delay of the load generator itself"),
        _less("uplink_p50_ms", "ms", "median time that a request travels to the model over a simulated network"),
        _less("uplink_p99_ms", "ms", "99th percentile of the time that a request travels to the model"),
        _less("downlink_p50_ms", "ms", "median time that an answer travels back over a simulated network"),
        _less("downlink_p99_ms", "ms", "99th percentile of the time that an answer travels back"),
        _less("batch_wait_p50_ms", "ms", "median time that a query waits for its batch"),
        _less("batch_wait_p99_ms", "ms", "99th percentile of the time that a query waits for its batch"),
        _more("mean_batch_size", "", "mean samples of a batch"),
        _less("stage_uplink_ms", "ms", "mean time of a request on the way to the model; the stages add up to mean_ms"),
        _less("stage_queue_ms", "ms", "mean time of a request in the queue, and waiting for its batch"),
        _less("stage_preprocess_ms", "ms", "mean time of a request in pre-processing, by the model's card"),
        _less("stage_inference_ms", "ms", "mean time of a request in the model"),
        _less("stage_postprocess_ms", "ms", "mean time of a request in post-processing, by the model's card"),
        _less("stage_downlink_ms", "ms", "mean time of an answer on the way back"),
        _less("preprocess_ms", "ms", "median time a sample takes before the model, by its card"),
        _less("postprocess_ms", "ms", "median time a sample takes after the model, by its card"),
        _more("throughput_per_s", "1/s", "samples answered a second"),
        _more("goodput_per_s", "1/s", "samples answered within the p99 limit a second"),
        _more("peak_rate_per_s", "1/s", "largest rate whose p99 meets the limit"),
        _less("peak_memory_bytes", "bytes", "largest resident memory of the process"),
        _less("device_memory_bytes", "bytes", "largest memory taken on the device"),
        _less("cpu_utilisation", "", "CPU seconds of the process per second"),
        _less("gpu_utilisation", "", "share of the time that the GPU was busy"),
        _less("memory_utilisation", "", "share of the time that the GPU's memory was busy"),
        _less("energy_j", "J", "energy of one inference"),
        _less("energy_net_j", "J", "energy of one inference beyond that of the idle host"),
        _less("power_w", "W", "mean power"),
        _less("cost_per_1k", "USD", "cost of 1,000 inferences"),
        _less("co2_g_per_1k", "g", "CO2 of 1,000 inferences"),
        _less("cold_start_ms", "ms", "time from nothing to the first answer, in a fresh process"),
        _less("process_start_ms", "ms", "part of the cold start: starting the process"),
        _less("load_ms", "ms", "part of the cold start: importing the runtime and reading the artifact"),
        _less("compile_ms", "ms", "part of the cold start: compiling, or loading what was compiled"),
        _less("first_inference_ms", "ms", "part of the cold start: the first inference"),
        _less("duration_s", "s", "length of a run, from the first schedule to the last answer"),
        _less("warm_up_s", "s", "time until the model was steady, before a run and not counted"),
        _less("artifact_bytes", "bytes", "size of the artifact"),
        _less("compiled_bytes", "bytes", "size of the compiled model"),
        _less("parameters", "", "number of parameters"),
        _less("operators", "", "number of operators in the graph"),
        _less("activation_bytes", "bytes", "bytes that the operators write for one sample"),
        _less("flops", "FLOP", "floating-point operations for one sample"),
        _less("batch_slope_ms", "ms", "latency that one more sample in a batch adds"),
        _less("batch_intercept_ms", "ms", "latency of a batch beyond that of its samples"),
        _less("max_difference", "", "largest difference from the reference, relative to its largest value"),
        _more("top1_agreement", "", "share of samples whose first class is that of the reference"),
        _more("sqnr_db", "dB", "signal-to-quantisation-noise ratio against the reference"),
        _less("accuracy_loss", "", "accuracy lost against the reference, or disagreement where there are no labels"),
        _more("speed_up", "", "times faster than compiled fp32 of the same backend under the same load"),
    )
}


def check_metric(name: str, path: str = "metric") -> MeasuredQuantity:
    """The quantity of that name. Raises InvalidArgument (UNKNOWN_METRIC) with the nearest known names."""
    known = QUANTITIES.get(name)
    if known is not None:
        return known
    near = get_close_matches(name.lower(), QUANTITIES, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(QUANTITIES)}"
    problem = f"no measured quantity is called {name!r}; {hint}"
    raise InvalidArgument(f"{path}: {problem}", Reason.UNKNOWN_METRIC, [(path, problem)])
