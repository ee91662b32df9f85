"""The client's calls about profiling jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from msearch_client._catalogue import Model, ModelReference
from msearch_client._errors import LocalError
from msearch_client._jobs import Explanation, Job, JobSpec, JobState, RunLimits
from msearch_client._listing import Listing, Page
from msearch_client._loads import Load, as_loads
from msearch_client._models import ModelCalls
from msearch_client._references import new_request_id, with_model
from msearch_client._variants import Variant, as_variants
from msearch_client._wire import jobs as wire

PAGE_SIZE = 200
WITHOUT_MODEL = ("null", "remote")
BACKEND_OF_FORMAT = {"onnx": "onnxruntime", "torch_export": "torch"}

Variants: TypeAlias = str | Variant | Iterable[str | Variant]
"""One or several variants, as values or as texts such as "onnxruntime int8_static batch=8"."""

Loads: TypeAlias = str | Load | Iterable[str | Load]
"""One or several loads, as values or as texts such as "server:100"."""

JobReference: TypeAlias = str | Job
"""The id of a job, or a job that a call returned."""


class JobCalls(ModelCalls):
    """Submit, follow and cancel profiling jobs."""

    def submit_job(
        self,
        model: ModelReference | None = None,
        *,
        variants: Variants = (),
        loads: Loads = "single_stream",
        limits: RunLimits | None = None,
        host_class: str = "",
        labels: Mapping[str, str] | None = None,
        remote_target: str = "",
        deadline_s: float | None = None,
        memory_limit_bytes: int | None = None,
        allow_waiting: bool = False,
        max_attempts: int = 0,
        priority: int = 0,
        experiment_id: str = "",
        request_id: str | None = None,
    ) -> Job:
        """Asks for every variant of a model to be measured under every load; some agent will take the job.

        Args:
            model: what to measure; None for the backends "null" and "remote", which need none.
            variants: none takes fp32 of the usual backend: onnxruntime for ONNX, torch for torch.export files, remote
                where a `remote_target` is given.
            loads: such as ["single_stream", "server:100"].
            limits: when a run counts, and how often it is repeated; None takes the defaults.
            host_class: only agents of host classes that begin so; empty for any.
            labels: only agents with all of these.
            remote_target: "grpc://HOST:PORT/MODEL" or "http://HOST:PORT/MODEL" of an Open Inference server.
            deadline_s: the job must end within this time once an agent took it.
            memory_limit_bytes: memory that one run may take.
            allow_waiting: accept the job although no registered agent could take it now.
            max_attempts: how often it is tried where agents vanish; 0 for 3.
            priority: the higher goes first, always; from -100 to 100.
            experiment_id: experiment that the job belongs to; all its jobs run on agents of one tier.
            request_id: makes the call safe to repeat; chosen by the client if None. "" sends none, and turns retries
                off.

        Raises:
            LocalError: a variant or a load is not of its form, or the model has no artifact to measure.
            NotFoundError: there is no such model.
            InvalidArgumentError: the service refuses the job; `fields` says why.
            PreconditionFailedError: no registered agent could take it (reason NO_CAPABLE_AGENT).
        """
        request_id = new_request_id() if request_id is None else request_id
        chosen = as_variants(variants) or self._usual_variants(model, remote_target)
        if model is None and (needing := [item for item in chosen if item.backend not in WITHOUT_MODEL]):
            raise LocalError(f"the backend {needing[0].backend} needs a model", hint="name the model to measure")
        spec = JobSpec(
            model_id="",
            variants=chosen,
            loads=as_loads(loads),
            limits=limits or RunLimits(),
            host_class=host_class,
            labels=dict(labels or {}),
            remote_target=remote_target,
            deadline_s=deadline_s,
            memory_limit_bytes=memory_limit_bytes,
        )

        def call(reference: Any) -> Any:
            request = wire.submit_job(
                spec, reference, allow_waiting=allow_waiting, max_attempts=max_attempts, priority=priority,
                experiment_id=experiment_id, request_id=request_id,
            )  # fmt: skip
            return self._transport.call(self._transport.profiling.SubmitJob, request, repeatable=bool(request_id))

        answer = call(None) if model is None else with_model(model, call)
        return wire.job_from_proto(answer.job)

    def get_job(self, job: JobReference) -> Job:
        """One job as it is now.

        Raises:
            NotFoundError: there is no such job.
        """
        request = wire.get_job(job_id_of(job))
        return wire.job_from_proto(self._transport.call(self._transport.profiling.GetJob, request).job)

    def list_jobs(
        self,
        *,
        state: JobState | str | None = None,
        model: ModelReference | None = None,
        experiment_id: str = "",
        page_size: int = PAGE_SIZE,
    ) -> Listing[Job]:
        """Jobs, newest first, of any state and model where these are None, of any experiment where that is empty.

        Pages are fetched while iterating.

        Raises:
            LocalError: there is no such state.
            NotFoundError: there is no such model.
        """
        kept = None if state is None else parse_state(state)
        model_id = "" if model is None else self.get_model(model).id

        def fetch(token: str) -> Page[Job]:
            request = wire.list_jobs(kept, model_id, experiment_id, page_size, token)
            answer = self._transport.call(self._transport.profiling.ListJobs, request)
            return Page(
                tuple(wire.job_from_proto(item) for item in answer.jobs), answer.next_page_token, answer.total_size
            )

        return Listing(fetch)

    def explain_job(self, job: JobReference) -> Explanation:
        """Why a job waits, or why it went to the agent that it went to.

        Raises:
            NotFoundError: there is no such job.
        """
        request = wire.explain_job(job_id_of(job))
        return wire.explanation_from_proto(self._transport.call(self._transport.profiling.ExplainJob, request))

    def cancel_job(self, job: JobReference) -> Job:
        """Cancels a job: at once if it is pending, else its agent is told. Harmless on a job that has ended.

        Raises:
            NotFoundError: there is no such job.
        """
        request = wire.cancel_job(job_id_of(job))
        return wire.job_from_proto(self._transport.call(self._transport.profiling.CancelJob, request).job)

    def cancel_jobs(self, experiment_id: str) -> tuple[int, int]:
        """Cancels all jobs of an experiment, as `cancel_job` does each.

        Returns:
            How many that waited are cancelled now, and how many agents are told.

        Raises:
            InvalidArgumentError: the id is empty.
        """
        answer = self._transport.call(self._transport.profiling.CancelJobs, wire.cancel_jobs(experiment_id))
        return answer.cancelled_count, answer.asked_count

    def watch_job(self, job: JobReference) -> Iterator[Job]:
        """Yields a job as it is now and then whenever it changes, until it has ended.

        If the service goes away the watch waits for it, for as long as the client's timeout.

        Raises:
            NotFoundError: there is no such job.
            UnavailableError: the service did not come back.
        """
        job_id = job_id_of(job)
        last: Job | None = None
        for message in self._transport.follow(self._transport.profiling.WatchJob, wire.watch_job(job_id)):
            found = wire.job_from_proto(message.job)
            # A watch that was opened again begins with what is known already.
            if found != last:
                last = found
                yield found
            if found.ended:
                return

    def _usual_variants(self, model: ModelReference | None, remote_target: str) -> tuple[Variant, ...]:
        if remote_target:
            return (Variant(backend="remote"),)
        if model is None:
            raise LocalError("nothing to measure: give a model, a remote target or variants")
        found = model if isinstance(model, Model) else self.get_model(model)
        backend = BACKEND_OF_FORMAT.get(found.artifact.format)
        if backend is None:
            raise LocalError(
                f"{found.name}@{found.version} has no artifact that could be measured (format {found.artifact.format})",
                hint="measure the server that hosts it: give its address as the remote target",
            )
        return (Variant(backend=backend),)


def job_id_of(job: JobReference) -> str:
    """The id that is meant."""
    return job if isinstance(job, str) else job.id


def parse_state(text: JobState | str) -> JobState:
    """The state of that name.

    Raises:
        LocalError: there is no such state.
    """
    try:
        return JobState(text.lower())
    except ValueError:
        raise LocalError(f"job state {text!r} is unknown", hint=f"known: {', '.join(JobState)}") from None
