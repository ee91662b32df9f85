"""How a recommendation is shown to people."""

from __future__ import annotations

from msearch_analysis.amounts import format_amount, format_number
from msearch_client import Configuration, Constraint, Figure, Model, Recommendation, Untold
from msearch_client._quantities import DEPLOYMENT_QUANTITIES, QUANTITIES
from msearch_client.cli.missing import measuring_command
from msearch_client.cli.output import count, print_fields, print_line, print_table

USUAL = ("accuracy", "p99_ms", "replicas", "usd_per_hour")
MOST_UNTOLD = 10


def print_recommendation(found: Recommendation, host_class: str) -> None:
    """The best configurations, what vouches for the first, what binds, what is not known."""
    limits = ", ".join(map(str, found.limits))
    under = f" under {found.load}" if found.load else ""
    considered = f"{count(found.considered, 'configuration')} of {count(found.models, 'model')}"
    print_line(
        f"{found.fitting:,} of {considered} meet {limits}{under}" if limits else f"{considered}{under}, no limits"
    )
    if found.best is not None:
        names = _shown(found)
        rows = [_row(place, one, names) for place, one in enumerate(found, 1)]
        print_table(rows, numbers=("", *names), keys=("", "model"))
        print_line()
        _print_sizing(found, found.best)
    if found.nearest is not None:
        _print_nearest(found)
    for change in found.binding:
        print_line(f"binding: {change.limit}. With {change.relaxed} the answer would be {_told(change.answer, found)}")
    _print_untold(found, host_class)
    for notice in found.notices:
        print_line(f"note: {notice}")


def _shown(found: Recommendation) -> tuple[str, ...]:
    """The usual quantities and those of the limits, as far as one configuration has them."""
    named = dict.fromkeys((*USUAL, *(limit.metric for limit in found.limits)))
    return tuple(name for name in named if any(one.value(name) is not None for one in found))


def _row(place: int, one: Configuration, names: tuple[str, ...]) -> dict[str, str]:
    row = {
        "": str(place),
        "model": f"{one.model.name}@{one.model.version}",
        "variant": str(one.variant),
        "host class": one.host_class,
    }
    return row | {name: format_figure(name, one.figures.get(name)) for name in names}


def format_figure(name: str, figure: Figure | None) -> str:
    """A figure with unit, interval and, where nobody measured it, its origin."""
    if figure is None:
        return "-"
    quantity = QUANTITIES.get(name) or DEPLOYMENT_QUANTITIES.get(name)
    shown = format_amount(figure.value, quantity.unit if quantity else "")
    # Of what was measured the profile shows the interval; of an expectation it is half of what there is to know.
    if figure.origin == "predicted" and figure.low is not None and figure.high is not None:
        shown += f" ({format_number(figure.low)} to {format_number(figure.high)})"
    return f"{shown} {figure.origin}" if figure.origin in ("predicted", "claimed") else shown


def _print_sizing(found: Recommendation, best: Configuration) -> None:
    """What the first configuration needs for the rate, and what vouches for it."""
    fields = {"deploy": str(best)}
    if best.capacity_per_s is not None:
        how = "its measured peak" if best.capacity_at_peak else "a rate that it sustained"
        fields["one replica"] = (
            f"{format_number(best.capacity_per_s)}/s: {how} ({best.capacity_load}, {best.capacity_profile_id})"
        )
    if best.replicas is not None and best.capacity_per_s is not None and found.rate_per_s is not None:
        fields["replicas"] = (
            f"{best.replicas:,} = {format_number(found.rate_per_s)}/s / ({format_number(best.capacity_per_s)}/s x "
            f"{1 - found.headroom:g}), rounded up; {100 * found.headroom:g} % of each stays free"
        )
    if best.usd_per_hour is not None:
        fields["cost"] = f"{format_number(best.usd_per_hour)} USD an hour"
    if best.predicted:
        fields["predicted"] = "its latency was not measured; to measure it:\n" + _measure(
            best.model, found, best.host_class
        )
    if best.profile is not None:
        fields["measured"] = f"{best.profile.id} under {best.load}, {best.profile.verdict}"
    print_fields(fields)
    print_line(f"chosen by {found.prefer.replace('place', 'place in the ranking')} among what meets the limits")


def _print_nearest(found: Recommendation) -> None:
    nearest = found.nearest
    assert nearest is not None  # noqa: S101 - the caller looked
    print_line(f"nothing fits. Nearest is {nearest.configuration}:")
    for limit, relaxed in zip(nearest.limits, nearest.relaxed, strict=True):
        print_line(f"  {relaxed} instead of {limit} ({100 * _share(limit, relaxed):.3g} % off)")


def _share(limit: Constraint, relaxed: Constraint) -> float:
    return abs(relaxed.limit - limit.limit) / max(abs(limit.limit), 1e-12)


def _told(answer: Configuration, found: Recommendation) -> str:
    named = dict.fromkeys((*USUAL, *(limit.metric for limit in found.limits)))
    parts = [f"{name} {format_figure(name, answer.figures[name])}" for name in named if name in answer.figures]
    return f"{answer}: {', '.join(parts)}"


def command_for(untold: Untold, found: Recommendation, host_class: str) -> str:
    """The command that would measure what is missing."""
    return _measure(untold.model, found, host_class)


def _measure(model: Model, found: Recommendation, host_class: str) -> str:
    loads = [found.load or "single_stream"]
    if found.rate_per_s is not None:
        p99 = next((limit.limit for limit in found.limits if limit.metric == "p99_ms"), None)
        loads += [] if p99 is None else [f"find_peak:{p99:g}"]
    return measuring_command(model, loads, host_class)


def _print_untold(found: Recommendation, host_class: str) -> None:
    lacking = [one for one in found.untold if "accuracy" not in one.missing]
    for one in found.untold:
        if "accuracy" in one.missing:
            print_line(f"not judged: {one.model.name}@{one.model.version}, whose accuracy nobody knows")
    if not lacking:
        return
    print_line()
    print_line(f"{count(len(lacking), 'model')} not judged; what would tell:")
    for one in lacking[:MOST_UNTOLD]:
        told = f"  # accuracy {format_figure('accuracy', one.accuracy)}" if one.accuracy is not None else ""
        print_line(f"  {command_for(one, found, host_class)}{told}")
    if len(lacking) > MOST_UNTOLD:
        print_line(f"  ... {len(lacking) - MOST_UNTOLD:,} more")
