"""What a recommendation returns: configurations to deploy, what binds, what to relax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msearch_client._catalogue import Model
from msearch_client._constraints import Constraint
from msearch_client._profiles import Profile
from msearch_client._records import Record, to_frame
from msearch_client._variants import Variant
from msearch_sketch.signature import Signature

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Figure(Record):
    """A value with its interval, where it has one. `origin`: "measured", "predicted", "claimed" or "derived"."""

    value: float
    low: float | None = None
    high: float | None = None
    origin: str = "measured"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Configuration(Record):
    """A way to deploy a model: in which form, on which host class, on how many hosts.

    `figures` holds, by name, what was measured under `load`, and `accuracy`, `replicas` and `usd_per_hour` where they
    are known. One replica takes `capacity_per_s` inferences a second, which the profile `capacity_profile_id` under
    `capacity_load` vouches for: its measured peak (`capacity_at_peak`), or a rate that it sustained. `profile` is None
    where the figures are predicted.
    """

    model: Model
    variant: Variant
    host_class: str
    load: str
    figures: Mapping[str, Figure]
    capacity_per_s: float | None
    capacity_load: str
    capacity_profile_id: str
    capacity_at_peak: bool
    predicted: bool
    profile: Profile | None

    @property
    def accuracy(self) -> Figure | None:
        """The expected accuracy on the data, less what the variant loses; None if nobody knows."""
        return self.figures.get("accuracy")

    @property
    def replicas(self) -> int | None:
        """How many hosts the rate needs; None without a rate, or where nothing vouches for one."""
        figure = self.figures.get("replicas")
        return None if figure is None else round(figure.value)

    @property
    def usd_per_hour(self) -> float | None:
        """What these hosts cost an hour; None without a rate or a price."""
        return self.value("usd_per_hour")

    def value(self, quantity: str) -> float | None:
        """The value of a quantity, or None where it is not known."""
        figure = self.figures.get(quantity)
        return None if figure is None else figure.value

    def to_row(self) -> dict[str, Any]:
        """The configuration as one flat row: what it is, and one column a quantity."""
        row: dict[str, Any] = {
            "model": f"{self.model.name}@{self.model.version}",
            "variant": str(self.variant),
            "host_class": self.host_class,
            "load": self.load,
            "predicted": self.predicted,
            "capacity_per_s": self.capacity_per_s,
        }
        return row | {name: figure.value for name, figure in self.figures.items()}

    def __str__(self) -> str:
        return f"{self.model.name}@{self.model.version} as {self.variant} on {self.host_class}"

    def __repr__(self) -> str:
        return f"Configuration({self})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Record):
    """A limit that binds: `relaxed` is the smallest change of it alone that makes a better `answer` possible."""

    limit: Constraint
    relaxed: Constraint
    answer: Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest(Record):
    """The configuration that misses the limits least.

    `excess` is by what share of a limit it misses the one it misses most; `limits` are those that it breaks and
    `relaxed` what they would have to be, in the same order.
    """

    configuration: Configuration
    excess: float
    limits: tuple[Constraint, ...]
    relaxed: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold(Record):
    """A model that cannot be judged: `missing` quantities were not measured; all of them, if it is empty.

    `accuracy` is what is expected of it, None if nobody knows.
    """

    model: Model
    missing: tuple[str, ...]
    accuracy: Figure | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Recommendation(Record):
    """The answer to "which model, in which form, on which host".

    `configurations` meet every limit, best first, at most three; of `considered` configurations of the best `models` of
    the ranking `fitting` do. `binding`: the limits that stand in the way of a better answer, largest gain first.
    `nearest` is set where nothing fits. `untold`: models that were not measured enough to tell, most promising first.
    `prefer`: what decided among those that fit.
    """

    configurations: tuple[Configuration, ...]
    binding: tuple[Change, ...]
    nearest: Nearest | None
    untold: tuple[Untold, ...]
    fitting: int
    considered: int
    models: int
    prefer: str
    limits: tuple[Constraint, ...]
    load: str
    rate_per_s: float | None
    headroom: float
    target_row_count: int
    notices: tuple[str, ...] = ()
    signature: Signature | None = field(default=None, compare=False)

    @property
    def best(self) -> Configuration | None:
        """The first configuration, or None where nothing fits."""
        return self.configurations[0] if self.configurations else None

    def __len__(self) -> int:
        return len(self.configurations)

    def __iter__(self) -> Iterator[Configuration]:
        return iter(self.configurations)

    def __getitem__(self, index: int) -> Configuration:
        return self.configurations[index]

    def to_dict(self) -> dict[str, Any]:
        """The whole recommendation as JSON values; the signature, which is bytes, is left out."""
        # Without arguments, super() would look for the class that the decorator replaced.
        document = Record.to_dict(self)
        del document["signature"]
        return document

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat row a configuration."""
        return [one.to_row() for one in self.configurations]

    def to_pandas(self) -> pd.DataFrame:
        """A data frame, one row a configuration and one column a quantity.

        Raises:
            LocalError: pandas is not installed.
        """
        return to_frame(self.to_dicts())

    def __repr__(self) -> str:
        limits = ", ".join(map(str, self.limits)) or "all limits, of which there are none"
        lines = [f"Recommendation: {self.fitting} of {self.considered} configurations meet {limits}"]
        lines += [f"{place}. {one}" for place, one in enumerate(self.configurations, 1)]
        if self.nearest is not None:
            lines.append(f"nearest: {self.nearest.configuration}; needs {', '.join(map(str, self.nearest.relaxed))}")
        lines += [f"{change.limit} binds: with {change.relaxed} {change.answer}" for change in self.binding]
        return "\n".join(lines + [f"note: {notice}" for notice in self.notices])
