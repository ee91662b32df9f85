"""Which peaks and which profiles predictions of latency are learned on."""

from __future__ import annotations

import json
from typing import Any

from msearch.v1 import profiles_pb2 as pb
from msearch_client import Profile
from msearch_client._latency_evidence import _machines
from msearch_client._wire.profiles import profile_from_proto
from tests.fake_agent import a_profile


def profile(peaks: Any, threads: int = 1, host_class: str = "xeon-1") -> Profile:
    variant = pb.Variant(backend="onnxruntime", precision=pb.PRECISION_FP32, batch_size=1, threads=threads)
    return profile_from_proto(a_profile(host_class=host_class, host_json=json.dumps({"peaks": peaks}), variant=variant))


def peak(threads: int, gflop_per_s: float, gb_per_s: float = 10.0) -> dict[str, float]:
    return {"threads": threads, "gflop_per_s": gflop_per_s, "gb_per_s": gb_per_s}


def test_the_best_peaks_of_a_host_class_count() -> None:
    busy, quiet = profile([peak(1, 40.0, 12.0)]), profile([peak(1, 130.0, 10.0)])
    machine = _machines([busy, quiet])["xeon-1", 1]
    assert (machine.gflop_per_s, machine.gb_per_s) == (130.0, 12.0)


def test_a_variant_is_held_to_the_peaks_of_its_threads_or_the_next_fewer() -> None:
    peaks = [peak(1, 100.0), peak(4, 300.0)]
    found = _machines([profile(peaks, threads) for threads in (1, 2, 4, 8)])
    assert [found["xeon-1", threads].gflop_per_s for threads in (1, 2, 4, 8)] == [100.0, 100.0, 300.0, 300.0]


def test_hosts_without_peaks_that_can_be_read_are_left_out() -> None:
    strange: list[Any] = [
        [],
        "fast",
        [{"threads": 1}],
        [peak(1, 0.0)],
        [peak(8, 50.0)],
        [{**peak(1, 1.0), "gb_per_s": "x"}],
    ]
    assert _machines([profile(peaks) for peaks in strange]) == {}
