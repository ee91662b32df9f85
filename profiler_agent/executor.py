"""Executes one job: files, children, limits. Knows nothing of gRPC."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiler_agent.artifacts import ArtifactCache, find_external, refuse_disguises
from profiler_agent.errors import Cancelled, DeadlineExceeded, JobError
from profiler_agent.isolation import ChildLimits, run_child
from profiler_agent.measuring.job import measure_job
from profiler_agent.measuring.order import JobOrder
from profiler_agent.work import Assignment, Profile, Progress

MODEL, SAMPLE = "model", "sample"
Fetch = Callable[[str], Iterable[bytes]]
"""Streams the bytes of a leased job's MODEL or SAMPLE from the service."""

LOCK_LOOK_S = 0.1
_DEVICELESS = ("null", "remote")
_MEASURING = ":run_variant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """What all jobs of an agent share. `compiled` is where backends keep what they compiled, `work` holds job folders.

    `external_root`: see `artifacts.find_external`.
    """

    cache: ArtifactCache
    compiled: Path
    work: Path
    host_class: str
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
        artifact = self._find_artifact(assignment, fetch)
        sample = None
        if assignment.sample is not None:
            facts = assignment.sample
            sample = self.cache.get(facts.digest, facts.size_bytes, lambda: fetch(SAMPLE))
        with self._folder(assignment) as folder:
            order = JobOrder(
                spec=spec,
                model=assignment.model,
                sample=assignment.sample,
                artifact=artifact,
                sample_file=sample,
                cache=self.compiled,
                workspace=folder,
                host_class=self.host_class,
                price_table=self.price_table,
            )
            readable = tuple(path for path in (artifact, sample, self.price_table) if path is not None)
            limits = ChildLimits(
                workspace=folder,
                deadline_s=spec.deadline_s,
                memory_bytes=spec.memory_limit_bytes,
                readable=readable,
                writable=(folder, self.compiled),
                network=any(variant.backend == "remote" for variant in spec.variants),
                threads=max(variant.threads for variant in spec.variants),
            )

            def child(task: str, argument: Any, on_message: Callable[[Any], None]) -> Any:
                with _device(task, argument, cancelled, deadline):
                    left_s = deadline - time.monotonic()
                    if left_s <= 0:
                        raise DeadlineExceeded(f"the job took longer than {spec.deadline_s:g} s")
                    own = _with_deadline(limits, left_s)
                    return run_child(task, argument, limits=own, cancelled=cancelled, on_message=on_message)

            return measure_job(order, child, report)

    def _find_artifact(self, assignment: Assignment, fetch: Fetch) -> Path | None:
        model = assignment.model
        if model is None:
            return None
        if model.format == "none":
            raise JobError(f"the model {model.name}@{model.version} has no artifact: it is hosted elsewhere")
        if model.uri:
            path = find_external(model.uri, model.digest, self.external_root)
        else:
            path = self.cache.get(model.digest, model.size_bytes, lambda: fetch(MODEL))
        refuse_disguises(path, model.format)
        return path

    @contextmanager
    def _folder(self, assignment: Assignment) -> Iterator[Path]:
        for folder in (self.work, self.compiled):
            folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.work, prefix=f"{assignment.lease.job_id}-{assignment.lease.attempt}-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Removes the folders of jobs that a killed agent left behind. Only where no other agent shares them."""
        if self.work.is_dir():
            for entry in self.work.iterdir():
                shutil.rmtree(entry, ignore_errors=True)


def _with_deadline(limits: ChildLimits, deadline_s: float) -> ChildLimits:
    return ChildLimits(
        workspace=limits.workspace,
        deadline_s=deadline_s,
        memory_bytes=limits.memory_bytes,
        readable=limits.readable,
        writable=limits.writable,
        network=limits.network,
        threads=limits.threads,
    )


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
    path = Path(tempfile.gettempdir()) / f"msearch-device-{device.replace(':', '-')}.lock"
    with path.open("a") as file:
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


def _device_of(argument: Any) -> str:
    variant = argument["compile"]["variant"]
    if variant["backend"] in _DEVICELESS:
        return ""
    return str(variant["device"] or ("cuda:0" if variant["backend"] == "tensorrt" else "cpu"))
