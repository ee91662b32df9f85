"""The recommendation: the best configurations within all limits, the limits that bind, what to relax if none fits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msearch_deployment.candidates import Candidate
from msearch_deployment.choosing import criteria, merit, order_key
from msearch_deployment.configurations import ACCURACY, REPLICAS, Configuration, PriceOf, Wish, configurations
from msearch_deployment.limits import RESPONSE_LATENCIES, Limit

TOP = 3


@dataclass(frozen=True, slots=True)
class Change:
    """A limit, the smallest change of it alone that makes a difference, and the answer there would be then."""

    limit: Limit
    relaxed: Limit
    answer: Configuration


@dataclass(frozen=True, slots=True)
class Nearest:
    """The configuration that misses the limits least: its largest relative excess, and each limit it needs instead."""

    configuration: Configuration
    excess: float
    relax: tuple[tuple[Limit, Limit], ...]


@dataclass(frozen=True, slots=True)
class Untold:
    """Configurations of one model of which a quantity is not known that would tell whether the limits hold."""

    candidate: Candidate
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The answer to a wish.

    `best` are at most three, best first. `binding`: limits that, relaxed alone, would give a better answer, or where
    nothing fits, an answer at all; largest gain first. `nearest` is set where nothing fits. `fitting` of `considered`
    configurations meet all limits; `untold` models lack a quantity in every form they were measured in.
    """

    wish: Wish
    best: tuple[Configuration, ...]
    binding: tuple[Change, ...]
    nearest: Nearest | None
    fitting: int
    considered: int
    untold: tuple[Untold, ...]


def recommend(
    candidates: Sequence[Candidate], wish: Wish, *, price_of: PriceOf = lambda _: None, top: int = TOP
) -> Recommendation:
    """Chooses among the candidates' profiles.

    Args:
        candidates: models with their profiles, newest first.
        wish: limits, load, rate.
        price_of: what an hour of a host class costs.
        top: how many configurations to give at most.

    Raises:
        ValueError: the preference is no criterion, or `top` is below 1.
    """
    criteria(wish.prefer)
    if top < 1:
        raise ValueError(f"top must be 1 or more, not {top}")
    chooser = _Chooser(tuple(candidates), wish, price_of)
    every = chooser.every(wish)
    fitting = chooser.fitting(wish)
    best = fitting[0] if fitting else None
    return Recommendation(
        wish=wish,
        best=tuple(fitting[:top]),
        binding=chooser.binding(best),
        nearest=None if fitting else chooser.nearest(every),
        fitting=len(fitting),
        considered=len(every),
        untold=_untold(candidates, every, wish),
    )


@dataclass(frozen=True, slots=True)
class _Chooser:
    candidates: tuple[Candidate, ...]
    wish: Wish
    price_of: PriceOf
    seen: dict[tuple[Limit, ...], list[Configuration]] = field(default_factory=dict)

    def every(self, wish: Wish) -> list[Configuration]:
        """All configurations; of the wishes of one question only limits on latencies tell their sizes apart."""
        latencies = tuple(limit for limit in wish.limits if limit.quantity in RESPONSE_LATENCIES)
        if latencies not in self.seen:
            self.seen[latencies] = list(configurations(self.candidates, wish, self.price_of))
        return self.seen[latencies]

    def fitting(self, wish: Wish) -> list[Configuration]:
        """What meets all limits and can be sized, best first."""
        found = [one for one in self.every(wish) if not missing(one, wish) and _meets(one, wish)]
        return sorted(found, key=lambda one: order_key(one, wish.prefer))

    def binding(self, best: Configuration | None) -> tuple[Change, ...]:
        changes = [change for limit in dict.fromkeys(self.wish.limits) if (change := self._change(limit, best))]
        return tuple(sorted(changes, key=lambda change: merit(change.answer, self.wish.prefer)))

    def _change(self, limit: Limit, best: Configuration | None) -> Change | None:
        """The smallest relaxation of one limit whose answer is better; by bisection, since answers only get better."""
        steps = sorted(self._values(limit), key=limit.excess)
        if not steps or self._better(limit.relaxed_to(steps[-1]), limit, best) is None:
            return None
        low, high = 0, len(steps) - 1
        while low < high:
            middle = (low + high) // 2
            if self._better(limit.relaxed_to(steps[middle]), limit, best) is None:
                low = middle + 1
            else:
                high = middle
        relaxed = limit.relaxed_to(steps[low])
        answer = self._better(relaxed, limit, best)
        return None if answer is None else Change(limit, relaxed, answer)

    def _values(self, limit: Limit) -> set[float]:
        """Where the answer may change as the limit is relaxed: all values beyond it, also of other loads."""
        wish = self.wish
        loosest = Limit(limit.quantity, limit.at_most, sys.float_info.max if limit.at_most else -sys.float_info.max)
        judged = (one.judged(limit, cautious=wish.cautious) for one in self.every(_relaxed(wish, limit, loosest)))
        profiles = (profile for candidate in self.candidates for profile in candidate.measured)
        held = (profile.figures[limit.quantity].value for profile in profiles if limit.quantity in profile.figures)
        return {value for value in (*judged, *held) if value is not None and not limit.holds(value)}

    def _better(self, relaxed: Limit, limit: Limit, best: Configuration | None) -> Configuration | None:
        fitting = self.fitting(_relaxed(self.wish, limit, relaxed))
        if not fitting:
            return None
        prefer = self.wish.prefer
        return fitting[0] if best is None or merit(fitting[0], prefer) < merit(best, prefer) else None

    def nearest(self, every: Sequence[Configuration]) -> Nearest | None:
        """By the largest relative excess, then by the sum of all, then by merit."""
        wish = self.wish
        found = []
        for one in every:
            if missing(one, wish):
                continue
            judged = [(limit, one.judged(limit, cautious=wish.cautious)) for limit in wish.limits]
            excesses = [limit.excess(value) for limit, value in judged if value is not None]
            relax = tuple((limit, limit.relaxed_to(value)) for limit, value in judged if value is not None)
            broken = tuple((limit, new) for limit, new in relax if new != limit)
            key = (max(excesses), sum(excesses), order_key(one, wish.prefer))
            found.append((key, Nearest(one, max(excesses), broken)))
        return min(found, key=lambda pair: pair[0])[1] if found else None


def missing(configuration: Configuration, wish: Wish) -> tuple[str, ...]:
    """Quantities that are not known and would tell: those of limits, and the capacity where a rate is wanted."""
    named = [limit.quantity for limit in wish.limits]
    if wish.rate_per_s is not None and not configuration.measured.predicted:
        named.append(REPLICAS)
    return tuple(dict.fromkeys(name for name in named if configuration.value(name) is None))


def _meets(configuration: Configuration, wish: Wish) -> bool:
    judged = ((limit, configuration.judged(limit, cautious=wish.cautious)) for limit in wish.limits)
    return all(value is not None and limit.holds(value) for limit, value in judged)


def _relaxed(wish: Wish, limit: Limit, relaxed: Limit) -> Wish:
    """The wish with another limit in the place of one."""
    return replace(wish, limits=tuple(relaxed if one == limit else one for one in wish.limits))


def _untold(candidates: Sequence[Candidate], every: Sequence[Configuration], wish: Wish) -> tuple[Untold, ...]:
    """Models of which no configuration can be judged, the most promising first."""
    by_model: dict[str, list[tuple[str, ...]]] = {}
    for one in every:
        by_model.setdefault(one.candidate.model_id, []).append(missing(one, wish))
    found = []
    for candidate in sorted(candidates, key=lambda candidate: _promise(candidate, wish)):
        lacking = by_model.get(candidate.model_id)
        if lacking is None:
            found.append(Untold(candidate, ()))
        elif all(lacking):
            found.append(Untold(candidate, min(lacking, key=len)))
    return tuple(found)


def _promise(candidate: Candidate, wish: Wish) -> tuple[float, int]:
    """For sorting what is not measured: by expected accuracy where that decides, else by the place in the ranking."""
    expected = candidate.accuracy.value if candidate.accuracy is not None and wish.prefer == ACCURACY else 0.0
    return (-expected, candidate.place)
