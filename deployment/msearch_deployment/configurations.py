"""Configurations: a model in one form on one host class, sized for a rate, with all that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from msearch_deployment.candidates import Candidate, Figure, Measured, Origin
from msearch_deployment.capacity import PEAK, Capacity, find_capacity
from msearch_deployment.limits import RESPONSE_LATENCIES, Limit

ACCURACY, REPLICAS, USD_PER_HOUR, PLACE = "accuracy", "replicas", "usd_per_hour", "place"
_ACCURACY_LOSS = "accuracy_loss"

PriceOf = Callable[[str], float | None]
"""US dollars an hour of a host class; None where nobody said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of a deployment.

    Args:
        limits: all of these must hold.
        load: short text of the load that the limits are about; "" for any.
        host_class: host classes that begin so; "" for any.
        rate_per_s: inferences a second to take; None leaves the number of replicas open.
        headroom: share of each replica's capacity to keep free, in [0, 1).
        cautious: judge by the worse end of each interval, not by the value.
        prefer: quantity that decides among what meets the limits; see `choosing.CRITERIA`.

    Raises:
        ValueError: a rate that is not above 0, a headroom outside [0, 1).
    """

    limits: tuple[Limit, ...] = ()
    load: str = ""
    host_class: str = ""
    rate_per_s: float | None = None
    headroom: float = 0.2
    cautious: bool = False
    prefer: str = ACCURACY

    def __post_init__(self) -> None:
        if self.rate_per_s is not None and not 0 < self.rate_per_s < float("inf"):
            raise ValueError(f"the rate must be above 0 and finite, not {self.rate_per_s:g}")
        if not 0 <= self.headroom < 1:
            raise ValueError(f"the headroom is a share in [0, 1), not {self.headroom:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One way to deploy one model.

    `figures` holds what was measured under the load, and `accuracy`, `replicas`, `usd_per_hour` where they are known;
    `capacity` is what one replica takes, None if nothing vouches for a rate.
    """

    candidate: Candidate
    measured: Measured
    capacity: Capacity | None
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from others: model, variant, host class, load."""
        return (self.candidate.model_id, self.measured.variant, self.measured.host_class, self.measured.load)

    @property
    def replicas(self) -> int | None:
        """How many hosts the rate needs."""
        figure = self.figures.get(REPLICAS)
        return None if figure is None else round(figure.value)

    def value(self, quantity: str) -> float | None:
        """The value of a quantity, or None where it is not known."""
        figure = self.figures.get(quantity)
        return None if figure is None else figure.value

    def judged(self, limit: Limit, *, cautious: bool) -> float | None:
        """What a limit is held against."""
        figure = self.figures.get(limit.quantity)
        if figure is None:
            return None
        return figure.worst(lower_is_better=limit.at_most) if cautious else figure.value


def configurations(candidates: tuple[Candidate, ...], wish: Wish, price_of: PriceOf) -> Iterator[Configuration]:
    """Every configuration under the wished load, newest profile first where several are of the same."""
    for candidate in candidates:
        seen: set[tuple[str, str, str]] = set()
        newest: list[Measured] = []
        for profile in candidate.measured:
            identity = (profile.variant, profile.host_class, profile.load)
            if identity in seen or not profile.host_class.startswith(wish.host_class):
                continue
            seen.add(identity)
            newest.append(profile)
        for profile in newest:
            if not wish.load or profile.load == wish.load:
                group = [other for other in newest if other.vouches_for(profile)]
                yield _configuration(candidate, profile, group, wish, price_of)


def _configuration(
    candidate: Candidate, profile: Measured, group: list[Measured], wish: Wish, price_of: PriceOf
) -> Configuration:
    figures = dict(profile.figures)
    accuracy = expected_accuracy(candidate.accuracy, profile.figures.get(_ACCURACY_LOSS))
    if accuracy is not None:
        figures[ACCURACY] = accuracy
    capacity = find_capacity(group, _own(wish.limits, profile))
    if capacity is not None and capacity.at_peak:
        figures.setdefault(PEAK, Figure(capacity.per_s))
    if capacity is not None and wish.rate_per_s is not None:
        replicas = capacity.replicas(wish.rate_per_s, wish.headroom)
        figures[REPLICAS] = Figure(float(replicas), origin=Origin.DERIVED)
        price = price_of(profile.host_class)
        if price is not None:
            figures[USD_PER_HOUR] = Figure(replicas * price, origin=Origin.DERIVED)
    return Configuration(candidate=candidate, measured=profile, capacity=capacity, figures=figures)


def _own(limits: tuple[Limit, ...], profile: Measured) -> list[Limit]:
    """Limits on response latencies as loose as the profile itself needs, so that what misses them has a size too."""
    return [
        limit.relaxed_to(profile.figures[limit.quantity].value) if limit.quantity in profile.figures else limit
        for limit in limits
        if limit.quantity in RESPONSE_LATENCIES
    ]


def expected_accuracy(accuracy: Figure | None, loss: Figure | None) -> Figure | None:
    """The model's accuracy less what the variant loses; a variant that gains by chance gets no credit for it.

    The interval widens by the bound of the loss: low - high of the loss, high - the loss.
    """
    if accuracy is None or loss is None:
        return accuracy
    lost = max(loss.value, 0.0)
    most = max(loss.high if loss.high is not None else lost, lost)
    return Figure(
        max(accuracy.value - lost, 0.0),
        None if accuracy.low is None else max(accuracy.low - most, 0.0),
        None if accuracy.high is None else max(accuracy.high - lost, 0.0),
        accuracy.origin,
    )
