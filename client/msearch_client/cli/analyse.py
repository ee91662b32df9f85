"""`analyse`: what many profiles say together, as a table, a file or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msearch_analysis.analyses import find_analyses, find_analysis
from msearch_client import Client, Findings
from msearch_client._analyses import local
from msearch_client.cli import options
from msearch_client.cli.output import count, print_json, print_line, print_note, print_table, progress

SHOWN = 50
KEYS = ("model", "variant", "load")
WIDE = ("host_class", "baseline", "reasons")

Model = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Only profiles of this model.")]
OfJob = Annotated[
    list[str] | None, typer.Option("--job", metavar="ID", help="Only profiles of this job; repeat for several.")
]
OfExperiment = Annotated[
    str | None, typer.Option("--experiment", metavar="ID", help="Only the profiles of this experiment.")
]
OfLoad = Annotated[str | None, typer.Option("--load", metavar="LOAD", help="Only under this load, as in server:100.")]


def analyse(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The analysis; left out, they are listed.")
    ] = None,
    *,
    model: Model = None,
    job: OfJob = None,
    experiment: OfExperiment = None,
    load: OfLoad = None,
    host_class: options.HostClass = "",
    metric: Annotated[
        str, typer.Option("--metric", metavar="QUANTITY", help="Look at this quantity, where the analysis takes one.")
    ] = "",
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write the table as CSV.")] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="Also write the table as Parquet.")
    ] = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Also draw the pictures, as PNG.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Also draw the pictures, as SVG.")] = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Analyse what was measured: leaderboards, distributions, curves, heat maps, rooflines, fronts, comparisons.

    INVALID profiles are shown as such and never averaged in. `report` writes all analyses into one HTML page.
    """
    if name is None:
        _list_analyses(json=json)
        return
    options.usage(lambda text: local(lambda: find_analysis(text)), name)
    for path, suffix in ((png, ".png"), (svg, ".svg")):
        if path is not None and path.suffix.lower() != suffix:
            raise typer.BadParameter(f"--{suffix[1:]} must end with {suffix}, not {path.name!r}")
    if job and experiment:
        raise typer.BadParameter("--job and --experiment exclude each other")
    kept = None if load is None else options.read_load(load)
    with Client(server) as client, progress("profiles", unit="fetched") as report:
        found = client.analyse(
            name,
            jobs=job or (),
            experiment=experiment,
            model=model,
            load=kept,
            host_class=host_class,
            metric=metric,
            progress=report,
        )
    if not json:
        _print_analysis(found)  # first: it is there also where nothing can be drawn
    written = _write(found, csv=csv, parquet=parquet, pictures=[path for path in (png, svg) if path is not None])
    if json:
        print_json(found.to_dict() | {"written": written})
        return
    for target in written:
        print_line(f"wrote {target}")


def _list_analyses(*, json: bool) -> None:
    found = find_analyses().values()
    if json:
        print_json([{"name": one.name, "summary": one.summary, "takes_metric": one.takes_metric} for one in found])
        return
    print_table(
        [
            {"analysis": one.name, "what it shows": one.summary, "--metric": "yes" if one.takes_metric else ""}
            for one in found
        ],
        keys=("analysis",),
    )


def _write(found: Findings, *, csv: Path | None, parquet: Path | None, pictures: list[Path]) -> list[str]:
    if csv is not None:
        found.write_csv(csv)
    if parquet is not None:
        found.write_parquet(parquet)
    for path in pictures:
        found.draw(path)
    return [str(path) for path in (csv, parquet, *pictures) if path is not None]


def _print_analysis(found: Findings) -> None:
    table = found.table
    texts = table.texts()
    # Columns that are empty throughout say nothing, and ids take the room of what does; --json and --csv have both.
    kept = [
        (place, one)
        for place, one in enumerate(table.columns)
        if one.name != "profile" and any(line[place] for line in texts)
    ]
    rows = [{column.name: line[place] for place, column in kept} for line in texts[:SHOWN]]
    if rows:
        print_table(
            rows,
            numbers=[column.name for _, column in kept if column.number],
            wide=[column.name for _, column in kept if column.name in WIDE],
            keys=KEYS,
        )
    more = f"; the first {SHOWN} are shown, --csv has all" if len(table.rows) > SHOWN else ""
    print_line(count(len(table.rows), "row") + more)
    for note in found.notes:
        print_note(f"note: {note}")
