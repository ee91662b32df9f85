"""Cost and CO2 of profiles by a price table of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from msearch_client._errors import LocalError
from msearch_client._profiles import UNMEASURED, Measurement, Profile
from msearch_deployment.prices import (
    Prices,
    Unpriced,
    check,
    co2_g_per_1k,
    cost_per_1k,
    explain_co2,
    explain_cost,
    read_prices,
)

SOURCE = "price_table"


class PriceTable:
    """What hosts cost and what their electricity emits: a TOML file that people edit (docs/costs.md).

    Args:
        path: the file; None takes the examples that msearch ships, which price no host.

    Raises:
        LocalError: it cannot be read, or is wrong somewhere.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        try:
            self._prices = read_prices(None if path is None else Path(path))
        except Unpriced as error:
            raise LocalError(str(error)) from None
        wrong = [problem for problem in check(self._prices) if problem.wrong]
        if wrong:
            shown = "; ".join(str(problem) for problem in wrong[:3])
            raise LocalError(
                f"the price table {self._prices.path} is wrong: {shown}",
                hint=f"run `msearch-cli prices check {self._prices.path}`",
            )

    @property
    def identity(self) -> str:
        """What figures computed from it carry: its date and the beginning of the digest of its bytes."""
        return self._prices.identity

    @property
    def prices(self) -> Prices:
        """The table as msearch_deployment takes it."""
        return self._prices

    def reprice(self, profiles: Iterable[Profile]) -> tuple[Profile, ...]:
        """The profiles with cost and CO2 computed from this table, whatever table they were measured with.

        What the table does not price, or what lacks throughput or energy, has no value, and its detail says why.
        """
        return tuple(self._repriced(profile) for profile in profiles)

    def _repriced(self, profile: Profile) -> Profile:
        kept = (one for one in profile.measurements if one.name not in ("cost_per_1k", "co2_g_per_1k"))
        return replace(profile, measurements=(*kept, _cost(profile, self._prices), _carbon(profile, self._prices)))

    def __repr__(self) -> str:
        return f"PriceTable({str(self._prices.path)!r}, {self.identity})"


def _cost(profile: Profile, table: Prices) -> Measurement:
    throughput = profile.value("throughput_per_s")
    try:
        price = table.price(profile.host_class, here=False)
    except Unpriced as error:
        return _without("cost_per_1k", "USD", str(error))
    if not throughput:
        return _without("cost_per_1k", "USD", "no throughput was measured")
    detail = explain_cost(price.usd_per_hour, price.reason, throughput, table.identity)
    value = cost_per_1k(price.usd_per_hour, throughput)
    return Measurement(name="cost_per_1k", value=value, unit="USD", source=SOURCE, detail=detail)


def _carbon(profile: Profile, table: Prices) -> Measurement:
    energy = profile.value("energy_j")
    try:
        grid = table.grid(profile.host_class, here=False)
    except Unpriced as error:
        return _without("co2_g_per_1k", "g", str(error))
    if energy is None:
        return _without("co2_g_per_1k", "g", "no energy was measured")
    detail = explain_co2(energy, grid.g_per_kwh, grid.region, grid.pue, table.identity)
    value = co2_g_per_1k(energy, grid.g_per_kwh, grid.pue)
    return Measurement(name="co2_g_per_1k", value=value, unit="g", source=SOURCE, detail=detail)


def _without(name: str, unit: str, reason: str) -> Measurement:
    return Measurement(name=name, value=None, unit=unit, source=UNMEASURED, detail=reason)
