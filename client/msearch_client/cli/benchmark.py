"""`benchmark`: run a benchmark file, follow its experiment, look at its cells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from msearch_client import Cell, CellState, Client, Experiment, ExperimentPlan, Submission
from msearch_client.cli import options
from msearch_client.cli.figures import format_duration, format_metric, profile_row
from msearch_client.cli.output import (
    count,
    count_of,
    format_time,
    fraction_bar,
    print_fields,
    print_json,
    print_line,
    print_note,
    print_table,
)
from msearch_client.cli.verdicts import count_rules

app = typer.Typer(help="Benchmark files and their experiments; see docs/benchmarks.md.")

Reference = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id or digest of the experiment.")]

MOST_EXPLAINED = 10
NUMBERS = ("p50 ms", "p99 ms", "per s", "memory", "energy", "profile")


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


def share_of(experiment: Experiment) -> float:
    """How much of it is done, in [0, 1]."""
    total = experiment.cells.total if experiment.search is None else experiment.search.trials
    return min(experiment.cells.ended / total, 1.0) if total else 1.0


def tell_counts(experiment: Experiment) -> str:
    """How many cells stand where, in words."""
    counts = experiment.cells
    named = ("measured", "running", "waiting", "invalid", "failed", "cancelled", "open")
    told = [f"{number:,} {name}" for name in named if (number := getattr(counts, name))]
    reused = f" ({counts.reused:,} from before)" if counts.reused else ""
    return f"{', '.join(told) or 'none'} of {counts.total:,}{reused}"


def summarise(plan: ExperimentPlan) -> str:
    """What a submission did, in one line."""
    parts = [f"{plan.reused_count:,} measured already"] if plan.reused_count else []
    parts += [f"{plan.running_count:,} under way"] if plan.running_count else []
    searched = plan.reused_count + plan.running_count + plan.new_count < plan.cell_count
    most = "at most " if searched else ""
    parts += [f"{most}{plan.new_count:,} to measure in {count(plan.job_count, 'job')}"] if plan.new_count else []
    line = f"{count(plan.cell_count, 'profile')}: {', '.join(parts)}"
    if not plan.new_count:
        return line
    if plan.estimated is None:
        return f"{line}, {format_duration(timedelta(seconds=plan.work_s))} of work; no agent is there to do all of it"
    return f"{line}, about {format_duration(timedelta(seconds=round(plan.estimated.total_seconds())))}"


def print_submitted(done: Submission, *, json: bool) -> None:
    """A submission that nobody waits for."""
    if json:
        print_json(_without_cells(done))
        return
    print_line(f"experiment {done.experiment.id}")
    print_line(summarise(done.plan))
    if done.experiment.ended:
        print_line(f"see it with: msearch-cli benchmark show {done.experiment.id}")
    else:
        print_line(f"follow it with: msearch-cli benchmark watch {done.experiment.id}")


def print_plan(planned: Submission, *, json: bool) -> None:
    """A dry run."""
    if json:
        print_json(planned.to_dict())
        return
    plan = planned.plan
    verbs = {CellState.OPEN: "measure", CellState.MEASURED: "keep", CellState.WAITING: "under way",
             CellState.RUNNING: "under way"}  # fmt: skip
    rows = [_named(cell) | {"would": verbs.get(cell.state, cell.state.value)} for cell in plan.cells]
    print_table(_filled(rows), keys=("model", "variant", "load"))
    if len(plan.cells) < plan.cell_count:
        print_line(f"and {plan.cell_count - len(plan.cells):,} more")
    print_line()
    if plan.generated_models:
        named = ", ".join(plan.generated_models[:5]) + (", ..." if len(plan.generated_models) > 5 else "")
        print_line(f"{count(len(plan.generated_models), 'canonical model')} would be made: {named}")
    print_line(summarise(plan))
    known = f", experiment {planned.experiment.id}" if planned.experiment.id else ""
    print_line(f"digest {planned.experiment.digest}{known}")


def print_experiment(experiment: Experiment, cells: Sequence[Cell], *, json: bool) -> None:
    """An experiment with cells, for people or as JSON."""
    if json:
        print_json(experiment.to_dict() | {"cells_shown": [cell.to_dict() for cell in cells]})
        return
    took = None if experiment.ended_at is None else experiment.ended_at - experiment.created_at
    print_fields(
        {
            "experiment": experiment.id,
            "name": experiment.name,
            "state": experiment.state.value,
            "cells": tell_counts(experiment),
            "jobs": f"{experiment.job_count:,}",
            "submitted": format_time(experiment.created_at)
            + (f" by {experiment.submitted_by}" if experiment.submitted_by else ""),
            "took": format_duration(took) if took else "",
            "search": _tell_search(experiment),
            "best": _tell_best(experiment, cells),
            "digest": experiment.digest,
        }
    )
    if cells:
        print_line()
        rows = [_measured(cell) for cell in cells]
        print_table(_filled(rows), numbers=NUMBERS, wide=("host class",), keys=("model", "variant", "load"))
    for line in count_rules(cell.profile for cell in cells if cell.profile):
        print_line(line)
    failed = [f"{_title(cell)}: {cell.failure.code}: {cell.failure.message}" for cell in cells if cell.failure]
    for line in failed[:MOST_EXPLAINED]:
        print_line(f"failed: {line}")
    if len(failed) > MOST_EXPLAINED:
        print_line(f"and {len(failed) - MOST_EXPLAINED:,} more failed; --state failed --json shows all")


def _tell_search(experiment: Experiment) -> str:
    search = experiment.search
    if search is None:
        return ""
    within = f" within {', '.join(search.require)}" if search.require else ""
    return f"{search.asked:,} of {count(search.trials, 'trial')} for the best {search.optimise}{within}"


def _tell_best(experiment: Experiment, cells: Sequence[Cell]) -> str:
    search = experiment.search
    if search is None:
        return ""
    if search.best_position is None:
        return "none yet" if not experiment.ended else "none keeps the limits"
    best = next((cell for cell in cells if cell.position == search.best_position), None)
    if best is None:
        return f"cell {search.best_position}"
    return f"{_title(best)}: {search.optimise} {format_metric(best.profile, search.optimise)}"


def _named(cell: Cell) -> dict[str, str]:
    return {
        "model": cell.model_name,
        "variant": str(cell.variant),
        "load": cell.load_text,
        "server": cell.remote_target,
        "host class": cell.host_class,
    }


def _measured(cell: Cell) -> dict[str, str]:
    row = _named(cell) | {"state": cell.state.value + (" before" if cell.reused else "")}
    if cell.profile is None:
        return row | dict.fromkeys(("p50 ms", "p99 ms", "per s", "memory", "energy"), "-") | {"profile": "-"}
    figures = profile_row(cell.profile)
    row["host class"] = cell.profile.host_class
    return row | {name: figures[name] for name in NUMBERS[:-1]} | {"profile": cell.profile.id}


def _filled(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows without the columns that are empty in all of them; empty fields elsewhere become a dash."""
    kept = [name for name in rows[0] if any(row[name] for row in rows)]
    return [{name: row[name] or "-" for name in kept} for row in rows]


def _title(cell: Cell) -> str:
    return " ".join(part for part in (cell.model_name, str(cell.variant), cell.load_text, cell.host_class) if part)


def _without_cells(done: Submission) -> dict[str, object]:
    values = done.to_dict()
    del values["plan"]["cells"]
    return values
