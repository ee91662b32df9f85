"""Follows a job with a progress bar, and says how to go on where someone stops looking."""

from __future__ import annotations

from msearch_client import Client, Job, Profiles
from msearch_client.cli.output import fraction_bar, print_note


def follow(client: Client, job: Job, *, label: str = "") -> Profiles:
    """Waits for a job and returns what it measured. An interrupt leaves the job running.

    Raises:
        JobFailedError: the job failed or was cancelled.
    """
    name = label or job.model_name or "profiling"
    try:
        with fraction_bar(name) as show:
            return client.profiles_of(
                job, progress=None if show is None else lambda it: show(it.progress.fraction, describe(it))
            )
    except KeyboardInterrupt:
        print_note(
            f"the job {job.id} goes on: follow it with `msearch-cli jobs watch {job.id}`, end it with "
            f"`msearch-cli jobs cancel {job.id}`"
        )
        raise


def describe(job: Job) -> str:
    """What a job is doing, in a few words."""
    if job.state == "pending":
        return "waits for an agent" if not job.attempt_failures else "waits for another attempt"
    if job.state == "leased" and job.cancel_requested:
        return "is being cancelled"
    return job.progress.message or job.progress.stage.replace("_", " ")
