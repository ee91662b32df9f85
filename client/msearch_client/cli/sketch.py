"""`sketch`: writes a signature file, or says what is in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from msearch_analysis.amounts import format_bytes
from msearch_client import Client, LocalError
from msearch_client.cli import options
from msearch_client.cli.output import print_fields, print_json, progress
from msearch_sketch.errors import SketchError
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace


def sketch(
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="File or image folder to sketch.")] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Signature file to write.")
    ] = None,
    inspect: Annotated[
        Path | None, typer.Option("--inspect", metavar="FILE", help="Say what is in a signature file instead.")
    ] = None,
    labels: options.Labels = None,
    source: Annotated[
        bool,
        typer.Option(
            "--source", help="The data trained a model: where the service has no space for its columns, fit one."
        ),
    ] = False,
    space: Annotated[
        Path | None, typer.Option("--space", metavar="FILE", help="JSON document of the feature space to use.")
    ] = None,
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Sketch data into a signature file, or inspect one. A signature holds no row.

    The service is asked only where the feature space is tied to the columns, as for tables and time series.
    """
    if inspect is not None:
        if data is not None or output is not None:
            raise typer.BadParameter("--inspect takes no other file")
        _print(options.read_signature(inspect), inspect, json=json)
        return
    if data is None or output is None:
        raise typer.BadParameter("give the data and the signature file to write: msearch-cli sketch DATA -o FILE")
    with Client(server) as client, progress("sketching", unit="rows") as show_progress:
        signature = client.sketch(
            data,
            modality=as_modality,
            column=column,
            labels=labels,
            space=None if space is None else _read_space(space),
            source=source,
            ignore=ignore or (),
            limit_rows=limit_rows,
            progress=show_progress,
        )
    try:
        output.write_bytes(signature.encoded)
    except OSError as error:
        raise LocalError(f"cannot write {output}: {error.strerror or error}") from None
    _print(signature, output, json=json)


def _read_space(path: Path) -> FeatureSpace:
    try:
        return FeatureSpace.from_document(options.read_bytes(path))
    except SketchError as error:
        raise LocalError(f"{path}: {error}") from None


def summarise(signature: Signature) -> dict[str, Any]:
    """What a signature holds, as JSON values; nothing that stands for a single row."""
    validation = signature.validation
    return {
        "digest": signature.digest,
        "size_bytes": len(signature.encoded),
        "row_count": signature.row_count,
        "space_digest": signature.space_digest,
        "schema_digest": signature.schema_digest,
        "sketcher_version": signature.sketcher_version,
        "dimension": signature.dimension,
        "resolutions": signature.resolutions,
        "tables": signature.tables,
        "keys": int(signature.keys.size),
        "partitions": len(signature.partitions),
        "centroids": len(signature.centroids),
        "classes": dict(zip(signature.classes, signature.class_counts.tolist(), strict=True)),
        "validation": None if validation is None else {"accuracy": validation.accuracy, "count": validation.count},
    }


def _print(signature: Signature, path: Path, *, json: bool) -> None:
    summary = summarise(signature)
    if json:
        print_json({"path": str(path)} | summary)
        return
    validation = summary["validation"]
    print_fields(
        {
            "signature": str(path),
            "size": format_bytes(summary["size_bytes"]),
            "rows": f"{summary['row_count']:,}",
            "space": summary["space_digest"],
            "schema": summary["schema_digest"] or "any",
            "dimensions": str(summary["dimension"]),
            "keys": f"{summary['keys']:,} in {summary['tables']} tables of {summary['resolutions']} resolutions",
            "partitions": f"{summary['partitions']:,}",
            "centroids": f"{summary['centroids']:,}",
            "classes": ", ".join(f"{name} ({count:,})" for name, count in summary["classes"].items()) or "none",
            "validation": f"accuracy {validation['accuracy']:.4f} on {validation['count']:,} rows"
            if validation
            else "",
            "digest": summary["digest"],
        }
    )
