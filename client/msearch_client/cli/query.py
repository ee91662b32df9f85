"""`query`: ranks the registered models for data without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from msearch_client import Client, Constraint, Filter, ProfileOptions, Ranking
from msearch_client._target_options import ReadingOptions, TargetOptions
from msearch_client.cli import drift as drifting
from msearch_client.cli import ensemble as ensembles
from msearch_client.cli import labelling, missing, options, reranking
from msearch_client.cli.output import print_json, progress
from msearch_client.cli.ranking_tables import print_ranking, with_commands
from msearch_client.cli.ways import check_way
from msearch_client.cli.weights import parse_weights


def query(
    context: typer.Context,
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
    by_service: Annotated[
        bool, typer.Option("--by-service", help="Stream the rows to the service instead of sketching them here.")
    ] = False,
    task: options.Task = None,
    modality: options.OfModality = None,
    has_class: options.Class = None,
    tag: options.Tag = None,
    licence: options.Licence = None,
    text: options.Text = "",
    format: options.Format = None,
    score: Annotated[str | None, typer.Option("--score", metavar="NAME", help="Order by this score.")] = None,
    order_by: Annotated[
        str | None,
        typer.Option("--order-by", metavar="NAME=WEIGHT,...", help='Order by several: "nearest=2,adaptivity=1".'),
    ] = None,
    scores: Annotated[str, typer.Option("--scores", metavar="NAME,...", help="Further scores to show.")] = "",
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="Show this many candidates.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Show the evidence, and what was filtered out.")] = False,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="LIMIT",
            help='A limit on what was measured: "p99_ms<=20", "throughput_per_s>=200", "peak_memory_bytes<=512MiB"; '
            "docs/profiling.md lists the quantities; repeat.",
        ),
    ] = None,
    load: Annotated[
        str | None,
        typer.Option("--load", metavar="LOAD", help="The load that limits and quantities are about, as in server:100."),
    ] = None,
    host_class: options.HostClass = "",
    order_by_metric: Annotated[
        str, typer.Option("--order-by-metric", metavar="QUANTITY", help="Order by this measured quantity, best first.")
    ] = "",
    pareto: Annotated[
        str,
        typer.Option(
            "--pareto", metavar="QUANTITY", help="Keep only the Pareto front of the score against this quantity."
        ),
    ] = "",
    profile_missing: Annotated[
        bool,
        typer.Option(
            "--profile-missing",
            help="Measure the best unmeasured candidates, at most --top, wait for that, and ask again.",
        ),
    ] = False,
    predict: Annotated[
        bool | None,
        typer.Option(
            "--predict/--no-predict",
            help="Predict each candidate's accuracy from the signatures alone; on unless profiles are asked for.",
        ),
    ] = None,
    rerank: reranking.Rerank = None,
    local: reranking.Local = False,
    keep: reranking.Keep = None,
    with_noise: reranking.WithNoise = False,
    labels_budget: labelling.Budget = None,
    labels: labelling.LabelsFile = None,
    sample: labelling.OfSample = None,
    confidence: labelling.Confidence = 0.95,
    tolerance: labelling.Tolerance = 0.01,
    f1: labelling.F1 = "",
    show_in: labelling.ShowIn = None,
    ensemble: ensembles.Members = None,
    drift: Annotated[
        Path | None,
        typer.Option(
            "--drift",
            metavar="BASE",
            help="Do not search: compare --data with these rows, which a model was built on. Has it moved away?",
        ),
    ] = None,
    drift_from: Annotated[
        str | None,
        typer.Option(
            "--drift-from", metavar="DATASET", help="The same, with a registered dataset, by its signature alone."
        ),
    ] = None,
    predicted_latency: Annotated[
        bool,
        typer.Option(
            "--predicted-latency",
            help="Show what the latency of the unmeasured candidates would be under --load, learned from others.",
        ),
    ] = False,
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Rank the registered models for data without labels, if asked by what was measured of them.

    With --rerank the best candidates are run on the data, and ranked by the accuracy that their outputs foretell.
    With --labels-budget a few labels of rows that it chooses tell them apart; agents run them with --rerank, and this
    machine without it, or with --local.

    With --require, --order-by-metric or --pareto each candidate is shown with its best variant, and candidates without
    a measurement that could tell are listed apart, with the command that would measure them.
    """
    if (data is None) == (signature is None):
        raise typer.BadParameter("give either --data or --signature")
    check_way(context)
    reading: ReadingOptions = {
        "modality": as_modality, "column": column, "ignore": ignore or (), "limit_rows": limit_rows
    }  # fmt: skip
    if drift is not None or drift_from is not None:
        with Client(server) as client:
            drifting.compare(client, data, signature, drift, drift_from, as_json=json, **reading)
        return
    if score is not None and order_by is not None:
        raise typer.BadParameter("give either --score or --order-by")
    if by_service and data is None:
        raise typer.BadParameter("--by-service needs --data")
    order = {score: 1.0} if score else parse_weights(order_by or "")
    shown = [name.strip() for name in scores.split(",") if name.strip()]
    wanted = options.make_filter(
        tasks=task, modalities=modality, classes=has_class, tags=tag, licences=licence, text=text, formats=format
    )
    asked: TargetOptions = {"filter": wanted, "order_by": order, **reading}
    measured = ProfileOptions(
        constraints=tuple(options.usage(Constraint.parse, text) for text in require or ()),
        load="" if load is None else str(options.read_load(load)),
        host_class=host_class,
        order_by_metric=order_by_metric,
        pareto_metric=pareto,
    )
    if profile_missing and measured == ProfileOptions():
        raise typer.BadParameter("--profile-missing needs --require, --load, --order-by-metric or --pareto")
    if ensemble is not None:
        with Client(server) as client:
            ensembles.suggest(client, data, signature, ensemble, as_json=json, **asked)
        return
    to_label = labelling.check_options(
        budget=labels_budget, file=labels, confidence=confidence, tolerance=tolerance, f1=f1, show_in=show_in,
        sample=sample, k=rerank, local=local, keep=keep, chosen=bool(order) or wanted != Filter(),
    )  # fmt: skip
    if to_label is not None and data is not None:
        with Client(server) as client:
            labelling.label(client, data, to_label, as_json=json, **asked)
        return
    reranking.check_options(k=rerank, local=local, keep=keep, with_noise=with_noise)
    told: dict[str, Any] = {
        "scores": shown, "explain": explain, "require": measured.constraints, "load": measured.load,
        "host_class": measured.host_class,
    }  # fmt: skip
    foretold = measured == ProfileOptions() if predict is None else predict
    if predicted_latency and load is None:
        raise typer.BadParameter("--predicted-latency needs --load")
    with Client(server) as client:

        def ask(target: Any, *, by_service: bool) -> Ranking:
            search = client.search_by_data if by_service else client.search
            with progress("reading" if by_service else "sketching", unit="rows") as show_progress:
                return search(
                    target, **asked, **told, top=top, order_by_metric=measured.order_by_metric,
                    pareto=measured.pareto_metric, predict_accuracy=foretold, progress=show_progress,
                )  # fmt: skip

        if rerank is not None and data is not None:
            ranking = reranking.rerank(
                client, data, rerank, local=local, keep=keep, with_noise=with_noise, **asked, **told
            )
        else:
            ranking = ask(data if signature is None else options.read_signature(signature), by_service=by_service)
        if profile_missing:
            lacking = missing.unmeasured(ranking)[:top]
            if lacking and missing.measure(client, lacking, measured):
                ranking = ask(ranking.signature, by_service=False)
        latencies = missing.foretell(client, ranking, measured) if predicted_latency else None
    if json:
        print_json(with_commands(ranking, measured, latencies))
    else:
        print_ranking(ranking, explain=explain, measured=measured, latencies=latencies)
