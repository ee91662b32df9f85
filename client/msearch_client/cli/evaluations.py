"""`evaluations`: what is known of models on rows."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from msearch_client import Client, Evaluation, PredictorInfo
from msearch_client.cli import options
from msearch_client.cli.output import (
    count_of,
    format_time,
    print_fields,
    print_json,
    print_line,
    print_note,
    print_table,
)

app = typer.Typer(help="What is known of models on rows, and the accuracy predictor that learns from it.")


@app.command("list")
def list_evaluations(
    *,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Keep this model.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", metavar="SAMPLE", help="Keep this sample (id).")] = None,
    limit: options.Limit = 50,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """List evaluations, newest first."""
    with Client(server) as client:
        found = client.evaluations(model=model, sample=sample)
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"evaluations": [item.to_dict() for item in shown], "total": total})
        return
    if shown:
        print_table([_row(item) for item in shown], numbers=("rows", "accuracy"), keys=("model",))
    print_line(count_of(len(shown), total, "evaluation"))


def _row(item: Evaluation) -> dict[str, str]:
    interval = "" if item.low is None or item.high is None else f"{item.low:.3f} - {item.high:.3f}"
    return {
        "model": item.model_name,
        "sample": item.sample_id,
        "rows": f"{item.row_count:,}",
        "accuracy": "-" if item.accuracy is None else f"{item.accuracy:.3f}",
        "95 % interval": interval,
        "by": "agent" if item.job_id else "client",
        "when": format_time(item.created_at),
    }


@app.command()
def predictor(*, server: options.Server = None, json: options.Json = False) -> None:
    """Show the accuracy predictor in use."""
    with Client(server) as client:
        found = client.predictor()
    _print_predictor(found, json=json)


@app.command()
def refit(*, server: options.Server = None, json: options.Json = False) -> None:
    """Fit the accuracy predictor anew on the evidence that is stored. It also happens by itself."""
    with Client(server) as client:
        found = client.refit_predictor()
    if found.notice and not json:
        print_note(f"note: {found.notice}")
    _print_predictor(found, json=json)


def _print_predictor(found: PredictorInfo, *, json: bool) -> None:
    if json:
        print_json(found.to_dict())
        return
    print_fields(
        {
            "predictor": found.version,
            "fitted": format_time(found.fitted_at),
            "own evidence": f"{found.own_evidence_count:,} cross-evaluations of this registry",
            "all evidence": f"{found.evidence_count:,} cross-evaluations",
            "quality": found.detail,
            "digest": found.digest,
        }
    )
