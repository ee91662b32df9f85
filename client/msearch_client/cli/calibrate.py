"""`calibrate`: runs models on labelled samples of other sources, so that the accuracy predictor learns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import typer

from msearch_client import Calibration, Client, JobState, NotFoundError
from msearch_client.cli import options
from msearch_client.cli.following import describe
from msearch_client.cli.output import count, fraction_bar, print_json, print_line, print_note, print_table
from msearch_client.cli.times import describe_time, parse_time


def calibrate(
    *,
    budget: Annotated[
        str, typer.Option("--budget", metavar="TIME", help="Estimated time of all evaluations, such as 30m or 2h.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and submit nothing.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all evaluations have ended; exits with 1 if none succeeded.")
    ] = False,
    allow_waiting: Annotated[
        bool, typer.Option("--allow-waiting", help="Submit although no registered agent could take the jobs now.")
    ] = False,
    task: options.Task = None,
    modality: options.OfModality = None,
    has_class: options.Class = None,
    tag: options.Tag = None,
    licence: options.Licence = None,
    text: options.Text = "",
    format: options.Format = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Plan the evaluations that would teach the accuracy predictor most within a time, and submit them."""
    if dry_run and wait:
        raise typer.BadParameter("--dry-run submits nothing that one could wait for")
    time = parse_time(budget, "--budget")
    wanted = options.make_filter(
        tasks=task, modalities=modality, classes=has_class, tags=tag, licences=licence, text=text, formats=format
    )
    with Client(server) as client:
        plan = client.calibrate(time.total_seconds(), filter=wanted, dry_run=dry_run, allow_waiting=allow_waiting)
        if not json:
            print_plan(plan, time, _dataset_names(client, plan), dry_run=dry_run)
        ended = _wait(client, plan, quiet=json) if wait else {}
    if json:
        print_json(plan.to_dict() | ({"ended": ended} if wait else {}))
    if ended and JobState.SUCCEEDED.value not in ended:
        raise typer.Exit(1)


def _dataset_names(client: Client, plan: Calibration) -> dict[str, str]:
    """The names of the datasets of a plan, by id; that of a dataset that was deleted meanwhile is its id."""
    names = {}
    for dataset_id in dict.fromkeys(item.dataset_id for item in plan.planned):
        try:
            found = client.get_dataset(dataset_id)
            names[dataset_id] = f"{found.name}@{found.version}"
        except NotFoundError:
            names[dataset_id] = dataset_id
    return names


def print_plan(plan: Calibration, budget: timedelta, datasets: Mapping[str, str], *, dry_run: bool) -> None:
    """A plan for people; `datasets` are names by id."""
    if plan.planned:
        rows = [
            {
                "model": item.model_name,
                "on rows of": datasets[item.dataset_id],
                "value": f"{item.value:.2f}",
                "takes": describe_time(timedelta(seconds=item.estimate_s)),
            }
            | ({} if dry_run else {"job": item.job_id})
            for item in plan.planned
        ]
        print_table(rows, numbers=("value", "takes"), keys=("model",))
    taken = describe_time(timedelta(seconds=sum(item.estimate_s for item in plan.planned)))
    verb = "planned" if dry_run else "submitted"
    print_line(
        f"{count(len(plan.planned), 'evaluation')} {verb}, about {taken} of {describe_time(budget)}; "
        f"{plan.left_out:,} more would be possible"
    )
    for notice in plan.notices:
        print_line(f"note: {notice}")


def _wait(client: Client, plan: Calibration, *, quiet: bool) -> dict[str, int]:
    """Waits for all jobs; gives how many ended in which state."""
    ended: dict[str, int] = {}
    jobs = [item for item in plan.planned if item.job_id]
    with fraction_bar("evaluating") as show:
        for place, item in enumerate(jobs):
            job = client.get_job(item.job_id)
            for seen in client.watch_job(job):
                job = seen
                if show is not None:
                    done = place + (1.0 if job.ended else job.progress.fraction)
                    show(done / len(jobs), f"{item.model_name}: {describe(job)}")
            ended[job.state.value] = ended.get(job.state.value, 0) + 1
            if job.state is not JobState.SUCCEEDED and job.failure is not None and not quiet:
                print_note(
                    f"note: {item.model_name} on sample {item.sample_id}: {job.failure.code}: {job.failure.message}"
                )
    if not quiet:
        print_line(", ".join(f"{number:,} {state}" for state, number in sorted(ended.items())) or "nothing to wait for")
    return ended
