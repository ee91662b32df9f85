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
from typing import Any

from profiler_agent.artifacts import ArtifactCache, find_external, own_folder, refuse_disguises
from profiler_agent.errors import Cancelled, DeadlineExceeded, JobError
from profiler_agent.isolation import ChildLimits, remove_folder, run_child
from profiler_agent.measuring.job import measure_job
from profiler_agent.measuring.order import JobOrder
from profiler_agent.work import Assignment, ModelFacts, Profile, Progress

MODEL, SAMPLE = "model", "sample"
Fetch = Callable[[str], Iterable[bytes]]
"""Streams the bytes of a leased job's MODEL or SAMPLE from the service."""

LOCK_LOOK_S = 0.1
HOST_SHARE = 0.9
"""Of the host's memory, so that the agent and the system keep some."""

_DEVICELESS = ("null", "remote")
"""Backends that run no artifact, and nothing on a device of this host."""

_MEASURING = ":run_variant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """What all jobs of an agent share.

    `compiled` is where backends keep what they compiled, a folder a model so that none can touch what another runs, and
    at most `compiled_bytes` in all. `work` holds job folders. `host_memory_bytes` caps what a job may take; None is
    unknown. `external_root`: see `artifacts.find_external`.
    """

    cache: ArtifactCache
    compiled: Path
    work: Path
    host_class: str
    compiled_bytes: int = 20 << 30
    host_memory_bytes: int | None = None
    price_table: Path | None = None
    external_root: Path | None = None

    def run(
        self,
        assignment: Assignment,
        fetch: Fetch,
        cancelled: threading.Event,
        report: Callable[[Progress], None],
    ) -> tuple[Profile, ...]:
        """Measures the job; its folder is gone afterwards.

        Raises:
            JobError: what went wrong; Cancelled once `cancelled` is set.
        """
        spec = assignment.spec
        deadline = time.monotonic() + spec.deadline_s
        report(Progress(fraction=0.0, stage="fetch", message="fetching the model and its sample"))
        artifact, model = self._find_artifact(assignment, fetch)
        sample = None
        if assignment.sample is not None:
            facts = assignment.sample
            sample = self.cache.get(facts.digest, facts.size_bytes, lambda: fetch(SAMPLE))
        with self._folder(assignment) as folder:
            owner = "none" if artifact is None or model is None else model.digest
            compiled = own_folder(self.compiled, owner, self.compiled_bytes)
            order = JobOrder(
                spec=spec,
                model=model,
                sample=assignment.sample,
                artifact=artifact,
                sample_file=sample,
                cache=compiled,
                workspace=folder,
                host_class=self.host_class,
                price_table=self.price_table,
            )
            readable = tuple(path for path in (artifact, sample, self.price_table) if path is not None)
            limits = ChildLimits(
                workspace=folder,
                deadline_s=spec.deadline_s,
                memory_bytes=self._memory(spec.memory_limit_bytes),
                readable=readable,
                writable=(folder, compiled),
            )

            def child(task: str, argument: Any, on_message: Callable[[Any], None]) -> Any:
                for used in (assignment.model, assignment.sample):
                    if used is not None and used.digest:
                        self.cache.keep(used.digest)
                os.utime(compiled)
                with _device(task, argument, cancelled, deadline):
                    own = replace(_for_variant(limits, argument), deadline_s=max(deadline - time.monotonic(), 0.0))
                    try:
                        return run_child(task, argument, limits=own, cancelled=cancelled, on_message=on_message)
                    except DeadlineExceeded as error:
                        raise DeadlineExceeded(
                            f"the job took longer than the {spec.deadline_s:g} s it may: {error.message}"
                        ) from None

            return measure_job(order, child, report)

    def _find_artifact(self, assignment: Assignment, fetch: Fetch) -> tuple[Path | None, ModelFacts | None]:
        """The artifact, None where the job needs none, and what is known of the model, its digest in any case."""
        model = assignment.model
        if model is None:
            return None, None
        needed = any(variant.backend not in _DEVICELESS for variant in assignment.spec.variants)
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
def _device(task: str, argument: Any, cancelled: threading.Event, deadline: float) -> Iterator[None]:
    """One measurement at a time per device of the host, over all its agents: a file lock, which dies with its holder.

    Only runs are measurements; compiling and verifying go on beside them, in no other job's window, because an agent
    of capacity 1 does one thing at a time.
    """
    device = _device_of(argument) if task.endswith(_MEASURING) else ""
    if not device:
        yield
        return
    with _open_lock(Path(tempfile.gettempdir()) / f"msearch-device-{device.replace(':', '-')}.lock") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def _device_of(argument: Any) -> str:
    variant = argument["compile"]["variant"]
    if variant["backend"] in _DEVICELESS:
        return ""
    return str(variant["device"] or ("cuda:0" if variant["backend"] == "tensorrt" else "cpu"))
