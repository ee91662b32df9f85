"""`benchmark`: run a benchmark file, follow its experiment, look at its cells."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from msearch_client import CellState, Client, Experiment
from msearch_client.cli import options
from msearch_client.cli.experiments import (
    print_experiment,
    print_plan,
    print_submitted,
    share_of,
    summarise,
    tell_counts,
)
from msearch_client.cli.output import (
    count,
    count_of,
    format_time,
    fraction_bar,
    print_json,
    print_line,
    print_note,
    print_table,
)

app = typer.Typer(help="Benchmark files and their experiments; see docs/benchmarks.md.")

Reference = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id or digest of the experiment.")]


@app.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Benchmark file, YAML or JSON.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the expanded plan with an estimated duration; change nothing.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until everything is measured, and print it.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Accept more than 500 profiles.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what is measured already.")] = False,
    allow_waiting: Annotated[
        bool, typer.Option("--allow-waiting", help="Accept cells that no registered agent could take now.")
    ] = False,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Run a benchmark file: its lists make a grid, whose cells agents measure.

    The digest of what the file means identifies the experiment: run again, it shows what is measured already, and
    measures only what is not. With --wait the exit code is 1 if a cell could not be measured.
    """
    if dry_run and wait:
        raise typer.BadParameter("--dry-run and --wait exclude each other")
    with Client(server) as client:
        if dry_run:
            planned = client.plan_benchmark(file, confirm=confirm, fresh=fresh, allow_waiting=allow_waiting)
            print_plan(planned, json=json)
            return
        done = client.submit_benchmark(file, confirm=confirm, fresh=fresh, allow_waiting=allow_waiting)
        if not wait:
            print_submitted(done, json=json)
            return
        if not json:
            print_line(summarise(done.plan))
        experiment = follow(client, done.experiment)
        cells = list(client.list_cells(experiment))
    print_experiment(experiment, cells, json=json)
    if experiment.cells.failed or experiment.cells.cancelled:
        raise typer.Exit(1)


@app.command("list")
def list_experiments(*, limit: options.Limit = 20, server: options.Server = None, json: options.Json = False) -> None:
    """List experiments, newest first."""
    with Client(server) as client:
        found = client.list_experiments()
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"experiments": [experiment.to_dict() for experiment in shown], "total": total})
        return
    if shown:
        rows = [
            {
                "experiment": experiment.id,
                "name": experiment.name or "-",
                "state": experiment.state.value,
                "cells": tell_counts(experiment),
                "submitted": format_time(experiment.created_at),
            }
            for experiment in shown
        ]
        print_table(rows, numbers=("experiment",), wide=("name",))
    print_line(count_of(len(shown), total, "experiment"))


@app.command()
def show(
    experiment: Reference,
    *,
    state: Annotated[
        CellState | None,
        typer.Option("--state", metavar="STATE", help=f"Cells of this state. One of {', '.join(CellState)}."),
    ] = None,
    limit: options.Limit = 1000,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Show an experiment with its cells and what they measured."""
    with Client(server) as client:
        found = client.get_experiment(experiment)
        cells = list(islice(client.list_cells(found, state=state), limit))
    print_experiment(found, cells, json=json)


@app.command()
def watch(experiment: Reference, *, server: options.Server = None, json: options.Json = False) -> None:
    """Follow an experiment until it has ended, and print what it measured."""
    with Client(server) as client:
        found = follow(client, client.get_experiment(experiment))
        cells = list(client.list_cells(found))
    print_experiment(found, cells, json=json)


@app.command()
def cancel(experiment: Reference, *, server: options.Server = None, json: options.Json = False) -> None:
    """Cancel an experiment: what waits at once; agents are told of what runs. What is measured stays."""
    with Client(server) as client:
        found = client.cancel_experiment(experiment)
    if json:
        print_json(found.to_dict())
        return
    print_line(f"{found.id} is {found.state}: {tell_counts(found)}")
    print_line("run its file again to go on")


@app.command()
def delete(
    experiment: Reference,
    *,
    profiles: Annotated[
        bool,
        typer.Option(
            "--profiles", help="Also delete what it measured, save profiles that another experiment refers to."
        ),
    ] = False,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Delete an experiment that has ended or was cancelled. Its jobs stay, and what they measured unless you say."""
    with Client(server) as client:
        found = client.get_experiment(experiment)
        deleted = client.delete_experiment(found, with_profiles=profiles)
    if json:
        print_json({"experiment": found.id, "deleted_profiles": deleted})
        return
    print_line(f"deleted {found.id}" + (f" with {count(deleted, 'profile')}" if profiles else ""))


def follow(client: Client, experiment: Experiment) -> Experiment:
    """Waits for an experiment with a progress bar. An interrupt leaves it running."""
    try:
        with fraction_bar(experiment.name or "benchmark") as show_share:
            return client.wait_for_experiment(
                experiment,
                progress=None if show_share is None else lambda it: show_share(share_of(it), tell_counts(it)),
            )
    except KeyboardInterrupt:
        print_note(
            f"the experiment {experiment.id} goes on: follow it with `msearch-cli benchmark watch {experiment.id}`, "
            f"end it with `msearch-cli benchmark cancel {experiment.id}`"
        )
        raise
