"""Measuring whole jobs with real children and real ONNX files. What a host measures is not asserted, its form is."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hdrh.histogram import HdrHistogram
from onnx import TensorProto, helper, numpy_helper

from profiler_agent.errors import Cancelled, CompileFailed, JobError, UnsupportedOperator
from profiler_agent.isolation import ChildLimits, run_child
from profiler_agent.loadgen.load_text import parse_load
from profiler_agent.measuring.job import measure_job
from profiler_agent.measuring.order import JobOrder
from profiler_agent.work import JobSpec, ModelFacts, Precision, Profile, Progress, RunLimits, SampleFacts, Variant

QUICK = RunLimits(min_duration_s=0.2, min_queries=64, max_duration_s=5.0, repeats=2)
FEATURES, CLASSES = 6, ("a", "b", "c")


def network(node: str = "MatMul", scale: float = 1.0, domain: str = "") -> bytes:
    """A linear classifier: x [n, 6] -> y [n, 3]."""
    weights = (np.random.default_rng(3).normal(size=(FEATURES, len(CLASSES))) * scale).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node(node, ["x", "w"], ["y"], domain=domain)],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", len(CLASSES)])],
        [numpy_helper.from_array(weights, "w")],
    )
    imports = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()


CARD = {
    "name": "linear",
    "task": "classification",
    "modality": "embedding",
    "classes": list(CLASSES),
    "artifact": {"format": "onnx"},
    "input": {"kind": "embedding", "column": "vector", "length": FEATURES},
    "output": {"kind": "logits"},
}


def sample_rows(count: int = 400, *, column: str = "vector") -> bytes:
    rows = np.random.default_rng(4).normal(size=(count, FEATURES)).astype(np.float32)
    labels = [CLASSES[position % 3] for position in range(count)]
    vectors = pa.array(rows.tolist(), pa.list_(pa.float32()))
    table = pa.table({column: vectors, "label": labels})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def value(profile: Profile, name: str) -> float:
    return next(one.value for one in profile.measurements if one.name == name)


class Bench:
    """Measures jobs in a folder, as an agent's executor does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cancelled = threading.Event()
        self.progress: list[Progress] = []
        self.tasks: list[str] = []

    def measure(
        self,
        variants: Sequence[Variant],
        loads: Sequence[str] = ("single_stream",),
        *,
        artifact: bytes | None = None,
        sample: bytes | None = None,
        limits: RunLimits = QUICK,
    ) -> tuple[Profile, ...]:
        workspace, cache = self.folder / "workspace", self.folder / "cache"
        for folder in (workspace, cache):
            folder.mkdir(exist_ok=True)
        artifact_file = self._write("model.onnx", artifact)
        sample_file = self._write("sample.arrow", sample)
        readable = tuple(path for path in (artifact_file, sample_file) if path is not None)

        def child(task: str, argument: Any, on_message: Any) -> Any:
            self.tasks.append(task.rpartition(":")[2])
            limits = ChildLimits(workspace=workspace, deadline_s=200, readable=readable, writable=(workspace, cache))
            return run_child(task, argument, limits=limits, cancelled=self.cancelled, on_message=on_message)

        model = None
        if artifact is not None:
            model = ModelFacts(
                id="m", name="linear", version="1", format="onnx", digest=hashlib.sha256(artifact).hexdigest(),
                size_bytes=len(artifact), uri="", card_json=json.dumps(CARD), inputs=(), outputs=(),
            )  # fmt: skip
        facts = None if sample is None else SampleFacts(digest="", size_bytes=1, row_count=1, label_column="label")
        order = JobOrder(
            spec=JobSpec(
                model_id="", variants=tuple(variants), loads=tuple(parse_load(text) for text in loads), limits=limits
            ),
            model=model, sample=facts, artifact=artifact_file, sample_file=sample_file, cache=cache,
            workspace=workspace,
        )  # fmt: skip
        return measure_job(order, child, self.progress.append)

    def _write(self, name: str, data: bytes | None) -> Path | None:
        if data is None:
            return None
        path = self.folder / name
        path.write_bytes(data)
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def names(profile: Profile) -> set[str]:
    return {one.name for one in profile.measurements if one.source != "none"}


def value_of(profile: Profile, name: str) -> float:
    return next(one.value for one in profile.measurements if one.name == name)


FP32 = Variant(backend="onnxruntime")


def test_a_profile_holds_what_profiling_promises(bench: Bench) -> None:
    (profile,) = bench.measure([FP32], artifact=network(), sample=sample_rows())
    assert profile.verified_on == "sample"
    assert profile.load_text == "single_stream"
    assert 1 <= len(profile.runs) <= 2
    assert names(profile) >= {
        "mean_ms", "p50_ms", "max_ms", "service_p50_ms", "queue_p50_ms", "throughput_per_s", "cold_start_ms",
        "process_start_ms", "load_ms", "compile_ms", "first_inference_ms", "artifact_bytes", "parameters",
        "operators", "activation_bytes", "flops", "max_difference", "top1_agreement", "accuracy_loss", "preprocess_ms",
        "postprocess_ms", "peak_memory_bytes", "cpu_utilisation",
    }  # fmt: skip
    assert profile.versions["onnxruntime"]
    assert all(run.schedule_digest for run in profile.runs)


def test_progress_climbs_to_the_end_and_names_the_stages(bench: Bench) -> None:
    bench.measure([FP32], artifact=network(), sample=sample_rows())
    fractions = [progress.fraction for progress in bench.progress]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] <= 1
    assert {progress.stage for progress in bench.progress} >= {"verify", "compile", "warm_up", "measure"}


def test_a_percentile_without_enough_requests_is_left_out(bench: Bench) -> None:
    few = RunLimits(min_duration_s=0.0, min_queries=20, repeats=1)
    (profile,) = bench.measure([Variant(backend="null", mode="constant:1ms")], limits=few)
    assert "p50_ms" in names(profile)
    assert "p99_ms" not in names(profile)


def test_int8_is_measured_beside_fp32_of_the_same_backend(bench: Bench) -> None:
    int8 = Variant(backend="onnxruntime", precision=Precision.INT8_STATIC)
    asked, yardstick = bench.measure([int8], artifact=network(), sample=sample_rows())
    assert asked.variant == int8
    assert yardstick.variant == FP32
    assert {"sqnr_db", "top1_agreement", "accuracy_loss"} <= names(asked)
    # 400 labelled rows of noise: whatever the speed, the reason is told with numbers.
    assert asked.offer_reason.startswith(("offered: ", "rejected: "))
    if any(run.valid for run in asked.runs) and any(run.valid for run in yardstick.runs):
        assert any(character.isdigit() for character in asked.offer_reason)
    # What was verified is what the runs have loaded, and it is not the artifact.
    made, artifact = asked.form, yardstick.form
    assert made is not None
    assert made.path is not None
    assert hashlib.sha256(made.path.read_bytes()).hexdigest() == made.digest
    assert made.path.is_relative_to(bench.folder / "cache")
    assert artifact is not None
    assert (artifact.path, artifact.digest) == (None, hashlib.sha256(network()).hexdigest())
    assert [spec.name for spec in (*made.inputs, *made.outputs)] == ["x", "y"]
    # Runs stand beside each other in time.
    assert bench.tasks[-4:] == ["run_variant"] * 4


def test_without_a_sample_inputs_are_made_up_and_it_is_said(bench: Bench) -> None:
    (profile,) = bench.measure([FP32], artifact=network())
    assert profile.verified_on == "generated"
    assert "no sample" in profile.offer_reason


def test_a_sample_that_the_card_cannot_read_is_told_and_generated_inputs_stand_in(bench: Bench) -> None:
    (profile,) = bench.measure([FP32], artifact=network(), sample=sample_rows(column="other"))
    assert profile.verified_on == "generated"
    assert "vector" in profile.offer_reason


@pytest.mark.slow
def test_find_peak_reports_the_rate_it_found_or_what_disturbed_it(bench: Bench) -> None:
    limits = RunLimits(min_duration_s=0.4, min_queries=64, repeats=1, max_duration_s=20.0)
    (found,) = bench.measure([Variant(backend="null", mode="constant:1ms")], ["find_peak:50"], limits=limits)
    if found.valid or not any(reason.rule == "no_peak" for reason in found.reasons):
        assert 0 < value_of(found, "peak_rate_per_s") <= 1020
    else:
        # On a busy host no run counts, and then no rate is claimed.
        (problem,) = (reason.detail for reason in found.reasons)
        assert "runs were invalid" in problem
        assert {"disturbed", "late_generator", "unsteady"} & set(re.findall(r"[a-z_]+", problem))


@pytest.mark.slow
def test_a_limit_that_no_rate_meets_leaves_the_other_loads_alone(bench: Bench) -> None:
    limits = RunLimits(min_duration_s=0.2, min_queries=64, repeats=1, max_duration_s=1.0)
    loads = ["find_peak:0.5", "single_stream"]
    impossible, other = bench.measure([Variant(backend="null", mode="constant:1ms")], loads, limits=limits)
    assert [reason.rule for reason in impossible.reasons] == ["no_peak"]
    assert "no rate meets a p99 of 0.5 ms" in impossible.reasons[0].detail
    assert not impossible.offered
    assert value_of(other, "p50_ms") >= 1.0


def test_a_variant_that_fails_is_recorded_and_the_others_are_measured(bench: Bench) -> None:
    impossible = Variant(backend="onnxruntime", precision=Precision.FP16)
    fine, failed = bench.measure([FP32, impossible], artifact=network(), sample=sample_rows())
    assert fine.runs
    assert not failed.runs
    assert not failed.offered
    assert "backend_unavailable" in failed.offer_reason
    assert failed.reasons


def test_an_operator_that_the_backend_lacks_fails_the_job_with_its_name(bench: Bench) -> None:
    with pytest.raises(UnsupportedOperator, match="Conjure"):
        bench.measure([FP32], artifact=network("Conjure", domain="made.up"))


def test_a_damaged_file_fails_the_job(bench: Bench) -> None:
    with pytest.raises(CompileFailed):
        bench.measure([FP32], artifact=network()[:60])


def test_outputs_that_are_not_finite_fail_the_job(bench: Bench) -> None:
    with pytest.raises(JobError, match=r"NaN|infini"):
        bench.measure([FP32], artifact=network(scale=float("inf")), sample=sample_rows())


def test_a_batch_that_the_artifact_does_not_take_is_told(bench: Bench) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "fixed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, FEATURES])],
    )
    fixed = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    with pytest.raises(JobError, match="batch"):
        bench.measure([Variant(backend="onnxruntime", batch_size=4)], artifact=fixed)


def test_a_cancelled_job_ends_whatever_it_was_doing(bench: Bench) -> None:
    bench.cancelled.set()
    with pytest.raises(Cancelled):
        bench.measure([FP32], artifact=network())


def test_a_format_that_the_backend_does_not_read_is_told(bench: Bench) -> None:
    with pytest.raises(UnsupportedOperator, match="torch reads torch_export, and the artifact is onnx"):
        bench.measure([Variant(backend="torch")], artifact=network())


def test_a_network_between_clients_and_model_is_timed_by_its_stages(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    near, far = bench.measure(
        [Variant(backend="onnxruntime")],
        ["server:200", "server:200,rtt_ms=40,up_mbit=0.1,down_mbit=0.1"],
        artifact=network(),
        sample=sample_rows(),
    )
    assert not {"uplink_p50_ms", "downlink_p50_ms"} & {one.name for one in near.measurements}
    # A request has 6 numbers of 4 bytes, 1.92 ms at 0.1 Mbit/s; an answer 3, 0.96 ms. Half of the round trip is 20 ms.
    assert value(far, "uplink_p50_ms") >= 21.92
    assert value(far, "downlink_p50_ms") >= 20.96
    assert value(far, "p50_ms") >= 42.88
    assert value(far, "queue_p50_ms") < value(far, "uplink_p50_ms")
    assert value(far, "preprocess_ms") > 0
    assert far.load_text == "server:200,rtt_ms=40,up_mbit=0.1,down_mbit=0.1"
    if far.histogram:  # on a busy machine no run may be valid
        seen = HdrHistogram.decode(far.histogram)
        assert seen.get_min_value() >= 42_000, "the histogram is that of what clients see"


def test_the_stages_of_a_pipeline_add_up_to_the_latency_under_every_load(tmp_path: Path) -> None:
    far = ",pipeline=1,rtt_ms=4,up_mbit=1"
    loads = [
        "single_stream,pipeline=1",
        f"concurrency:3,batch=2,wait_ms=1{far}",
        f"server:200{far}",
        "offline,pipeline=1",
    ]
    found = Bench(tmp_path).measure(
        [Variant(backend="onnxruntime")],
        loads,
        artifact=network(),
        sample=sample_rows(),
        limits=replace(QUICK, repeats=1),
    )
    assert [profile.load_text for profile in found] == loads
    for profile in found:
        stages = {one.name: one.value for one in profile.measurements if one.name.startswith("stage_")}
        assert sum(stages.values()) == pytest.approx(value(profile, "mean_ms"))
        assert stages["stage_preprocess_ms"] > 0
        assert stages["stage_postprocess_ms"] > 0
        assert ("stage_uplink_ms" in stages) == ("rtt_ms" in profile.load_text)
    # A row of 6 numbers of 4 bytes takes 0.192 ms at 1 Mbit/s, and half of the round trip is 2 ms.
    assert value(found[2], "stage_uplink_ms") >= 2.19


def test_a_pipeline_without_rows_says_so(tmp_path: Path) -> None:
    (profile,) = Bench(tmp_path).measure(
        [Variant(backend="null", mode="constant:1ms")], ["single_stream,pipeline=1,rtt_ms=2"]
    )
    missing = {one.name: one.detail for one in profile.measurements if one.source == "none"}
    for name in ("stage_preprocess_ms", "stage_postprocess_ms"):
        assert missing[name] == "no sample of the source dataset is stored, so requests carry tensors"
    parts = ("uplink", "queue", "inference", "downlink")
    assert sum(value(profile, f"stage_{part}_ms") for part in parts) == pytest.approx(value(profile, "mean_ms"))
    assert value(profile, "p50_ms") >= 3.0
