"""What is printed of experiments: their plans, their cells, where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msearch_client import Cell, CellState, Experiment, ExperimentPlan, Submission
from msearch_client.cli.figures import format_duration, format_metric, profile_row
from msearch_client.cli.output import count, format_time, print_fields, print_json, print_line, print_table
from msearch_client.cli.verdicts import count_rules

MOST_EXPLAINED = 10
NUMBERS = ("p50 ms", "p99 ms", "per s", "memory", "energy", "profile")


def share_of(experiment: Experiment) -> float:
    """How much of it is done, in [0, 1]."""
    total = experiment.cells.total if experiment.search is None else experiment.search.trials
    return min(experiment.cells.ended / total, 1.0) if total else 1.0


def tell_counts(experiment: Experiment) -> str:
    """How many cells stand where, in words."""
    counts = experiment.cells
    named = ("measured", "running", "waiting", "invalid", "failed", "cancelled", "open")
    told = [f"{number:,} {name}" for name in named if (number := getattr(counts, name))]
    notes = [f"{counts.reused:,} from before"] if counts.reused else []
    notes += [f"{counts.retried:,} measured again"] if counts.retried else []
    noted = f" ({', '.join(notes)})" if notes else ""
    return f"{', '.join(told) or 'none'} of {counts.total:,}{noted}"


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
    # Of a search, what was not tried is only counted.
    told = [cell for cell in cells if experiment.search is None or cell.state is not CellState.OPEN]
    if told:
        print_line()
        rows = [_measured(cell) for cell in told]
        print_table(_filled(rows), numbers=NUMBERS, wide=("host class",), keys=("model", "variant", "load"))
    for line in count_rules(cell.profile for cell in cells if cell.profile):
        print_line(line)
    failed = [f"{_title(cell)}: {cell.failure.code}: {cell.failure.message}" for cell in cells if cell.failure]
    for line in failed[:MOST_EXPLAINED]:
        print_line(f"failed: {line}")
    if len(failed) > MOST_EXPLAINED:
        print_line(f"and {len(failed) - MOST_EXPLAINED:,} more failed; --state failed --json shows all")
    if experiment.cells.measured or experiment.cells.invalid:
        print_line()
        print_line(f"see every analysis with: msearch-cli report --experiment {experiment.id} --out report.html")


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
        if not experiment.ended:
            return "none yet"
        return "none keeps the limits" if experiment.cells.measured else "none: no trial gave a VALID profile"
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
    again = f", {_retries(cell.retries)}" if cell.retries else ""
    row = _named(cell) | {"state": cell.state.value + (" before" if cell.reused else "") + again}
    if cell.profile is None:
        return row | dict.fromkeys(("p50 ms", "p99 ms", "per s", "memory", "energy"), "-") | {"profile": "-"}
    figures = profile_row(cell.profile)
    row["host class"] = cell.profile.host_class
    return row | {name: figures[name] for name in NUMBERS[:-1]} | {"profile": cell.profile.id}


def _retries(number: int) -> str:
    return "1 retry" if number == 1 else f"{number} retries"


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
