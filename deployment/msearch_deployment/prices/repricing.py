"""Cost and CO2 of stored profiles by one table: a table given now, or the one that all of them were measured with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from msearch_deployment.candidates import Candidate, Figure, Measured, Origin
from msearch_deployment.prices.formulas import co2_g_per_1k, cost_per_1k
from msearch_deployment.prices.tables import Prices, Unpriced

COST, CO2 = "cost_per_1k", "co2_g_per_1k"
_FROM_TABLES = (COST, CO2)


@dataclass(frozen=True, slots=True)
class Priced:
    """Candidates whose costs all come from one table, what an hour of each host class costs by it, and what to know."""

    candidates: tuple[Candidate, ...]
    usd_per_hour: Mapping[str, float]
    notices: tuple[str, ...]


def reprice(candidates: Sequence[Candidate], prices: Prices) -> Priced:
    """All costs and CO2 by this table: what it does not price has none, and the notices say why."""
    classes = {profile.host_class for candidate in candidates for profile in candidate.measured}
    hourly: dict[str, float] = {}
    grids: dict[str, tuple[float, float]] = {}
    notices = []
    for host_class in sorted(classes):
        try:
            hourly[host_class] = prices.price(host_class, here=False).usd_per_hour
        except Unpriced as error:
            notices.append(str(error))
        try:
            grid = prices.grid(host_class, here=False)
        except Unpriced:
            continue  # energy is seldom measured, so a table without grids is no cause for a notice
        grids[host_class] = (grid.g_per_kwh, grid.pue)
    return Priced(_each(candidates, lambda one: reprice_profile(one, hourly, grids)), hourly, tuple(notices))


def reprice_profile(
    profile: Measured, hourly: Mapping[str, float], grids: Mapping[str, tuple[float, float]]
) -> Measured:
    """A profile with costs by a table's prices and (g/kWh, PUE) by host class, whatever it was stored with."""
    figures = {name: figure for name, figure in profile.figures.items() if name not in _FROM_TABLES}
    throughput, energy = figures.get("throughput_per_s"), figures.get("energy_j")
    price, grid = hourly.get(profile.host_class), grids.get(profile.host_class)
    if price is not None and throughput is not None and throughput.value > 0:
        figures[COST] = Figure(cost_per_1k(price, throughput.value), origin=Origin.DERIVED)
    if grid is not None and energy is not None:
        figures[CO2] = Figure(co2_g_per_1k(energy.value, *grid), origin=Origin.DERIVED)
    return profile.with_figures(figures)


def as_stored(
    candidates: Sequence[Candidate], tables: Iterable[str], hourly: Mapping[str, float] | None = None
) -> Priced:
    """The stored costs, if all were computed from one table; figures of several do not compare, and are left out.

    Args:
        candidates: with the costs that were stored.
        tables: identities of the tables that these were computed from.
        hourly: prices of host classes that the profiles say; of others it follows from
            cost_per_1k = price / (3600 x throughput) x 1000.
    """
    distinct = sorted(set(tables))
    if len(distinct) > 1:
        shown = ", ".join(table or "one without identity" for table in distinct)
        notice = (
            f"the stored costs come from {len(distinct)} price tables ({shown}) and do not compare, so none is used"
        )
        return Priced(_each(candidates, _without_costs), {}, (f"{notice}; give one table (--prices FILE)",))
    known = dict(hourly or {})
    for candidate in candidates:
        for profile in candidate.measured:
            cost, throughput = profile.figures.get(COST), profile.figures.get("throughput_per_s")
            if cost is not None and throughput is not None:
                # The newest profile of a host class speaks for it; profiles come newest first.
                known.setdefault(profile.host_class, cost.value * 3.6 * throughput.value)
    return Priced(tuple(candidates), known, ())


def _without_costs(profile: Measured) -> Measured:
    return profile.with_figures({name: one for name, one in profile.figures.items() if name not in _FROM_TABLES})


def _each(candidates: Sequence[Candidate], change: Callable[[Measured], Measured]) -> tuple[Candidate, ...]:
    return tuple(replace(one, measured=tuple(change(profile) for profile in one.measured)) for one in candidates)
