"""Limits on what was measured: "p99_ms<=20", "throughput_per_s >= 200/s", "peak_memory_bytes<=512MiB"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from msearch_client._errors import LocalError
from msearch_client._loads import Load, as_load
from msearch_client._quantities import read_amount
from msearch_client._records import Record

HINT = 'for example "p99_ms<=20", "throughput_per_s>=200", "peak_memory_bytes<=512MiB"; docs/profiling.md lists them'

_FORM = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*([<>=≤≥]{1,2})\s*(.+)", re.DOTALL)


class Relation(StrEnum):
    """How a measured value compares with a limit."""

    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Constraint(Record):
    """A limit on a measured quantity, in its unit; `Constraint.parse` reads "p99_ms<=20" and "p99_ms <= 0.02 s"."""

    metric: str
    relation: Relation
    limit: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """The limit of a text.

        Raises:
            LocalError: the text is not of the form QUANTITY<=NUMBER or QUANTITY>=NUMBER.
        """
        found = _FORM.fullmatch(text)
        if not found:
            raise LocalError(f"{text!r} is not of the form QUANTITY<=NUMBER", hint=HINT)
        metric, sign, amount = found.groups()
        relation = {"<=": Relation.AT_MOST, ">=": Relation.AT_LEAST, "≤": Relation.AT_MOST, "≥": Relation.AT_LEAST}
        if sign not in relation:
            raise LocalError(f"{text!r} compares by {sign!r}, which is neither <= nor >=", hint=HINT)
        return cls(metric, relation[sign], read_amount(amount, metric))

    def __str__(self) -> str:
        return f"{self.metric}{self.relation.value}{self.limit:.15g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions(Record):
    """What the profiles of candidates must meet, and which profiles count.

    All `constraints` must hold under `load` (its short text, empty for any) on host classes that begin with
    `host_class` (empty for any). `order_by_metric` orders by a measured quantity instead of a score; `pareto_metric`
    keeps only the Pareto front of the score against that quantity.
    """

    constraints: tuple[Constraint, ...] = ()
    load: str = ""
    host_class: str = ""
    order_by_metric: str = ""
    pareto_metric: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The quantities that it is about, each once."""
        named = [self.order_by_metric, *(item.metric for item in self.constraints), self.pareto_metric]
        return tuple(dict.fromkeys(name for name in named if name))


def make_profile_options(
    require: str | Constraint | Sequence[str | Constraint],
    load: str | Load | None,
    host_class: str,
    order_by_metric: str = "",
    pareto: str = "",
) -> ProfileOptions | None:
    """The options from what a caller may give; None where nothing is asked of profiles.

    Raises:
        LocalError: a limit or the load is not of its form.
    """
    given = [require] if isinstance(require, (str, Constraint)) else list(require)
    options = ProfileOptions(
        constraints=tuple(Constraint.parse(item) if isinstance(item, str) else item for item in given),
        load=str(as_load(load)) if load else "",
        host_class=host_class,
        order_by_metric=order_by_metric,
        pareto_metric=pareto,
    )
    return None if options == ProfileOptions() else options
