"""A ResNet-50 on the first GPU, in every compiled form that its host offers: a real service, a real agent.

    python -m benchmarks.bench_gpu [--variant "tensorrt fp16 batch=8"]... [--load LOAD]... [--repeats N]

Prints one line a profile and the variants that were refused, with the reason. It holds no bar: what a GPU gives is
measured here, not promised. Without a GPU it says so and ends with 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.report import Report, print_table
from benchmarks.residual_network import SIDE, write_network
from benchmarks.service_under_test import running
from examples.service_process import running_agent
from msearch_client import Client, JobFailedError, MsearchError, Profile, Profiles, RunLimits
from profiler_agent.backends._cuda_driver import NoCudaDevice, cuda_devices

VARIANTS = (
    "torch fp32", "torch fp16", "torch bf16", "inductor fp32", "inductor fp16",
    "onnxruntime fp32", "tensorrt fp32", "tensorrt fp16", "tensorrt bf16",
    "torch fp16 batch=32", "inductor fp16 batch=32", "tensorrt fp16 batch=32",
)  # fmt: skip
LOADS = ("single_stream", "offline")
QUANTITIES = ("p50_ms", "p99_ms", "throughput_per_s", "energy_j", "power_w", "gpu_utilisation", "device_memory_bytes")
FORMATS = {"torch": "torch_export", "inductor": "torch_export"}
"""Which file a backend reads; the others read ONNX."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", action="append", help="as in `msearch-cli profile --variant`; repeat")
    parser.add_argument("--load", action="append", help="repeat")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    try:
        gpu = cuda_devices()[0]
    except NoCudaDevice as error:
        print(f"nothing to measure: {error}")
        return 1
    report = Report("gpu")
    report.figure("gpu", gpu.fingerprint)
    loads = tuple(asked.load or LOADS)
    limits = RunLimits(min_duration_s=2.0, repeats=asked.repeats)
    profiles: list[Profile] = []
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("service", "agent"):
            (folder / name).mkdir()
        with (
            running(folder / "service") as address,
            running_agent(address, folder / "agent", folder / "agent.log"),
            Client(address, timeout_s=60) as client,
        ):
            for kind, path in write_network(folder).items():
                client.register_model(_card(kind), artifact=path)
            for variant in asked.variant or VARIANTS:
                model = f"resnet50-{FORMATS.get(variant.split()[0], 'onnx')}"
                try:
                    measured = client.profile(model, variants=f"{variant} device=cuda:0", loads=loads, limits=limits)
                except JobFailedError as error:
                    failures[variant] = error.message
                except MsearchError as error:
                    failures[variant] = f"not taken: {error.message}"
                else:
                    profiles += _of_gpu(measured)
                print(f"{variant}: {failures.get(variant, 'measured')}", flush=True)
    report.figure("profiles", [profile.to_dict() for profile in profiles])
    report.figure("failures", failures)
    _print(profiles)
    return report.finish()


def _of_gpu(measured: Profiles) -> Iterable[Profile]:
    """Without the yardstick that a job adds where no variant is fp32 on the same device."""
    return (profile for profile in measured.profiles if "cuda" in profile.variant.device)


def _card(kind: str) -> dict[str, object]:
    return {
        "name": f"resnet50-{kind}",
        "task": "embedding",
        "modality": "image",
        "artifact": {"format": kind},
        "input": {"kind": "image", "column": "image", "width": SIDE, "height": SIDE, "channels": 3},
    }


def _print(profiles: Iterable[Profile]) -> None:
    rows = []
    for profile in profiles:
        values = {found.name: found for found in profile.measurements}
        cells = [
            "-" if name not in values or values[name].value is None else f"{values[name].value:,.4g}"
            for name in QUANTITIES
        ]
        rules = ", ".join(reason.rule for reason in profile.reasons)
        rows.append(
            [str(profile.variant), profile.load_text, *cells, f"{profile.verdict} {rules}", profile.offer.value]
        )
    print_table(["variant", "load", *QUANTITIES, "verdict", "offer"], rows)


if __name__ == "__main__":
    sys.exit(main())
