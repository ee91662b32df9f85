"""Executes one job: files, children, limits. Knows nothing of gRPC."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from profiler_agent.artifacts import (
    ArtifactCache,
    find_external,
    open_within,
    own_folder,
    refuse_disguises,
    write_verified,
)
from profiler_agent.errors import Cancelled, DeadlineExceeded, JobError
from profiler_agent.evaluating.job import Order, evaluate_job
from profiler_agent.isolation import ChildLimits, remove_folder, run_child
from profiler_agent.measuring.job import measure_job
from profiler_agent.measuring.order import JobOrder
from profiler_agent.work import Assignment, EvaluateSpec, Evaluation, Form, ModelFacts, Profile, Progress

MODEL, SAMPLE, EVALUATION_SAMPLE = "model", "sample", "evaluation sample"
Fetch = Callable[[str], Iterable[bytes]]
"""Streams the bytes of a leased job's MODEL, SAMPLE or EVALUATION_SAMPLE from the service."""

Keep = Callable[[Form, BinaryIO], None]
"""Has the service keep the bytes of what was made for a profile of the leased job, if it will."""

LARGEST_SAMPLE_BYTES = 64 << 20
LOCK_LOOK_S = 0.1
HOST_SHARE = 0.9
"""Of the host's memory, so that the agent and the system keep some."""

_DEVICELESS = ("null", "remote")
"""Backends that run no artifact, and nothing on a device of this host."""

_MEASURING = (":run_variant", ":verify_variant")
_PREPARING = ":make_inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A job that is being worked on: what was fetched for it, its folder, and when it must be done (monotonic)."""

    assignment: Assignment
    artifact: Path | None
    model: ModelFacts | None
    folder: Path
    fetch: Fetch
    keep: Keep
    cancelled: threading.Event
    report: Callable[[Progress], None]
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """What all jobs of an agent share.

    `compiled` is where backends keep what they compiled, a folder a model so that none can touch what another runs, and
    at most `compiled_bytes` in all; the service is asked to keep files of at most `largest_form_bytes` of it. `work`
    holds job folders. `host_memory_bytes` caps what a job may take; None is unknown.
    `external_root`: see `artifacts.find_external`.
    """

    cache: ArtifactCache
    compiled: Path
    work: Path
    host_class: str
    compiled_bytes: int = 20 << 30
    largest_form_bytes: int = 1 << 30
    host_memory_bytes: int | None = None
    price_table: Path | None = None
    external_root: Path | None = None

    def run(
        self,
        assignment: Assignment,
        fetch: Fetch,
        cancelled: threading.Event,
        report: Callable[[Progress], None],
        keep: Keep,
    ) -> tuple[Profile, ...] | Evaluation:
        """Measures the job, or runs its model on the rows it names; its folder is gone afterwards.

        Raises:
            JobError: what went wrong; Cancelled once `cancelled` is set.
        """
        deadline = time.monotonic() + assignment.spec.deadline_s
        report(Progress(fraction=0.0, stage="fetch", message="fetching the model and its sample"))
        artifact, model = self._find_artifact(assignment, fetch)
        with self._folder(assignment) as folder:
            held = _Held(
                assignment=assignment, artifact=artifact, model=model, folder=folder, fetch=fetch, keep=keep,
                cancelled=cancelled, report=report, deadline=deadline,
            )  # fmt: skip
            evaluate = assignment.spec.evaluate
            return self._measure(held) if evaluate is None else self._evaluate(held, evaluate)

    def _measure(self, held: _Held) -> tuple[Profile, ...]:
        spec, sample = held.assignment.spec, held.assignment.sample
        sample_file = None
        if sample is not None:
            facts = sample
            sample_file = self.cache.get(facts.digest, facts.size_bytes, lambda: held.fetch(SAMPLE))
        owner = "none" if held.artifact is None or held.model is None else held.model.digest
        compiled = own_folder(self.compiled, owner, self.compiled_bytes)
        order = JobOrder(
            spec=spec,
            model=held.model,
            sample=sample,
            artifact=held.artifact,
            sample_file=sample_file,
            cache=compiled,
            workspace=held.folder,
            host_class=self.host_class,
            price_table=self.price_table,
        )
        readable = tuple(path for path in (held.artifact, sample_file, self.price_table) if path is not None)
        limits = self._limits(held, readable, (held.folder, compiled))

        def child(task: str, argument: Any, on_message: Callable[[Any], None]) -> Any:
            os.utime(compiled)
            own = _for_variant(limits, argument)
            device, shared = _device_for(task, argument)
            return self._run_child(held, task, argument, on_message, limits=own, device=device, shared=shared)

        profiles = measure_job(order, child, held.report)
        self._keep_forms(held, compiled, profiles)
        return profiles

    def _keep_forms(self, held: _Held, compiled: Path, profiles: tuple[Profile, ...]) -> None:
        """Has the service keep what was made for the variants that are worth deploying, each file once."""
        deployable = [one.form for one in profiles if one.form is not None and one.offered and one.valid]
        for form in {form.digest: form for form in deployable}.values():
            if form.path is not None and form.size_bytes <= self.largest_form_bytes:
                with open_within(compiled, form.path) as stream:
                    held.keep(form, stream)

    def _evaluate(self, held: _Held, evaluate: EvaluateSpec) -> Evaluation:
        """The sample is private to whoever stored it: it lies in the job's folder, never in the cache."""
        if held.artifact is None or held.model is None:
            raise JobError("the job names no model to run")
        sample = held.folder / "sample.arrow"
        write_verified(sample, held.fetch(EVALUATION_SAMPLE), evaluate.sample_digest, LARGEST_SAMPLE_BYTES)
        order = Order(
            card_json=held.model.card_json,
            artifact=held.artifact,
            sample=sample,
            probabilities=held.folder / "probabilities",
            noisy_votes=held.folder / "noisy_votes",
            with_noise=evaluate.with_noise,
        )
        limits = self._limits(held, (held.artifact, sample), (held.folder,))

        def child(task: str, argument: Any, on_message: Callable[[Any], None]) -> Any:
            return self._run_child(held, task, argument, on_message, limits=limits, device="cpu", shared=True)

        return evaluate_job(evaluate, order, held.model.classes, child, held.report)

    def _limits(self, held: _Held, readable: tuple[Path, ...], writable: tuple[Path, ...]) -> ChildLimits:
        spec = held.assignment.spec
        return ChildLimits(
            workspace=held.folder,
            deadline_s=spec.deadline_s,
            memory_bytes=self._memory(spec.memory_limit_bytes),
            readable=readable,
            writable=writable,
        )

    def _run_child(
        self,
        held: _Held,
        task: str,
        argument: Any,
        on_message: Callable[[Any], None],
        *,
        limits: ChildLimits,
        device: str,
        shared: bool = False,
    ) -> Any:
        """Runs a task with what is left of the job's time, once it has the device ("" for none)."""
        for used in (held.assignment.model, held.assignment.sample):
            if used is not None and used.digest:
                self.cache.keep(used.digest)
        with _locked(device, held.cancelled, held.deadline, shared=shared):
            own = replace(limits, deadline_s=max(held.deadline - time.monotonic(), 0.0))
            try:
                return run_child(task, argument, limits=own, cancelled=held.cancelled, on_message=on_message)
            except DeadlineExceeded as error:
                allowed_s = held.assignment.spec.deadline_s
                raise DeadlineExceeded(
                    f"the job took longer than the {allowed_s:g} s it may: {error.message}"
                ) from None

    def _find_artifact(self, assignment: Assignment, fetch: Fetch) -> tuple[Path | None, ModelFacts | None]:
        """The artifact, None where the job needs none, and what is known of the model, its digest in any case."""
        model = assignment.model
        if model is None:
            return None, None
        spec = assignment.spec
        needed = spec.evaluate is not None or any(variant.backend not in _DEVICELESS for variant in spec.variants)
        if not needed and (model.format == "none" or model.uri):
            return None, model
        if model.format == "none":
            raise JobError(f"the model {model.name}@{model.version} has no artifact: it is hosted elsewhere")
        if model.uri:
            path, digest = find_external(model.uri, model.digest, self.external_root)
            model = replace(model, digest=digest)
        else:
            path = self.cache.get(model.digest, model.size_bytes, lambda: fetch(MODEL))
        refuse_disguises(path, model.format)
        return path, model

    @contextmanager
    def _folder(self, assignment: Assignment) -> Iterator[Path]:
        self.work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.work, prefix=f"{assignment.lease.job_id}-{assignment.lease.attempt}-"))
        try:
            yield folder
        finally:
            remove_folder(folder)

    def _memory(self, asked_bytes: int) -> int:
        if self.host_memory_bytes is None:
            return asked_bytes
        return min(asked_bytes, int(self.host_memory_bytes * HOST_SHARE))

    def clear(self) -> None:
        """Removes the folders of jobs that a killed agent left behind. Only where no other agent shares them."""
        if self.work.is_dir():
            for entry in self.work.iterdir():
                remove_folder(entry)


def _for_variant(limits: ChildLimits, argument: Any) -> ChildLimits:
    """Threads as its variant says, and the network only for a child that reaches a remote target and runs no artifact.

    Preparing inputs runs the artifact as the reference; it asks the remote target only where an artifact does not tell
    its inputs, as ONNX does.
    """
    preparing = "specs_from" in argument
    variant = argument["specs_from"] if preparing else argument.get("compile", argument)["variant"]
    told = preparing and argument["files"]["artifact"] is not None and argument["files"]["format"] == "onnx"
    return replace(limits, threads=variant["threads"], network=variant["backend"] == "remote" and not told)


@contextmanager
def _locked(device: str, cancelled: threading.Event, deadline: float, *, shared: bool) -> Iterator[None]:
    """One measurement at a time per device of the host, over all its agents: a file lock, which dies with its holder.

    Runs are measurements, and so are the cold starts of verifications. What computes and is not timed (evaluations, the
    reference's outputs) shares the device with its like, and with no measurement.
    """
    if not device:
        yield
        return
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with _open_lock(Path(tempfile.gettempdir()) / f"msearch-device-{device.replace(':', '-')}.lock") as file:
        while True:
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= deadline:
                    raise DeadlineExceeded(f"the device {device} was busy with another agent's measurement") from None
            if cancelled.wait(LOCK_LOOK_S):
                raise Cancelled("the job was cancelled")
        yield


@contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    """A file to lock, whoever of the host's users made it: reading is enough, and no user may create over another's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _device_for(task: str, argument: Any) -> tuple[str, bool]:
    """The device that a task of a measuring job needs, "" for none, and whether it shares it."""
    if task.endswith(_PREPARING):
        return ("cpu" if argument["files"]["artifact"] is not None else ""), True
    if not task.endswith(_MEASURING):
        return "", False
    variant = argument.get("compile", argument)["variant"]
    if variant["backend"] in _DEVICELESS:
        return "", False
    return str(variant["device"] or ("cuda:0" if variant["backend"] == "tensorrt" else "cpu")), False
