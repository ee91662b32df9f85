"""`jobs`: list, show, watch and cancel profiling jobs."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Annotated

import typer

from msearch_client import Client, EvaluateSpec, Explanation, Job, JobState
from msearch_client.cli import options
from msearch_client.cli.figures import format_duration
from msearch_client.cli.following import describe, follow
from msearch_client.cli.output import count, count_of, format_time, print_fields, print_json, print_line, print_table
from msearch_client.cli.profile import print_profiles

app = typer.Typer(help="Profiling jobs.")

Reference = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]


@app.command("list")
def list_jobs(
    *,
    state: Annotated[
        JobState | None,
        typer.Option("--state", metavar="STATE", help=f"Keep this state. One of {', '.join(JobState)}."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Keep jobs of this model.")] = None,
    experiment: Annotated[str, typer.Option("--experiment", metavar="ID", help="Keep jobs of this experiment.")] = "",
    limit: options.Limit = 50,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """List jobs, newest first."""
    with Client(server) as client:
        found = client.list_jobs(state=state, model=model, experiment_id=experiment)
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"jobs": [job.to_dict() for job in shown], "total": total})
        return
    if shown:
        print_table([_row(job) for job in shown], numbers=("job",), wide=("doing",))
    print_line(count_of(len(shown), total, "job"))


def _row(job: Job) -> dict[str, str]:
    return {
        "job": job.id,
        "model": job.model_name or "-",
        "state": job.state.value,
        "submitted": format_time(job.created_at),
        "took": format_duration(job.took),
        "doing": job.failure.code if job.failure else "" if job.ended else describe(job),
    }


@app.command()
def show(
    job: Reference,
    *,
    why: Annotated[bool, typer.Option("--why", help="Say why it waits, or why it went to its agent.")] = False,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Show everything about one job."""
    with Client(server) as client:
        if why:
            print_explanation(client.explain_job(job), json=json)
            return
        found = client.get_job(job)
    print_job(found, json=json)


def print_explanation(explanation: Explanation, *, json: bool) -> None:
    """Why a job stands where it does, as JSON or for people."""
    if json:
        print_json(explanation.to_dict())
        return
    print_line(explanation.why)
    print_line(explanation.sizes)
    if explanation.decisions:
        print_line()
        print_table(
            [
                {
                    "when": format_time(decision.at),
                    "decided": decision.step,
                    "agent": decision.agent or "none",
                    "because": decision.reason,
                }
                for decision in explanation.decisions
            ]
        )


def print_job(job: Job, *, json: bool) -> None:
    """A job as JSON or for people."""
    if json:
        print_json(job.to_dict())
        return
    spec = job.spec
    failures = [f"attempt {number}: {item.code}: {item.message}" for number, item in enumerate(job.attempt_failures, 1)]
    print_fields(
        {
            "job": job.id,
            "model": job.model_name or "none",
            "state": job.state.value + (", asked to be cancelled" if job.cancel_requested and not job.ended else ""),
            "failure": f"{job.failure.code}: {job.failure.message}" if job.failure else "",
            "progress": "" if job.ended else f"{job.progress.fraction:.0%} {describe(job)}",
            "evaluates": "" if spec.evaluate is None else describe_evaluate(spec.evaluate),
            "variants": "\n".join(str(variant) for variant in spec.variants),
            "loads": "\n".join(str(load) for load in spec.loads),
            "remote target": spec.remote_target,
            "host class": spec.host_class,
            "labels": ", ".join(f"{key}={value}" for key, value in spec.labels.items()),
            "agent": job.agent_id,
            "attempt": f"{job.attempt} of {job.max_attempts}" if job.attempt else "",
            "earlier": "\n".join(failures),
            "priority": str(job.priority) if job.priority else "",
            "experiment": job.experiment_id,
            "size": format_estimate(job),
            "submitted": format_time(job.created_at) + (f" by {job.submitted_by}" if job.submitted_by else ""),
            "ended": format_time(job.ended_at),
            "took": format_duration(job.took),
            "profiles": "\n".join(job.profile_ids),
        }
    )


def describe_evaluate(spec: EvaluateSpec) -> str:
    """What an evaluate job runs its model on."""
    return f"{count(spec.row_count, 'row')} of sample {spec.sample_id}" + (", with noise" if spec.with_noise else "")


def format_estimate(job: Job) -> str:
    """How large a job is thought to be, and how that is known."""
    size = format_duration(timedelta(seconds=job.estimate.seconds))
    return f"about {size}, " + ("as jobs like it took" if job.estimate.predicted else "reckoned from what it asks for")


@app.command()
def cancel(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="Id of the job.")] = None,
    *,
    experiment: Annotated[
        str, typer.Option("--experiment", metavar="ID", help="Cancel all jobs of this experiment instead.")
    ] = "",
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Cancel a job: at once if it is pending, else its agent is told. Harmless if it has ended."""
    if (job is None) == (not experiment):
        raise typer.BadParameter("give either a job or --experiment ID")
    with Client(server) as client:
        if job is None:
            cancelled, asked = client.cancel_jobs(experiment)
            print_cancelled(experiment, cancelled, asked, json=json)
            return
        found = client.cancel_job(job)
    if json:
        print_json(found.to_dict())
    elif found.state is JobState.CANCELLED:
        print_line(f"cancelled {found.id}")
    elif found.ended:
        print_line(f"{found.id} had ended already: {found.state}")
    else:
        print_line(f"asked the agent to cancel {found.id}")


def print_cancelled(experiment: str, cancelled: int, asked: int, *, json: bool) -> None:
    """What became of the jobs of an experiment."""
    if json:
        print_json({"experiment": experiment, "cancelled": cancelled, "asked": asked})
        return
    print_line(f"cancelled {count(cancelled, 'job')} of {experiment}")
    if asked:
        print_line(f"asked agents to cancel {count(asked, 'job')} more")


@app.command()
def watch(job: Reference, *, server: options.Server = None, json: options.Json = False) -> None:
    """Follow a job until it has ended, then show what it measured. Fails if the job does."""
    with Client(server) as client:
        measured = follow(client, client.get_job(job))
    print_profiles(measured, json=json)
