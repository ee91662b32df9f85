"""What analyses work on: one row a profile, with its quantities, runs and latency histogram."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured quantity. `better` is "lower" or "higher"."""

    name: str
    unit: str
    better: str = LOWER

    @property
    def less_is_better(self) -> bool:
        """Whether smaller values are better."""
        return self.better == LOWER


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value in the unit of its quantity with its 95 % interval, where it has one.

    `source` says how it was measured, `detail` what to know about it.
    """

    value: float
    low: float | None = None
    high: float | None = None
    source: str = ""
    detail: str = ""


class Reason(NamedTuple):
    """A validity rule that did not hold, and what was measured and allowed."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a profile. `values` are its quantities."""

    valid: bool
    started_at: datetime
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Latencies counted together, in milliseconds from `low` to `high`."""

    low: float
    high: float
    count: int


class Configuration(NamedTuple):
    """What was measured: profiles of the same one are repeats of each other."""

    model: str
    variant: str
    load: str
    host_class: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """A profile: one variant of one model under one load on one host.

    - `variant` and `load` are the short texts, the fields after them their parts; a call takes `batch` samples, a query
      `samples_a_query`; `rate_per_s` is 0 where the load has none.
    - `quantities` holds what was measured, `missing` why the others were not.
    - `histogram`: response latencies of the valid runs, ascending; empty where none is stored.
    - `host` is the fingerprint; its `peaks` are what the host was measured to do at most.
    - `layers` of a generated model, and its `family`: what it is but for these. None and empty for any other.
    """

    id: str
    model: str
    variant: str
    backend: str
    precision: str
    load: str
    scenario: str
    host_class: str
    valid: bool
    quantities: Mapping[str, Estimate]
    batch: int = 1
    threads: int = 1
    device: str = ""
    rate_per_s: float = 0.0
    clients: int = 1
    samples_a_query: int = 1
    queue_batch: int = 1
    reasons: tuple[Reason, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    histogram: tuple[Bucket, ...] = ()
    host: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    offered: bool = False
    offer_reason: str = ""
    measured_at: datetime | None = None
    family: str = ""
    layers: int | None = None

    @property
    def configuration(self) -> Configuration:
        """What was measured."""
        return Configuration(self.model, self.variant, self.load, self.host_class)

    @property
    def broken_rules(self) -> str:
        """The rules that did not hold, by name; empty for a VALID one."""
        return ", ".join(reason.rule for reason in self.reasons)

    def value(self, name: str) -> float | None:
        """The value of a quantity, or None where it was not measured."""
        found = self.quantities.get(name)
        return None if found is None else found.value


@dataclass(frozen=True, eq=False)
class Study:
    """The profiles of an analysis, and the quantities by name."""

    rows: tuple[Row, ...]
    quantities: Mapping[str, Quantity]

    @cached_property
    def current(self) -> tuple[Row, ...]:
        """The newest VALID profile of each configuration, in the order of configurations.

        Older ones of the same configuration, and INVALID ones, are neither averaged in nor shown in their place.
        """
        return _newest(row for row in self.rows if row.valid)

    @cached_property
    def invalid_only(self) -> tuple[Row, ...]:
        """The newest profile of each configuration that has INVALID ones only."""
        counted = {row.configuration for row in self.rows if row.valid}
        return _newest(row for row in self.rows if row.configuration not in counted)

    @cached_property
    def shown(self) -> tuple[Row, ...]:
        """One profile a configuration: the newest VALID one, or an INVALID one, to be shown as such."""
        return tuple(sorted((*self.current, *self.invalid_only), key=_place))

    def repeats_of(self, row: Row) -> tuple[Row, ...]:
        """All VALID profiles of the row's configuration, in order of time."""
        return self._repeats.get(row.configuration, ())

    def colour(self, row: Row) -> int:
        """The place of the row's variant among all variants: the same number, so the same colour, in every picture."""
        return self._variants[_variant_place(row)]

    @cached_property
    def host_classes(self) -> frozenset[str]:
        """All of them."""
        return frozenset(row.host_class for row in self.rows)

    @cached_property
    def _repeats(self) -> dict[Configuration, tuple[Row, ...]]:
        found: dict[Configuration, list[Row]] = {}
        for row in sorted((row for row in self.rows if row.valid), key=_moment):
            found.setdefault(row.configuration, []).append(row)
        return {configuration: tuple(rows) for configuration, rows in found.items()}

    @cached_property
    def _variants(self) -> dict[tuple[Any, ...], int]:
        return {place: number for number, place in enumerate(sorted({_variant_place(row) for row in self.rows}))}


def _newest(rows: Iterable[Row]) -> tuple[Row, ...]:
    found: dict[Configuration, Row] = {}
    for row in rows:
        held = found.get(row.configuration)
        if held is None or _moment(row) > _moment(held):
            found[row.configuration] = row
    return tuple(sorted(found.values(), key=_place))


def _moment(row: Row) -> tuple[float, str]:
    return (0.0 if row.measured_at is None else row.measured_at.timestamp(), row.id)


def _place(row: Row) -> tuple[Any, ...]:
    return (row.host_class, row.model, _variant_place(row), row.scenario, row.rate_per_s, row.clients, row.load)


def _variant_place(row: Row) -> tuple[Any, ...]:
    """Plain variants first, then by batch and threads as numbers."""
    return (row.batch, row.threads, row.backend, row.precision, row.variant)
