"""`query`: ranks the registered models for data without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msearch_client import Candidate, Client, Ranking
from msearch_client.cli import options
from msearch_client.cli.output import count, count_of, print_fields, print_json, print_line, print_table, progress


def query(
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
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Rank the registered models for data without labels."""
    if (data is None) == (signature is None):
        raise typer.BadParameter("give either --data or --signature")
    if score is not None and order_by is not None:
        raise typer.BadParameter("give either --score or --order-by")
    if by_service and data is None:
        raise typer.BadParameter("--by-service needs --data")
    order = {score: 1.0} if score else parse_weights(order_by or "")
    shown = [name.strip() for name in scores.split(",") if name.strip()]
    wanted = options.make_filter(
        tasks=task, modalities=modality, classes=has_class, tags=tag, licences=licence, text=text, formats=format
    )
    with Client(server) as client, progress("reading" if by_service else "sketching", unit="rows") as show_progress:
        if by_service:
            ranking = client.search_by_data(
                data, filter=wanted, order_by=order, scores=shown, top=top, explain=explain,
                modality=as_modality, column=column, ignore=ignore or (), limit_rows=limit_rows, progress=show_progress,
            )  # fmt: skip
        else:
            ranking = client.search(
                data if signature is None else options.read_signature(signature),
                filter=wanted, order_by=order, scores=shown, top=top, explain=explain,
                modality=as_modality, column=column, ignore=ignore or (), limit_rows=limit_rows, progress=show_progress,
            )  # fmt: skip
    if json:
        print_json(ranking.to_dict())
    else:
        print_ranking(ranking, explain=explain)


def parse_weights(text: str) -> dict[str, float]:
    """Scores with weights from "nearest=2,adaptivity=1"; a score alone has weight 1."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight) if equals else 1.0
        except ValueError:
            raise typer.BadParameter(f"--order-by must read NAME=WEIGHT,..., not {part!r}") from None
    return weights


def print_ranking(ranking: Ranking, *, explain: bool) -> None:
    """A ranking for people."""
    order = " + ".join(item.score if item.weight == 1 else f"{item.weight:g} {item.score}" for item in ranking.order_by)
    shown = count_of(len(ranking), ranking.total, "candidate")
    print_line(f"{shown} for {count(ranking.target_row_count, 'row')}, ordered by {order}")
    if ranking.candidates:
        names = ranking.score_names
        several = len(ranking.order_by) > 1
        rows = [_row(candidate, names, several=several) for candidate in ranking]
        print_table(rows, numbers=("rank", "mean rank", names[0], "support", *names[1:]), keys=("rank", "model"))
    if explain:
        _print_evidence(ranking)
    for notice in ranking.notices:
        print_line(f"note: {notice}")


def _row(candidate: Candidate, names: tuple[str, ...], *, several: bool) -> dict[str, str]:
    values = {value.score: value for value in candidate.scores}
    row = {
        "rank": str(candidate.rank),
        "model": f"{candidate.model.name}@{candidate.model.version}",
        "dataset": candidate.dataset_name,
    }
    if several:
        row["mean rank"] = f"{candidate.ranking_value:.4f}"
    for name in names:
        found = values.get(name)
        row[name] = "-" if found is None or found.value is None else f"{found.value:.4f}"
        if name == names[0]:
            row["support"] = "-" if found is None else f"{found.support:,.0f}"
    return row


def _print_evidence(ranking: Ranking) -> None:
    for candidate in ranking:
        print_line()
        print_line(f"{candidate.rank}. {candidate.model.name}@{candidate.model.version}")
        print_fields({f"  {value.score}": value.detail for value in candidate.scores})
    if ranking.exclusions:
        print_line()
        print_line("left out")
        print_fields({f"  {item.criterion}": f"{item.count:,}: {item.detail}" for item in ranking.exclusions})
