"""`models`: list, show, update, delete, download."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from msearch_analysis.amounts import format_bytes
from msearch_client import Client, LocalError, Metric, Model, Tensor
from msearch_client.cli import options, validation
from msearch_client.cli.output import (
    count_of,
    format_time,
    print_fields,
    print_json,
    print_line,
    print_table,
    progress,
)

app = typer.Typer(help="The registered models.")
app.command("validate")(validation.validate)

Reference = Annotated[str, typer.Argument(metavar="MODEL", help="Name, name@version, or id.")]


@app.command("list")
def list_models(
    *,
    task: options.Task = None,
    modality: options.OfModality = None,
    has_class: options.Class = None,
    tag: options.Tag = None,
    licence: options.Licence = None,
    text: options.Text = "",
    format: options.Format = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="Keep models trained on this dataset.")
    ] = None,
    limit: options.Limit = 1000,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """List models by name and version."""
    with Client(server) as client:
        wanted = options.make_filter(
            tasks=task,
            modalities=modality,
            classes=has_class,
            tags=tag,
            licences=licence,
            text=text,
            formats=format,
            dataset_id=client.get_dataset(dataset).id if dataset else "",
        )
        found = client.models(wanted)
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"models": [model.to_dict() for model in shown], "total": total})
        return
    if shown:
        print_table([_row(model) for model in shown], wide=("licence", "tags"))
    print_line(count_of(len(shown), total, "model"))


def _row(model: Model) -> dict[str, str]:
    return {
        "model": model.name,
        "version": model.version,
        "task": model.task,
        "modality": model.modality,
        "format": model.artifact.format,
        "licence": model.licence,
        "tags": ", ".join(model.tags),
    }


@app.command()
def show(model: Reference, *, server: options.Server = None, json: options.Json = False) -> None:
    """Show everything about one model."""
    with Client(server) as client:
        found = client.get_model(model)
    print_model(found, json=json)


def print_model(model: Model, *, json: bool) -> None:
    """A model as JSON or for people."""
    if json:
        print_json(model.to_dict())
        return
    artifact = model.artifact
    size = format_bytes(artifact.size_bytes) if artifact.size_bytes else ""
    print_fields(
        {
            "model": f"{model.name}@{model.version}",
            "id": model.id,
            "description": model.description,
            "task": model.task,
            "modality": model.modality,
            "classes": _list_classes(model.classes),
            "licence": model.licence,
            "tags": ", ".join(model.tags),
            "measured": "" if model.validation is None else validation.describe_validation(model.validation),
            "claimed": "\n".join(_describe_metric(metric) for metric in model.metrics),
            "parent": model.parent,
            "artifact": ", ".join(part for part in (artifact.format, size, artifact.uri) if part),
            "digest": artifact.digest,
            "inputs": "\n".join(_describe_tensor(tensor) for tensor in model.inputs),
            "outputs": "\n".join(_describe_tensor(tensor) for tensor in model.outputs),
            "dataset id": model.dataset_id or "unknown, so the model is never ranked",
            "registered": format_time(model.created_at),
            "changed": format_time(model.updated_at) if model.revision > 1 else "",
            "revision": str(model.revision),
        }
    )


def _list_classes(classes: tuple[str, ...], most: int = 30) -> str:
    more = f", ... {len(classes) - most:,} more" if len(classes) > most else ""
    return ", ".join(classes[:most]) + more


def _describe_metric(metric: Metric) -> str:
    return f"{metric.name} {metric.value:g}" + (f" on {metric.dataset}" if metric.dataset else "")


def _describe_tensor(tensor: Tensor) -> str:
    shape = " x ".join("?" if extent is None else str(extent) for extent in tensor.shape)
    return f"{tensor.name}: {tensor.element_type} {shape or 'scalar'}"


@app.command()
def update(
    model: Reference,
    *,
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="New description.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", metavar="LICENCE", help="New licence.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="New tags, in place of all old ones; repeat.")
    ] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Remove all tags.")] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME=VALUE", help="New metrics, in place of all old ones; repeat."),
    ] = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Change what the card says for people."""
    tags = [] if no_tags else tag
    metrics = [_parse_metric(text) for text in metric] if metric else None
    if description is None and licence is None and tags is None and metrics is None:
        raise typer.BadParameter("nothing to change: give --description, --licence, --tag, --no-tags or --metric")
    with Client(server) as client:
        changed = client.update_model(model, description=description, licence=licence, tags=tags, metrics=metrics)
    print_model(changed, json=json)


def _parse_metric(text: str) -> Metric:
    name, _, value = text.partition("=")
    try:
        return Metric(name=name.strip(), value=float(value))
    except ValueError:
        raise typer.BadParameter(f"--metric must read NAME=VALUE with a number, not {text!r}") from None


@app.command()
def delete(
    model: Reference, *, yes: options.Yes = False, server: options.Server = None, json: options.Json = False
) -> None:
    """Delete a model."""
    with Client(server) as client:
        found = client.get_model(model)
        options.confirm(f"Delete the model {found.name}@{found.version}?", yes=yes)
        client.delete_model(found)
    if json:
        print_json({"deleted": found.id})
    else:
        print_line(f"deleted {found.name}@{found.version}")


@app.command()
def download(
    model: Reference,
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PATH", help="File to write, or folder to write NAME-VERSION.onnx in."),
    ] = Path(),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Download a model's artifact; its digest is verified."""
    if not output.is_dir() and not output.parent.is_dir():
        raise LocalError(f"the folder {output.parent} does not exist")
    with Client(server) as client, progress("downloading", unit="bytes") as show_progress:
        path = client.download_artifact(model, output, overwrite=overwrite, progress=show_progress)
    if json:
        print_json({"path": str(path), "size_bytes": path.stat().st_size})
    else:
        print_line(f"wrote {path} ({format_bytes(path.stat().st_size)})")
