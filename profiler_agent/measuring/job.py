"""Measures one job: every variant under every load, each step in a child process of its own.

The order of runs is what makes speed-ups trustworthy: for each repeat, all variants run one after another, so that what
drifts on the host (clocks, neighbours) touches them alike. A compiled fp32 of the same backend is measured along as the
yardstick where the job did not ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from profiler_agent.backends import adopt_entries, find_backend
from profiler_agent.errors import Cancelled, DeadlineExceeded, JobError, UnsupportedOperator
from profiler_agent.loadgen.load_text import format_load
from profiler_agent.measuring import messages, rows
from profiler_agent.measuring.assembling import Candidate, assemble, headlines
from profiler_agent.measuring.messages import (
    Files,
    InputsOrder,
    InputsResult,
    RunOrder,
    RunResult,
    VariantOrder,
    VerifyResult,
)
from profiler_agent.measuring.order import JobOrder
from profiler_agent.stats.repeats import enough
from profiler_agent.work import Load, Precision, Profile, Progress, Scenario, Variant

TASKS = "profiler_agent.measuring.tasks"
FP32_ROWS = 64
"""Rows on which fp32 is held to the reference; other precisions need enough to bound a loss of accuracy."""

ABORTING = (Cancelled, DeadlineExceeded)
"""What ends the whole job; other failures end one variant."""

T = TypeVar("T")
Report = Callable[[Progress], None]


class RunChild(Protocol):
    """Runs `module:function` in a fresh, confined process with a JSON argument and gives its JSON answer."""

    def __call__(self, task: str, argument: Any, on_message: Callable[[Any], None]) -> Any:
        """Raises JobError: the child's own failure, or Crashed, DeadlineExceeded, MemoryLimit, Cancelled."""


def measure_job(order: JobOrder, run_child: RunChild, report: Report) -> tuple[Profile, ...]:
    """The profiles of a job, those of the asked variants first and the yardsticks' after.

    Raises:
        JobError: no variant could be measured; the first failure.
    """
    job = _Job(order, run_child, report)
    return job.measure()


class _Job:
    def __init__(self, order: JobOrder, run_child: RunChild, report: Report) -> None:
        self._order = order
        self._run_child = run_child
        self._report = report
        self._variants = [
            Candidate(variant=variant, asked=asked) for variant, asked in with_yardsticks(order.spec.variants)
        ]
        model = order.model
        self._files = Files(
            artifact=order.artifact,
            format="" if model is None else model.format,
            digest="" if model is None else model.digest,
            cache=order.cache,
            inputs=order.workspace / "inputs.npz",
            remote_target=order.spec.remote_target,
        )
        self._steps = 1 + len(self._variants) + len(self._variants) * len(order.spec.loads) * self._repeats
        self._done = 0

    @property
    def _repeats(self) -> int:
        return max(self._order.spec.limits.repeats, 1)

    @property
    def _only_fp32(self) -> bool:
        """Whether outputs need only be right, and no loss of accuracy be bounded."""
        return all(entry.variant.precision is Precision.FP32 for entry in self._variants)

    def measure(self) -> tuple[Profile, ...]:
        for entry in self._variants:
            self._try(entry, partial(self._check, entry))
        self._fail_if_none_left()
        inputs = self._make_inputs()
        for entry in self._variants:
            self._try(entry, partial(self._verify, entry))
        self._fail_if_none_left()
        for load in self._order.spec.loads:
            self._measure_load(load)
        self._fail_if_none_left()
        spec = self._order.spec
        return assemble(self._variants, spec.loads, inputs, epsilon=spec.limits.epsilon)

    def _check(self, entry: Candidate) -> None:
        backend = find_backend(entry.variant.backend)
        if backend.formats and self._files.format not in backend.formats:
            raise UnsupportedOperator(
                f"{backend.name} reads {' and '.join(backend.formats)}, "
                f"and the artifact is {self._files.format or 'none'}"
            )

    def _make_inputs(self) -> InputsResult:
        self._say("verify", "preparing inputs and the reference's outputs")
        order = InputsOrder(
            files=self._files,
            card_json="" if self._order.model is None else self._order.model.card_json,
            sample_file=self._order.sample_file,
            label_column="" if self._order.sample is None else self._order.sample.label_column,
            specs_from=next(entry.variant for entry in self._variants if entry.failure is None),
            seed=self._order.spec.limits.seed,
            checked_rows=FP32_ROWS if self._only_fp32 else rows.MOST_ROWS,
        )
        return self._call("make_inputs", order, InputsResult)

    def _verify(self, entry: Candidate) -> None:
        """With an empty cache, so that it is a cold start. What it made there is what the runs then load."""
        empty = self._order.workspace / f"cold-{self._variants.index(entry)}"
        empty.mkdir(parents=True, exist_ok=True)
        order = self._variant_order(entry)
        order = replace(order, files=replace(order.files, cache=empty))
        entry.verified = self._call("verify_variant", order, VerifyResult)
        adopt_entries(empty, self._files.cache)

    def _measure_load(self, load: Load) -> None:
        text = format_load(load)
        for repeat in range(self._repeats):
            for entry in self._variants:
                together = [entry, *self._rivals(entry)]
                if all(self._narrow(load, one.runs.get(text, [])) for one in together):
                    self._done += 1
                    continue
                self._try(entry, partial(self._run, entry, load, repeat))

    def _run(self, entry: Candidate, load: Load, repeat: int) -> None:
        text = format_load(load)
        self._say("measure", f"{entry.variant}, {text}, run {repeat + 1} of {self._repeats}")
        limits = self._order.spec.limits
        order = RunOrder(
            compile=self._variant_order(entry),
            load=load,
            limits=limits,
            # Each repeat draws another schedule; variants share it.
            seed=limits.seed + repeat,
            price_table=self._order.price_table,
            host_class=self._order.host_class,
            sample_file=self._order.sample_file if load.pipeline else None,
        )
        entry.runs.setdefault(text, []).append(self._call("run_variant", order, RunResult))

    def _narrow(self, load: Load, runs: Sequence[RunResult]) -> bool:
        """Whether more repeats would tell little more."""
        medians = headlines(load, [run for run in runs if not run.reasons])
        return enough(medians, self._order.spec.limits.precision)

    def _rivals(self, entry: Candidate) -> list[Candidate]:
        """Those it is compared with, which must have as many runs beside it."""
        yardstick = yardstick_of(entry.variant)
        return [
            other
            for other in self._variants
            if other is not entry and other.failure is None and yardstick_of(other.variant) == yardstick
        ]

    def _variant_order(self, entry: Candidate) -> VariantOrder:
        loads = self._order.spec.loads
        joined = [load.batching.max_batch for load in loads if load.batching is not None]
        joined += [load.streams for load in loads if load.scenario is Scenario.MULTI_STREAM]
        return VariantOrder(
            files=self._files,
            variant=entry.variant,
            card_json="" if self._order.model is None else self._order.model.card_json,
            largest_batch=entry.variant.batch_size * max(joined, default=1),
            epsilon=self._order.spec.limits.epsilon,
        )

    def _call(self, task: str, order: object, kind: type[T]) -> T:
        answer = self._run_child(f"{TASKS}:{task}", messages.dump(order), self._pass_on)
        self._done += 1
        return messages.load(kind, answer)

    def _try(self, entry: Candidate, act: Callable[[], object]) -> None:
        """A failure of one variant leaves the others alone."""
        if entry.failure is not None:
            self._done += 1
            return
        try:
            act()
        except ABORTING:
            raise
        except JobError as error:
            entry.failure = error

    def _fail_if_none_left(self) -> None:
        asked = [entry for entry in self._variants if entry.asked]
        if all(entry.failure is not None for entry in asked):
            failure = asked[0].failure
            assert failure is not None  # noqa: S101 - just checked
            raise failure

    def _say(self, stage: str, message: str) -> None:
        self._report(Progress(fraction=min(self._done / self._steps, 1.0), stage=stage, message=message))

    def _pass_on(self, message: Any) -> None:
        if isinstance(message, dict):
            self._say(str(message.get("stage", "measure"))[:40], str(message.get("message", ""))[:400])


def with_yardsticks(variants: Sequence[Variant]) -> list[tuple[Variant, bool]]:
    """The distinct variants, each with whether the job asked for it; compiled fp32 added where it is missing."""
    asked = list(dict.fromkeys(variants))
    yardsticks = dict.fromkeys(yardstick_of(variant) for variant in asked)
    added = [variant for variant in yardsticks if variant not in asked]
    return [(variant, True) for variant in asked] + [(variant, False) for variant in added]


def yardstick_of(variant: Variant) -> Variant:
    """Compiled fp32 of the same backend, mode, device, batch and threads."""
    return replace(variant, precision=Precision.FP32)
