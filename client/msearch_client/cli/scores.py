"""`scores`: what a ranking can be ordered by."""

from __future__ import annotations

from msearch_client import Client, Score
from msearch_client.cli.options import Json, Server
from msearch_client.cli.output import print_fields, print_json, print_line


def scores(*, server: Server = None, json: Json = False) -> None:
    """List the scores that the service knows, with formula and source."""
    with Client(server) as client:
        known = client.scores()
    if json:
        print_json(known.to_dict())
        return
    default = {item.score: item.weight for item in known.default_order_by}
    for score in known:
        print_line(f"{score.name}{'  (default order)' if score.name in default else ''}")
        print_fields(
            {
                "  meaning": score.summary,
                "  formula": score.formula,
                "  range": _range(score),
                "  rests on": score.support_unit,
                "  source": score.source,
            }
        )
        print_line()


def _range(score: Score) -> str:
    low = "-inf" if score.lowest is None else f"{score.lowest:g}"
    high = "inf" if score.highest is None else f"{score.highest:g}"
    return f"{low} to {high}, {'larger' if score.higher_is_better else 'smaller'} is better"
