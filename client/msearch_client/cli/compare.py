"""`compare`: is one profile better than another?"""

from __future__ import annotations

from typing import Annotated

import typer

from msearch_analysis.amounts import format_amount, format_share
from msearch_client import Answer, Client, Comparison
from msearch_client._quantities import QUANTITIES
from msearch_client.cli import options
from msearch_client.cli.output import print_json, print_line

SENTENCES = {
    Answer.BETTER: "B is better than A",
    Answer.WORSE: "B is worse than A",
    Answer.SAME: "B is the same as A",
    Answer.AMBIGUOUS: "these runs cannot tell A and B apart, nor say that they are the same",
}


def compare(
    first: Annotated[
        str,
        typer.Argument(metavar="A", help='The baseline: a profile id, or "MODEL:VARIANT:LOAD" for the newest valid.'),
    ],
    second: Annotated[
        str, typer.Argument(metavar="B", help='What is compared with it, as in "digits:onnxruntime fp32:server:100".')
    ],
    *,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            metavar="QUANTITY",
            help="Compare this; default: p50_ms, throughput_per_s for offline, peak_rate_per_s for find_peak.",
        ),
    ] = "",
    min_effect: Annotated[
        float,
        typer.Option("--min-effect", metavar="SHARE", min=0, max=0.99, help="Differences below this do not matter."),
    ] = 0.02,
    host_class: options.HostClass = "",
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Say whether profile B is BETTER than A, WORSE, the SAME, or whether that is AMBIGUOUS, with effect and interval.

    The interval is Welch's at 95 %, of the ratio of the medians of their runs; a difference counts if it exceeds both
    --min-effect and what equal runs on this host differ by. Any answer is exit code 0.
    """
    with Client(server) as client:
        found = client.compare(first, second, metric=metric, min_effect=min_effect, host_class=host_class)
    if json:
        print_json(found.to_dict() | {"threshold": found.threshold})
        return
    print_comparison(found)


def print_comparison(found: Comparison) -> None:
    """A comparison for people."""
    unit = QUANTITIES[found.metric].unit
    interval = (
        "no interval from so few runs"
        if found.low is None or found.high is None
        else f"95 %: {format_share(found.low)} to {format_share(found.high)}"
    )
    print_line(f"{found.answer}: {SENTENCES[found.answer]}")
    print_line(
        f"{found.metric}: A {format_amount(found.first_value, unit)}, B {format_amount(found.second_value, unit)}, "
        f"{format_share(found.effect)} ({interval})"
    )
    print_line(
        f"a difference matters beyond {100 * found.threshold:.3g} %: smallest effect {100 * found.min_effect:.3g} %, "
        f"noise of this host {100 * found.noise:.3g} %"
    )
    for notice in found.notices:
        print_line(f"note: {notice}")
