"""`report`: every analysis in one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msearch_analysis.amounts import format_bytes
from msearch_client import Client
from msearch_client.cli import options
from msearch_client.cli.analyse import Model, OfExperiment, OfJob, OfLoad
from msearch_client.cli.output import count, print_json, print_line, progress

SUFFIXES = (".html", ".htm")


def report(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page to write, ending with .html.")],
    model: Model = None,
    job: OfJob = None,
    experiment: OfExperiment = None,
    load: OfLoad = None,
    host_class: options.HostClass = "",
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="The page's heading.")] = "",
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Write every analysis of what was measured into one HTML page, with its pictures, tables, hosts and versions.

    The page opens offline, needs no server and runs no script; it reads on a phone as on a screen, light or dark.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(f"--out must end with .html, not {out.name!r}")
    if job and experiment:
        raise typer.BadParameter("--job and --experiment exclude each other")
    kept = None if load is None else options.read_load(load)
    with Client(server) as client, progress("profiles", unit="fetched") as report_progress:
        written = client.report(
            out,
            jobs=job or (),
            experiment=experiment,
            model=model,
            load=kept,
            host_class=host_class,
            title=title,
            progress=report_progress,
        )
    size = out.stat().st_size
    if json:
        print_json({"report": str(out), "profiles": written, "size_bytes": size})
        return
    print_line(f"wrote {out}: {count(written, 'profile')}, {format_bytes(size)}")
