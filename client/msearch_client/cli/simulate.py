"""`simulate`: what the scheduler would do with jobs that are only imagined."""

from __future__ import annotations

from typing import Annotated

import typer

from msearch_client.cli import options
from msearch_client.cli.output import count, print_json, print_line, print_table
from msearch_scheduling.simulator import Comparison, Scenario, Sizes
from msearch_scheduling.simulator import simulate as run_simulation

MOST_JOBS = 5_000
"""Beyond this a seed takes minutes."""
AT_ONCE = "at-once"


def simulate(
    *,
    sizes: Annotated[
        Sizes, typer.Option("--sizes", help="Distribution of job sizes, of mean 1; lognormal with sigma 1.")
    ] = Sizes.EXPONENTIAL,
    load: Annotated[
        str,
        typer.Option("--load", metavar="SHARE", help=f'Share of the agents\' time that the jobs need, or "{AT_ONCE}".'),
    ] = "0.8",
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, max=MOST_JOBS, help="How many jobs each seed has.")
    ] = 100,
    agents: Annotated[
        int | None, typer.Option("--agents", metavar="N", min=1, max=1_000, help="Agents of speed 1; default: 4.")
    ] = None,
    speed: Annotated[
        list[float] | None,
        typer.Option("--speed", metavar="FACTOR", help="An agent of this speed; repeat, in place of --agents."),
    ] = None,
    estimate_error: Annotated[
        float,
        typer.Option("--estimate-error", metavar="SIGMA", min=0, max=5, help="Lognormal sigma of estimated sizes."),
    ] = 0.0,
    users: Annotated[
        int, typer.Option("--users", metavar="N", min=1, help="Users among whom agents are shared fairly.")
    ] = 1,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=1, max=10_000, help="How many repeats.")] = 20,
    first_seed: Annotated[int, typer.Option("--first-seed", metavar="N", min=0, help="Seeds count up from here.")] = 0,
    json: options.Json = False,
) -> None:
    """Simulate the scheduler against round robin + first come first served, with the code that the service runs.

    The ratio is the mean completion time of round robin by that of the scheduler; round robin is weighted by speed
    where speeds differ. Times are in mean job sizes. Nothing is sent anywhere, and no service is needed.
    """
    try:
        scenario = Scenario(
            sizes=sizes,
            load=_read_load(load),
            jobs=jobs,
            speeds=_read_speeds(agents, speed),
            sigma=estimate_error,
            users=users,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    found = run_simulation(scenario, seeds=range(first_seed, first_seed + seeds))
    if json:
        print_json(found.to_dict())
    else:
        print_simulation(found)


def _read_load(text: str) -> float | None:
    if text == AT_ONCE:
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f'--load {text}: give a share as in 0.8, or "{AT_ONCE}"') from None


def _read_speeds(agents: int | None, speeds: list[float] | None) -> tuple[float, ...]:
    if speeds and agents is not None:
        raise typer.BadParameter("--agents and --speed exclude each other: every --speed is an agent")
    return tuple(speeds) if speeds else (1.0,) * (agents or 4)


def print_simulation(found: Comparison) -> None:
    """A comparison for people."""
    scenario = found.scenario
    arrival = "all at once" if scenario.load is None else f"load {scenario.load:g}"
    speeds = set(scenario.speeds)
    against = "round robin" if len(speeds) == 1 else "speed-weighted round robin"
    print_line(
        f"{count(scenario.jobs, 'job')} of {scenario.sizes} size, {arrival}, {count(len(scenario.speeds), 'agent')}, "
        f"{count(len(found.seeds), 'seed')}, estimates "
        + (f"off by lognormal sigma {scenario.sigma:g}" if scenario.sigma else "exact")
    )
    print_line()
    print_table(
        [
            {
                "jobs are done sooner by": f"a factor of, than with {against} + first come first served",
                "mean": f"{found.mean:.3f}",
                "p5": f"{found.percentile(5):.3f}",
                "p50": f"{found.percentile(50):.3f}",
                "p95": f"{found.percentile(95):.3f}",
            }
        ],
        numbers=("mean", "p5", "p50", "p95"),
    )
    print_line()
    rows = [
        ("mean completion time", "policy_mean", "baseline_mean", False),
        ("maximum completion time", "policy_longest", "baseline_longest", True),
        ("last job done", "policy_makespan", "baseline_makespan", True),
        ("worst slowdown", "policy_slowdown", "baseline_slowdown", True),
    ]
    print_table(
        [
            {
                "over the seeds": f"{label}, {'worst' if worst else 'mean'}",
                "scheduler": f"{_over(found, ours, worst=worst):,.4g}",
                against: f"{_over(found, theirs, worst=worst):,.4g}",
            }
            for label, ours, theirs, worst in rows
        ],
        numbers=("scheduler", against),
    )
    print_line()
    total = len(found.seeds) * scenario.jobs
    print_line(
        f"the longest wait is {found.worst('longest_wait'):.3g} times as long as in order of arrival; "
        f"{found.total('over_limit'):,} of {count(total, 'job')} waited more than 3 times as long"
    )


def _over(found: Comparison, field: str, *, worst: bool) -> float:
    return found.worst(field) if worst else sum(getattr(seed, field) for seed in found.seeds) / len(found.seeds)
