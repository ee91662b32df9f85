"""`datasets`: list, show, register, delete."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from msearch_analysis.amounts import format_bytes
from msearch_client import Client, Dataset
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

app = typer.Typer(help="The source datasets: what models were trained on.")

Reference = Annotated[str, typer.Argument(metavar="DATASET", help="Name, name@version, or id.")]


sample_app = typer.Typer(help="Rows of a dataset kept by the service, for int8 calibration and checks of outputs.")
app.add_typer(sample_app, name="sample")


@app.command("list")
def list_datasets(
    *,
    modality: options.OfModality = None,
    tag: options.Tag = None,
    licence: options.Licence = None,
    text: options.Text = "",
    limit: options.Limit = 1000,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """List datasets by name and version."""
    wanted = options.make_filter(modalities=modality, tags=tag, licences=licence, text=text)
    with Client(server) as client:
        found = client.datasets(wanted)
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"datasets": [dataset.to_dict() for dataset in shown], "total": total})
        return
    if shown:
        print_table([_row(dataset) for dataset in shown], numbers=("rows",), wide=("licence", "tags"))
    print_line(count_of(len(shown), total, "dataset"))


def _row(dataset: Dataset) -> dict[str, str]:
    return {
        "dataset": dataset.name,
        "version": dataset.version,
        "modality": dataset.modality,
        "rows": f"{dataset.row_count:,}",
        "labels": "yes" if any(signature.labelled for signature in dataset.signatures) else "no",
        "licence": dataset.licence,
        "tags": ", ".join(dataset.tags),
    }


@app.command()
def show(dataset: Reference, *, server: options.Server = None, json: options.Json = False) -> None:
    """Show everything about one dataset."""
    with Client(server) as client:
        found = client.get_dataset(dataset)
    print_dataset(found, json=json)


def print_dataset(dataset: Dataset, *, json: bool) -> None:
    """A dataset as JSON or for people."""
    if json:
        print_json(dataset.to_dict())
        return
    signatures = [
        f"space {item.space_digest[:12]}: {item.row_count:,} rows, {format_bytes(item.size_bytes)}"
        + (", with classes" if item.labelled else "")
        for item in dataset.signatures
    ]
    print_fields(
        {
            "dataset": f"{dataset.name}@{dataset.version}",
            "id": dataset.id,
            "description": dataset.description,
            "modality": dataset.modality,
            "licence": dataset.licence,
            "tags": ", ".join(dataset.tags),
            "signatures": "\n".join(signatures),
            "sample": _describe_sample(dataset),
            "registered": format_time(dataset.created_at),
            "changed": format_time(dataset.updated_at) if dataset.revision > 1 else "",
            "revision": str(dataset.revision),
        }
    )


def _describe_sample(dataset: Dataset) -> str:
    sample = dataset.sample
    if sample is None:
        return "none stored"
    classes = f", classes in {sample.label_column}" if sample.label_column else ""
    return f"{sample.row_count:,} rows stored, {format_bytes(sample.size_bytes)}{classes}"


@app.command()
def register(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name, unique together with the version.")],
    *,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="PATH", help="File or image folder; sketched on this machine.")
    ] = None,
    signature: Annotated[
        list[Path] | None,
        typer.Option(
            "--signature", metavar="FILE", help="Signature file made by `msearch-cli sketch --source`; repeat."
        ),
    ] = None,
    labels: options.Labels = None,
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    version: Annotated[str, typer.Option("--version", metavar="VERSION", help="Version of the dataset.")] = "1",
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="Free text.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; repeat.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="LICENCE", help="Licence, best as an SPDX identifier.")
    ] = "",
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Register a source dataset from its data or from signatures made before. No row leaves this machine."""
    if (data is None) == (not signature):
        raise typer.BadParameter("give either --data or --signature")
    if signature and as_modality is None:
        raise typer.BadParameter("--signature needs --as-modality, which a signature does not say")
    with Client(server) as client, progress("sketching", unit="rows") as show_progress:
        registered = client.register_dataset(
            name,
            data=data,
            signatures=[options.read_signature(path) for path in signature or ()],
            labels=labels,
            modality=as_modality,
            column=column,
            ignore=ignore or (),
            version=version,
            description=description,
            tags=tag or (),
            licence=licence,
            limit_rows=limit_rows,
            progress=show_progress,
        )
    print_dataset(registered, json=json)


@app.command()
def delete(
    dataset: Reference, *, yes: options.Yes = False, server: options.Server = None, json: options.Json = False
) -> None:
    """Delete a dataset; refused while a model refers to it."""
    with Client(server) as client:
        found = client.get_dataset(dataset)
        options.confirm(f"Delete the dataset {found.name}@{found.version}?", yes=yes)
        client.delete_dataset(found)
    if json:
        print_json({"deleted": found.id})
    else:
        print_line(f"deleted {found.name}@{found.version}")


@sample_app.command("put")
def put_sample(
    dataset: Reference,
    *,
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="The dataset's rows: file or image folder.")],
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="Store this many rows.")] = 256,
    labels: options.Labels = None,
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another one chooses other rows.")] = 1,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Store rows of a dataset with the service, in place of an earlier sample. These rows leave this machine.

    Agents calibrate int8 on them and check outputs with them, and whoever may read the service may ask for that;
    --ignore keeps columns here. Without a sample agents use generated inputs.
    """
    with Client(server) as client, progress("reading", unit="rows") as show_progress:
        stored = client.put_sample(
            dataset, data, rows=rows, labels=labels, modality=as_modality, column=column, ignore=ignore or (),
            seed=seed, progress=show_progress,
        )  # fmt: skip
    if json:
        print_json(stored.to_dict())
    else:
        print_line(f"{stored.name}@{stored.version}: {_describe_sample(stored)}")


@sample_app.command("delete")
def delete_sample(
    dataset: Reference, *, yes: options.Yes = False, server: options.Server = None, json: options.Json = False
) -> None:
    """Remove the stored sample of a dataset; harmless if there is none."""
    with Client(server) as client:
        found = client.get_dataset(dataset)
        if found.sample is not None:
            options.confirm(f"Delete the stored sample of {found.name}@{found.version}?", yes=yes)
        changed = client.delete_sample(found)
    if json:
        print_json(changed.to_dict())
    else:
        print_line(f"{changed.name}@{changed.version} has no stored sample")
