"""How a ranking is printed: as a table for people, or as JSON with the commands that would go on from it."""

from __future__ import annotations

from typing import Any

from msearch_client import Candidate, LatencyPredictions, ProfileOptions, Ranking
from msearch_client.cli import missing, predictions
from msearch_client.cli.figures import format_metric
from msearch_client.cli.output import count, count_of, print_fields, print_line, print_table


def with_commands(ranking: Ranking, measured: ProfileOptions, latencies: LatencyPredictions | None) -> dict[str, Any]:
    """The ranking as JSON values, each unmeasured candidate with the command that would measure it."""
    document = ranking.to_dict()
    for candidate, shown in zip(ranking.unmeasured, document["unmeasured"], strict=True):
        shown["command"] = missing.command_for(candidate, measured)
        if latencies is not None:
            shown["predicted"] = [one.to_dict() for one in missing.predictions_of(candidate, latencies)]
    return document


def print_ranking(
    ranking: Ranking, *, explain: bool, measured: ProfileOptions, latencies: LatencyPredictions | None = None
) -> None:
    """A ranking for people."""
    order = measured.order_by_metric or " + ".join(
        item.score if item.weight == 1 else f"{item.weight:g} {item.score}" for item in ranking.order_by
    )
    shown = count_of(len(ranking), ranking.total, "candidate")
    print_line(f"{shown} for {count(ranking.target_row_count, 'row')}, ordered by {order}")
    if ranking.candidates:
        foretold = any(candidate.prediction is not None for candidate in ranking)
        names = tuple(name for name in ranking.score_names if not (foretold and name == predictions.PREDICTED))
        several = len(ranking.order_by) > 1
        metrics = _metrics(measured)
        rows = [
            _row(candidate, names, several=several, foretold=foretold)
            | (_measured_cells(candidate, metrics) if metrics else {})
            for candidate in ranking
        ]
        numbers = ("rank", "accuracy", "mean rank", *names[:1], "support", *names[1:], *metrics)
        print_table(rows, numbers=numbers, keys=("rank", "model"))
        predictions.print_predictor(ranking)
    if explain:
        _print_evidence(ranking)
    predictions.print_failed(ranking.failed)
    missing.print_unmeasured(ranking, measured, latencies)
    predictions.print_prediction_notices(ranking)
    for notice in ranking.notices:
        print_line(f"note: {notice}")


def _row(candidate: Candidate, names: tuple[str, ...], *, several: bool, foretold: bool) -> dict[str, str]:
    values = {value.score: value for value in candidate.scores}
    row = {
        "rank": str(candidate.rank),
        "model": f"{candidate.model.name}@{candidate.model.version}",
        "dataset": candidate.dataset_name,
    }
    if foretold:
        row |= predictions.prediction_cells(candidate)
    if several:
        row["mean rank"] = f"{candidate.ranking_value:.4f}"
    for name in names:
        found = values.get(name)
        row[name] = "-" if found is None or found.value is None else f"{found.value:.4f}"
        if name == names[0]:
            row["support"] = "-" if found is None else f"{found.support:,.0f}"
    return row


def _metrics(measured: ProfileOptions) -> tuple[str, ...]:
    """The quantities to show: those asked about, else the usual ones."""
    if measured == ProfileOptions():
        return ()
    return tuple(dict.fromkeys((*measured.metrics, "p99_ms", "throughput_per_s")))


def _measured_cells(candidate: Candidate, metrics: tuple[str, ...]) -> dict[str, str]:
    profile = candidate.profile
    cells = {"variant": "-" if profile is None else str(profile.variant)}
    return cells | {name: format_metric(profile, name) for name in metrics}


def _print_evidence(ranking: Ranking) -> None:
    for candidate in ranking:
        print_line()
        print_line(f"{candidate.rank}. {candidate.model.name}@{candidate.model.version}")
        predictions.print_contributions(candidate)
        print_fields({f"  {value.score}": value.detail for value in candidate.scores})
    if ranking.exclusions:
        print_line()
        print_line("left out")
        print_fields({f"  {item.criterion}": f"{item.count:,}: {item.detail}" for item in ranking.exclusions})
