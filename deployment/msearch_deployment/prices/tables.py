"""The table of what an hour of a host costs and what its electricity emits: a TOML file that people edit.

docs/costs.md describes it. Whatever is computed from a table carries the table's identity, so that figures of different
tables are never taken for each other.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).with_name("prices.toml")
"""Examples with their sources; it sets nothing for any host, so that nothing is guessed."""

HOST_KEYS = ("usd_per_hour", "instance", "g_per_kwh", "region", "pue", "data_centre")
_IDENTITY = re.compile(r"\[prices (?P<date>\S+) (?P<digest>[0-9a-f]{8})\]")
_HOURLY = re.compile(r"(?P<price>\d+(?:\.\d+)?(?:e[+-]?\d+)?) USD/h ")
_DIGEST_LENGTH = 8


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
    """A table that was read. `digest`: of its bytes, so that an edited table is another one."""

    path: Path
    table: Mapping[str, Any]
    digest: str = ""

    @property
    def date(self) -> str:
        """When it was last looked over, as it says itself."""
        return str(self.table.get("date", "undated"))

    @property
    def identity(self) -> str:
        """What figures computed from it carry: "[prices 2026-11-25 a1b2c3d4]"."""
        return f"[prices {self.date.replace(' ', '_')} {self.digest[:_DIGEST_LENGTH]}]"

    def price(self, host_class: str, *, here: bool = True) -> Price:
        """What an hour of a host costs: by [here] (of the agent's own host) if it says, else the longest fitting class.

        Args:
            host_class: of the host.
            here: whether it is the host that [here] is about.

        Raises:
            Unpriced: the table does not say, or not with a number.
        """
        for place, entry in self._places(host_class, here=here):
            if "usd_per_hour" in entry:
                return Price(self.number(entry, place, "usd_per_hour"), _reason(place, "usd_per_hour"))
            if "instance" in entry:
                instance = self._named(entry, place, "instance", "instances")
                price = self.number(instance, f"instances.{entry['instance']}", "usd_per_hour")
                return Price(price, f"instance {entry['instance']}")
        if here:
            raise Unpriced(
                f"what an hour of this host costs is not known: set here.usd_per_hour in {self.path.name} of your own "
                "and start the agent with --price-table"
            )
        raise Unpriced(
            f"{self.path.name} does not say what an hour of {host_class} costs: add it to [host_classes], as in "
            f'"{host_class}" = {{ usd_per_hour = 0.20 }}'
        )

    def grid(self, host_class: str = "", *, here: bool = True) -> Grid:
        """Where a host's electricity comes from: looked up as `price`.

        Raises:
            Unpriced: the table does not say, or not with a number.
        """
        places = list(self._places(host_class, here=here))
        pue = self._pue(places)
        for place, entry in places:
            if "g_per_kwh" in entry:
                return Grid(f"{place}.g_per_kwh", self.number(entry, place, "g_per_kwh"), pue)
            if "region" in entry:
                region = self._named(entry, place, "region", "regions")
                name = str(entry["region"])
                return Grid(name, self.number(region, f"regions.{name}", "g_per_kwh"), pue)
        if here:
            raise Unpriced(f"the carbon intensity is not known: set here.region or here.g_per_kwh in {self.path}")
        raise Unpriced(
            f"{self.path.name} does not say where the electricity of {host_class} comes from: add it to "
            f'[host_classes], as in "{host_class}" = {{ region = "DE" }}'
        )

    def section(self, name: str) -> Mapping[str, Any]:
        """A section; empty if there is none. Raises Unpriced if it is no table."""
        section = self.table.get(name, {})
        if not isinstance(section, Mapping):
            raise Unpriced(f"[{name}] in {self.path} must be a table")
        return section

    def number(self, entry: object, place: str, key: str) -> float:
        """A number of at least 0. Raises Unpriced if it is none."""
        value = entry.get(key) if isinstance(entry, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise Unpriced(f"{place}.{key} in {self.path} must be a number of at least 0, not {value!r}")
        return float(value)

    def _places(self, host_class: str, *, here: bool) -> list[tuple[str, Mapping[str, Any]]]:
        """What may speak for the host, in this order."""
        found = [("here", self.section("here"))] if here else []
        classes = self.section("host_classes")
        fitting = [name for name in classes if name and host_class.startswith(name)]
        if fitting:
            name = max(fitting, key=len)
            entry = classes[name]
            if not isinstance(entry, Mapping):
                raise Unpriced(f"host_classes.{name} in {self.path} must be a table, as in {{ usd_per_hour = 0.20 }}")
            found.append((f"host_classes.{name}", entry))
        return found

    def _pue(self, places: list[tuple[str, Mapping[str, Any]]]) -> float:
        for place, entry in places:
            if "pue" in entry:
                return self.pue(entry, place)
            if "data_centre" in entry:
                centre = self._named(entry, place, "data_centre", "data_centres")
                return self.pue(centre, f"data_centres.{entry['data_centre']}")
        return 1.0

    def pue(self, entry: object, place: str) -> float:
        """A power usage effectiveness. Raises Unpriced if it is below 1."""
        value = self.number(entry, place, "pue")
        if value < 1.0:
            raise Unpriced(
                f"{place}.pue in {self.path} is {value:g}; it is the total power over that of the servers, so >= 1"
            )
        return value

    def _named(self, entry: Mapping[str, Any], place: str, key: str, section: str) -> object:
        name, held = str(entry[key]), self.section(section)
        if name not in held:
            raise Unpriced(f"{place}.{key} is {name!r}, which [{section}] in {self.path} does not have")
        return held[name]


def _reason(place: str, key: str) -> str:
    return f"host class {place.partition('.')[2]}" if place != "here" else f"here.{key}"


def read_prices(path: Path | None) -> Prices:
    """The user's table, or the shipped one. Raises Unpriced if it cannot be read."""
    chosen = SHIPPED if path is None else path
    try:
        content = chosen.read_bytes()
        return Prices(chosen, tomllib.loads(content.decode("utf-8")), hashlib.sha256(content).hexdigest())
    except OSError as error:
        raise Unpriced(f"cannot read the price table {chosen}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unpriced(f"the price table {chosen} is not TOML: {error}") from None


def find_identity(detail: str) -> str:
    """The identity of the table that a stored figure was computed from, as its detail says; "" if it does not."""
    found = _IDENTITY.search(detail)
    return found[0] if found else ""


def find_hourly_price(detail: str) -> float | None:
    """US dollars an hour that a stored cost was computed from, as its detail says; None if it does not."""
    found = _HOURLY.match(detail)
    return float(found["price"]) if found else None
