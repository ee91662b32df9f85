"""How runs become profiles, on made-up runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from profiler_agent.errors import CompileFailed
from profiler_agent.loadgen.load_text import parse_load
from profiler_agent.measuring.assembling import Candidate, assemble, sum_up
from profiler_agent.measuring.messages import ColdStart, InputsResult, RunResult, VerifyResult
from profiler_agent.stats.histogram import encode_histogram
from profiler_agent.verification.offers import Loss
from profiler_agent.work import Form, InvalidReason, Measurement, Precision, Profile, Variant

FP32 = Variant(backend="onnxruntime")
INT8 = replace(FP32, precision=Precision.INT8_STATIC)
SINGLE = parse_load("single_stream")
INPUTS = InputsResult(rows=400, verified_on="sample", note="", reference="onnxruntime fp32 cpu", measurements=())
FINE = Loss(value=0.0, upper=0.005, rows=600, labelled=False)
DISTURBED = InvalidReason("disturbed", "others were busy")


def run(p50_ms: float, *reasons: InvalidReason, **more: float) -> RunResult:
    values = {"p50_ms": p50_ms, "throughput_per_s": 1e3 / p50_ms} | more
    return RunResult(
        reasons=reasons,
        measurements=tuple(
            Measurement(name=name, value=value, unit="", source="made") for name, value in values.items()
        ),
        histogram=encode_histogram(np.full(20, p50_ms * 1e6)),
        schedule_digest="ab",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def verified(problem: str = "", loss: Loss | None = FINE) -> VerifyResult:
    cold = ColdStart(process_start_ns=1_000_000, load_ns=2_000_000, compile_ns=3_000_000, first_inference_ns=4_000_000)
    return VerifyResult(
        problem=problem, loss=loss, measurements=(), versions={"onnxruntime": "1"}, device="cpu", cold=cold
    )


def candidate(variant: Variant, runs: Sequence[RunResult], **fields: object) -> Candidate:
    values = {"asked": True, "verified": verified(), "failure": None} | fields
    return Candidate(variant=variant, runs={"single_stream": runs}, **values)  # type: ignore[arg-type]  # by name


def profiles(*candidates: Candidate) -> tuple[Profile, ...]:
    return assemble(candidates, [SINGLE], INPUTS, epsilon=0.01)


def value(profile: Profile, name: str) -> float:
    return next(one.value for one in profile.measurements if one.name == name)


def test_a_quantity_is_the_median_over_the_runs_with_its_interval() -> None:
    (profile,) = profiles(candidate(FP32, [run(2.0), run(3.0), run(2.2)]))
    (median,) = [one for one in profile.measurements if one.name == "p50_ms"]
    assert median.value == 2.2
    assert median.low is not None
    assert median.high is not None
    assert median.low < 2.2 < median.high


def test_the_largest_counts_of_what_is_a_peak() -> None:
    (peak,) = [one for one in sum_up([run(1, max_ms=3.0), run(1, max_ms=9.0)]) if one.name == "max_ms"]
    assert peak.value == 9.0


def test_what_no_run_could_measure_keeps_its_reason() -> None:
    none = Measurement(name="energy_j", value=0.0, unit="J", source="none", detail="no counter")
    one = replace(run(1.0), measurements=(none,))
    assert sum_up([one, one]) == [none]


def test_runs_that_do_not_count_are_not_averaged_in() -> None:
    (profile,) = profiles(candidate(FP32, [run(2.0), run(50.0, DISTURBED), run(2.0)]))
    assert profile.valid
    assert value(profile, "p50_ms") == 2.0
    assert [one.valid for one in profile.runs] == [True, False, True]


def test_a_profile_is_invalid_with_every_reason_where_most_runs_are() -> None:
    late = InvalidReason("late_generator", "5 %")
    (profile,) = profiles(candidate(FP32, [run(2.0), run(3.0, DISTURBED), run(3.0, DISTURBED, late)]))
    assert {reason.rule for reason in profile.reasons} == {"disturbed", "late_generator"}
    assert "in 2 of 3 runs" in profile.reasons[0].detail


def test_a_form_is_told_where_everything_loaded_the_same() -> None:
    def loaded(digest: str) -> Form:
        return Form(format="onnx", digest=digest, size_bytes=1)

    def told(checked: str, *runs: str) -> Form | None:
        found = candidate(
            FP32, [replace(run(1.0), form=loaded(digest)) for digest in runs],
            verified=replace(verified(), form=loaded(checked)),
        )  # fmt: skip
        return profiles(found)[0].form

    assert told("a", "a", "a") == loaded("a")
    assert told("b", "a", "a") is None
    assert told("a", "a", "b") is None
    assert told("a") is None
    assert profiles(candidate(FP32, [run(1.0)]))[0].form is None


def test_a_cold_start_is_the_sum_of_its_parts() -> None:
    (profile,) = profiles(candidate(FP32, [run(2.0)]))
    assert value(profile, "cold_start_ms") == pytest.approx(10.0)


def test_a_surely_faster_variant_is_offered_with_its_speed_up() -> None:
    fast, slow = profiles(
        candidate(INT8, [run(1.0), run(1.01), run(0.99)]), candidate(FP32, [run(2.0), run(2.02), run(1.98)])
    )
    assert fast.offered
    assert value(fast, "speed_up") == pytest.approx(2.0)
    assert slow.offered


def test_speed_ups_pair_runs_of_the_same_repeat() -> None:
    # The host slows down threefold; each pair still says 2.
    drift = (1.0, 2.0, 3.0)
    fast, _ = profiles(candidate(INT8, [run(one) for one in drift]), candidate(FP32, [run(2 * one) for one in drift]))
    assert fast.offered
    assert value(fast, "speed_up") == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        (candidate(INT8, [run(2.0), run(2.1), run(1.9)]), "not surely faster"),
        (
            candidate(INT8, [run(1.0), run(1.0), run(1.0)], verified=verified(loss=replace(FINE, upper=0.2))),
            "more than 1 %",
        ),
        (candidate(INT8, [run(1.0)] * 3, verified=verified(problem="it differs by 0.3")), "it differs by 0.3"),
        (candidate(INT8, [run(1.0, DISTURBED)] * 3), "no run of it counts"),
        (candidate(INT8, [], verified=None, failure=CompileFailed("no such kernel")), "compile_failed: no such kernel"),
    ],
)
def test_what_is_not_worth_it_is_rejected_with_the_reason(variant: Candidate, reason: str) -> None:
    rejected, yardstick = profiles(variant, candidate(FP32, [run(2.0), run(2.0), run(2.0)]))
    assert not rejected.offered
    assert reason in rejected.offer_reason
    assert yardstick.offered


def test_batches_of_several_sizes_give_the_batch_law() -> None:
    found = profiles(*(candidate(replace(FP32, batch_size=size), [run(1.0 + 0.5 * size)]) for size in (1, 4, 8)))
    assert [value(profile, "batch_slope_ms") for profile in found] == pytest.approx([0.5] * 3)
    assert value(found[0], "batch_intercept_ms") == pytest.approx(1.0)
