"""`recommend`: which model to deploy, in which form, on which host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msearch_client import Client, Constraint, LocalError, Precision, Recommendation
from msearch_client.cli import options, reranking
from msearch_client.cli.output import print_json, print_line, progress
from msearch_client.cli.recommended import command_for, print_recommendation
from msearch_client.cli.weights import parse_weights


def recommend(
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="PATH", help="Unlabelled sample: Parquet, CSV, JSON lines, Arrow, npz, image folder."
        ),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE", help="Signature file made by `msearch-cli sketch`.")
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="LIMIT",
            help='A limit on what was measured, on accuracy, or on replicas and usd_per_hour: "p99_ms<=20", '
            '"accuracy>=0.8"; repeat.',
        ),
    ] = None,
    load: Annotated[
        str | None, typer.Option("--load", metavar="LOAD", help="The load that limits are about, as in server:100.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="PER_S", help="Inferences a second to take: says how many replicas it takes."),
    ] = None,
    headroom: Annotated[
        float, typer.Option("--headroom", metavar="SHARE", help="Share of each replica's capacity to keep free.")
    ] = 0.2,
    host_class: options.HostClass = "",
    backend: Annotated[
        list[str] | None, typer.Option("--backend", metavar="NAME", help="Only forms of this backend; repeat.")
    ] = None,
    precision: Annotated[
        list[Precision] | None,
        typer.Option(
            "--precision", metavar="NAME", help=f"Only forms in this precision; repeat. One of {', '.join(Precision)}."
        ),
    ] = None,
    prefer: Annotated[
        str,
        typer.Option(
            "--prefer",
            metavar="NAME",
            help="What decides among what fits: accuracy, usd_per_hour, replicas, p99_ms, cost_per_1k, energy_j, "
            "peak_memory_bytes or place (in the ranking).",
        ),
    ] = "",
    cautious: Annotated[
        bool, typer.Option("--cautious", help="Hold limits against the worse end of each interval.")
    ] = False,
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="Compute costs from this price table.")
    ] = None,
    predicted_latency: Annotated[
        bool,
        typer.Option(
            "--predicted-latency",
            help="Where a model was not measured under the load, predict its latency from others; marked as predicted.",
        ),
    ] = False,
    candidates: Annotated[
        int, typer.Option("--candidates", metavar="N", min=1, max=1000, help="Look at so many models of the ranking.")
    ] = 20,
    rerank: reranking.Rerank = None,
    local: reranking.Local = False,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="Recommend at most so many.")] = 3,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            metavar="DIR",
            help="Write the artifact with its card, its figures, a program that runs it and a Triton repository there.",
        ),
    ] = None,
    pick: Annotated[int, typer.Option("--pick", metavar="N", min=1, help="Export this one of those recommended.")] = 1,
    task: options.Task = None,
    modality: options.OfModality = None,
    has_class: options.Class = None,
    tag: options.Tag = None,
    licence: options.Licence = None,
    text: options.Text = "",
    format: options.Format = None,
    order_by: Annotated[
        str, typer.Option("--order-by", metavar="NAME=WEIGHT,...", help="How to rank; default: the service's own way.")
    ] = "",
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Recommend which model to deploy, in which form, on which host, from what was measured.

    Ranks the models for the data, looks at the profiles of the best, and prints the best configurations that meet every
    limit, the limits that bind, and where nothing fits, what comes nearest and what to relax.
    """
    if (data is None) == (signature is None):
        raise typer.BadParameter("give either --data or --signature")
    reranking.check_options(k=rerank, local=local, keep=None, with_noise=False)
    if rerank is not None and signature is not None:
        raise typer.BadParameter("--rerank and --signature do not go together")
    wanted = options.make_filter(
        tasks=task, modalities=modality, classes=has_class, tags=tag, licences=licence, text=text, formats=format
    )
    with Client(server) as client:
        with progress("sketching", unit="rows") as show_progress:
            found = client.recommend(
                data if signature is None else options.read_signature(signature),
                require=[options.usage(Constraint.parse, text) for text in require or ()],
                load=None if load is None else options.read_load(load),
                host_class=host_class,
                backends=backend or (),
                precisions=precision or (),
                rate=rate,
                headroom=headroom,
                cautious=cautious,
                prefer=prefer,
                prices=prices,
                predicted_latency=predicted_latency,
                candidates=candidates,
                rerank=rerank,
                local=local,
                top=top,
                filter=wanted,
                order_by=parse_weights(order_by),
                modality=as_modality,
                column=column,
                ignore=ignore or (),
                limit_rows=limit_rows,
                progress=show_progress,
            )
        if json:
            document = found.to_dict()
            for one, shown in zip(found.untold, document["untold"], strict=True):
                shown["command"] = command_for(one, found, host_class)
            if export is not None:
                document["exported_to"] = str(_export(client, found, pick, export))
            print_json(document)
            return
        print_recommendation(found, host_class)
        if export is not None:
            print_line(f"exported to {_export(client, found, pick, export)}")


def _export(client: Client, found: Recommendation, pick: int, folder: Path) -> Path:
    if pick > len(found):
        reason = "nothing meets the limits" if not found else f"only {len(found)} are recommended"
        raise LocalError(f"there is no configuration {pick} to export: {reason}")
    with progress("downloading", unit="bytes") as show_progress:
        return client.export(found[pick - 1], folder, progress=show_progress)
