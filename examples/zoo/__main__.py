"""`python -m examples.zoo build|evaluate`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from examples.zoo.building import RECIPES, build_zoo
from examples.zoo.evaluation import evaluate as evaluate_workload
from examples.zoo.quality import Quality, mean_quality
from search_service.scores import find_scores

app = typer.Typer(help="The example zoo of models on public real data.", no_args_is_help=True)
_NAMES = ", ".join(recipe.name for recipe in RECIPES)
_Only = Annotated[list[str] | None, typer.Option("--only", help=f"Only this workload, repeatable: {_NAMES}.")]


@app.command()
def build(only: _Only = None) -> None:
    """Fetches the data, trains the models and writes the zoo; reuses what is there."""
    console = Console(stderr=True)
    _check(only)
    start = time.monotonic()
    zoo = build_zoo(console, only or ())
    console.print(f"{zoo.folder} ({time.monotonic() - start:.0f} s)", highlight=False)
    if not zoo.recipes:
        raise typer.Exit(1)


@app.command()
def evaluate(
    only: _Only = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Also judge the mean rank of any two scores.")] = False,
) -> None:
    """Prints how well each score orders the models for the targets: rank correlation, and what its picks lose."""
    notes = Console(stderr=True)
    _check(only)
    zoo = build_zoo(notes, only or ())
    judged: dict[str, dict[str, Quality]] = {}
    with notes.status("evaluating") as status:
        for recipe in zoo.recipes:

            def notice(line: str, title: str = recipe.title) -> None:
                status.update(f"{title}: {line}")

            judged[recipe.name] = evaluate_workload(zoo.folder / recipe.name, find_scores(), notice, pairs=pairs)
    if judged:
        Console().print(_table(judged))


def _table(judged: dict[str, dict[str, Quality]]) -> Table:
    """One row a score, best mean Spearman first: Spearman, regret@1 and regret@5 of each workload, and their means."""
    names = next(iter(judged.values()))
    means = {name: mean_quality([qualities[name] for qualities in judged.values()]) for name in names}
    table = Table("score", *judged, "mean", title="Spearman / regret@1 / regret@5, mean over targets", box=None)
    for name in sorted(means, key=lambda name: -means[name].spearman):
        cells = [*(qualities[name] for qualities in judged.values()), means[name]]
        table.add_row(name, *(f"{cell.spearman:.2f} {cell.regret_1:.3f} {cell.regret_5:.3f}" for cell in cells))
    return table


def _check(only: list[str] | None) -> None:
    known = {recipe.name for recipe in RECIPES}
    if unknown := sorted(set(only or ()) - known):
        raise typer.BadParameter(f"no workload is named {', '.join(unknown)}; there are {_NAMES}")


if __name__ == "__main__":
    app(prog_name="python -m examples.zoo")
