"""What an agent adds to a job, and how soon a job knows a median: a real service, a real agent, a real ONNX model.

    python -m benchmarks.bench_job [--quick]

The model takes about 1 ms. Overhead is the time of a job outside its measured windows, once the artifact is in the
agent's cache: starting children, compiling, verifying, warming up, reporting. The cold start is left out, because
it is itself a measured quantity.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.perceptron import perceptron_card, perceptron_of
from benchmarks.report import Report, print_table
from benchmarks.service_under_test import running
from examples.service_process import running_agent
from msearch_client import Client, Job, Profile, RunLimits

REPEATS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one job; the bars then prove nothing")
    quick = parser.parse_args().quick
    report = Report("job", quick=quick)
    overheads, rows = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("service", "agent"):
            (folder / name).mkdir()
        with (
            running(folder / "service") as address,
            running_agent(address, folder / "agent", folder / "agent.log"),
            Client(address) as client,
        ):
            client.register_model(perceptron_card("perceptron"), artifact=perceptron_of(1.0).artifact)
            limits = RunLimits(min_duration_s=1.0, repeats=3)
            client.profile("perceptron", variants="onnxruntime fp32", limits=limits)  # fills the caches
            for _ in range(1 if quick else REPEATS):
                profiles = client.profile("perceptron", variants="onnxruntime fp32", limits=limits)
                (profile,) = profiles.profiles
                overheads.append(_overhead_s(profiles.job, profile))
            lasted = _seconds(profiles.job)
            low, high = _interval(profile)
            rows.append([f"{profile.load_text}, {len(profile.runs)} runs", f"{lasted:.1f}", f"{overheads[-1]:.2f}"])
    print_table(["job on a model of 1 ms, s", "in all", "overhead"], rows)
    half_width = max(high / low - 1, 0) / 2
    report.figure("overhead_s", overheads)
    report.figure("p50_half_width_of_last_job", half_width)
    report.bar("job_overhead_s", statistics.median(overheads), limit=3.0)
    return report.finish()


def _seconds(job: Job) -> float:
    assert job.ended_at is not None
    assert job.leased_at is not None
    return (job.ended_at - job.leased_at).total_seconds()


def _overhead_s(job: Job, profile: Profile) -> float:
    """Time of the job outside runs and cold start, in seconds."""
    measured = sum(
        one.value for run in profile.runs for one in run.measurements if one.name in ("duration_s", "warm_up_s")
    )
    cold = next(one.value for one in profile.measurements if one.name == "cold_start_ms") / 1e3
    return _seconds(job) - measured - cold


def _interval(profile: Profile) -> tuple[float, float]:
    median = next(one for one in profile.measurements if one.name == "p50_ms")
    return median.low or median.value, median.high or median.value


if __name__ == "__main__":
    sys.exit(main())
