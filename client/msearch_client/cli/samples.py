"""`samples`: the rows that models are run on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from msearch_analysis.amounts import format_bytes
from msearch_client import Client, EvaluationSample, SampleKind
from msearch_client.cli import options
from msearch_client.cli.output import (
    count_of,
    format_time,
    print_fields,
    print_json,
    print_line,
    print_table,
    progress,
)
from msearch_client.cli.times import parse_time

app = typer.Typer(help="Evaluation samples: your own targets, and the labelled rows of source datasets.")

Reference = Annotated[str, typer.Argument(metavar="SAMPLE", help="Id of the sample.")]


@app.command("list")
def list_samples(
    *,
    kind: Annotated[
        SampleKind | None, typer.Option("--kind", metavar="KIND", help=f"Keep one of {', '.join(SampleKind)}.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="Keep validation samples of this dataset.")
    ] = None,
    limit: options.Limit = 50,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """List samples, newest first."""
    with Client(server) as client:
        found = client.evaluation_samples(kind=kind, dataset=dataset)
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"samples": [sample.to_dict() for sample in shown], "total": total})
        return
    if shown:
        print_table([_row(sample) for sample in shown], numbers=("rows", "size"), keys=("sample",))
    print_line(count_of(len(shown), total, "sample"))


def _row(sample: EvaluationSample) -> dict[str, str]:
    return {
        "sample": sample.id,
        "kind": sample.kind.value,
        "rows": f"{sample.row_count:,}",
        "size": format_bytes(sample.size_bytes),
        "holds": "rows" if sample.has_rows else "points only",
        "dataset id": sample.dataset_id or "-",
        "ends": format_time(sample.expires_at) or "never",
    }


@app.command()
def add(
    data: Annotated[Path, typer.Argument(metavar="PATH", help="The rows: file or image folder.")],
    *,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="They are labelled held-out rows of this source dataset; without it they are a target, for you alone.",
        ),
    ] = None,
    labels: options.Labels = None,
    points_only: Annotated[
        bool,
        typer.Option("--points-only", help="Store only the rows' points in the feature space; the rows stay here."),
    ] = False,
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="TIME", help="How long a target is stored; default 24h, at most 30d."),
    ] = None,
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Store rows with the service, to run models on. They leave this machine, unless --points-only is given."""
    if dataset is not None and keep is not None:
        raise typer.BadParameter("--keep is for targets; a validation sample stays until it is deleted")
    kept = None if keep is None else parse_time(keep, "--keep").total_seconds()
    with Client(server) as client, progress("reading", unit="rows") as show_progress:
        sample = client.put_evaluation_sample(
            data, dataset=dataset, labels=labels, points_only=points_only, keep_s=kept, modality=as_modality,
            column=column, ignore=ignore or (), limit_rows=limit_rows, progress=show_progress,
        )  # fmt: skip
    _print(sample, json=json)


@app.command()
def show(sample: Reference, *, server: options.Server = None, json: options.Json = False) -> None:
    """Show everything about one sample."""
    with Client(server) as client:
        found = client.get_evaluation_sample(sample)
    _print(found, json=json)


def _print(sample: EvaluationSample, *, json: bool) -> None:
    if json:
        print_json(sample.to_dict())
        return
    print_fields(
        {
            "sample": sample.id,
            "kind": sample.kind.value,
            "dataset id": sample.dataset_id,
            "rows": f"{sample.row_count:,}" + ("" if sample.has_rows else ", as points only"),
            "size": format_bytes(sample.size_bytes),
            "digest": sample.digest,
            "labels": sample.label_column,
            "classes": ", ".join(sample.classes[:30]),
            "space": sample.space_digest,
            "stored": format_time(sample.created_at),
            "ends": format_time(sample.expires_at),
        }
    )


@app.command()
def delete(
    sample: Reference, *, yes: options.Yes = False, server: options.Server = None, json: options.Json = False
) -> None:
    """Delete a sample with the outputs on it."""
    with Client(server) as client:
        found = client.get_evaluation_sample(sample)
        options.confirm(f"Delete the {found.kind.value} of {found.row_count:,} rows and all outputs on it?", yes=yes)
        client.delete_evaluation_sample(found)
    if json:
        print_json({"deleted": found.id})
    else:
        print_line(f"deleted {found.id}")
