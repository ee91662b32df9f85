"""The table of what an hour of a host costs and what its electricity emits: a TOML file that the user edits."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).with_name("prices.toml")
"""Examples with their sources; it sets nothing for this host, so that nothing is guessed."""


class Unpriced(Exception):
    """The table does not say; the message tells how to make it."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars an hour, and what says so."""

    usd_per_hour: float
    reason: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Grams of CO2 a kWh of electricity, and the data centre's power usage effectiveness."""

    region: str
    g_per_kwh: float
    pue: float


@dataclass(frozen=True, slots=True)
class Prices:
    """A table that was read."""

    path: Path
    table: Mapping[str, Any]

    def price(self, host_class: str) -> Price:
        """What an hour of this host costs: by [here] itself, its instance, or the longest fitting host class.

        Raises:
            Unpriced: the table does not say, or not with a number.
        """
        here = self._section("here")
        if "usd_per_hour" in here:
            return Price(self._number(here, "here", "usd_per_hour"), "here.usd_per_hour")
        if "instance" in here:
            name, instances = str(here["instance"]), self._section("instances")
            if name not in instances:
                raise Unpriced(f"here.instance is {name!r}, which [instances] in {self.path} does not have")
            return Price(self._number(instances[name], f"instances.{name}", "usd_per_hour"), f"instance {name}")
        classes = self._section("host_classes")
        fitting = [name for name in classes if name and host_class.startswith(name)]
        if fitting:
            name = max(fitting, key=len)
            return Price(self._number(classes[name], f"host_classes.{name}", "usd_per_hour"), f"host class {name}")
        raise Unpriced(
            f"what an hour of this host costs is not known: set here.usd_per_hour in {self.path.name} of your own and "
            "start the agent with --price-table"
        )

    def grid(self) -> Grid:
        """Where this host's electricity comes from: by [here] itself, or its region.

        Raises:
            Unpriced: the table does not say, or not with a number.
        """
        here = self._section("here")
        pue = self._number(here, "here", "pue") if "pue" in here else 1.0
        if pue < 1.0:
            raise Unpriced(
                f"here.pue in {self.path} is {pue:g}; it is the total power over that of the servers, so >= 1"
            )
        if "g_per_kwh" in here:
            return Grid("here.g_per_kwh", self._number(here, "here", "g_per_kwh"), pue)
        if "region" not in here:
            raise Unpriced(f"the carbon intensity is not known: set here.region or here.g_per_kwh in {self.path}")
        region, regions = str(here["region"]), self._section("regions")
        if region not in regions:
            raise Unpriced(f"here.region is {region!r}, which [regions] in {self.path} does not have")
        return Grid(region, self._number(regions[region], f"regions.{region}", "g_per_kwh"), pue)

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.table.get(name, {})
        if not isinstance(section, Mapping):
            raise Unpriced(f"[{name}] in {self.path} must be a table")
        return section

    def _number(self, entry: object, place: str, key: str) -> float:
        value = entry.get(key) if isinstance(entry, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise Unpriced(f"{place}.{key} in {self.path} must be a number of at least 0, not {value!r}")
        return float(value)


def read_prices(path: Path | None) -> Prices:
    """The user's table, or the shipped one. Raises Unpriced if it cannot be read."""
    chosen = SHIPPED if path is None else path
    try:
        return Prices(chosen, tomllib.loads(chosen.read_text(encoding="utf-8")))
    except OSError as error:
        raise Unpriced(f"cannot read the price table {chosen}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unpriced(f"the price table {chosen} is not TOML: {error}") from None
