"""What was measured, in a search: limits on quantities, the best variant of each candidate, Pareto fronts.

A candidate's profiles are those that count (`ProfileStore.best_candidates`) under the load and on the host classes
asked for. With limits a candidate is

    eligible    if one of its profiles is known to meet them all,
    unmeasured  else, if one of its profiles could meet them but lacks a quantity, or if it has none at all,
    excluded    else: everything that was measured breaks a limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_service.domain.loads import format_load, parse_load
from search_service.domain.metrics import QUANTITIES, check_metric
from search_service.domain.ports import Database
from search_service.domain.profiling import Figures, Profile
from search_service.usecases.explanations import Exclusion
from search_service.usecases.fields import check_text, invalid
from search_service.usecases.live_catalogue import LiveCatalogue, figures_by_model
from search_service.usecases.ranking import ByMeasurement, Retrieved, restricted

MOST_CONSTRAINTS = 32
MOST_NAMED = 1000
"""Up to so many candidates their profiles are asked for by name; beyond it all are read, and kept until some change."""

DEFAULT_METRIC = "p99_ms"
"""What makes one of several variants the best where the query does not say."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit on a measured quantity, in its unit: at most, or else at least, `limit`."""

    metric: str
    at_most: bool
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a measured value meets it."""
        return value <= self.limit if self.at_most else value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions:
    """What the candidates' profiles must meet, and which profiles count. Empty looks at no profile."""

    constraints: tuple[Constraint, ...] = ()
    load_text: str = ""
    host_class: str = ""
    order_by_metric: str = ""
    pareto_metric: str = ""

    @property
    def empty(self) -> bool:
        """Whether no profile is looked at."""
        return self == ProfileOptions()

    @property
    def selective(self) -> bool:
        """Whether a candidate needs a profile to be ranked."""
        return bool(self.constraints or self.order_by_metric or self.pareto_metric)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The quantities it needs, the one that the best variant is chosen by first."""
        chosen_by = self.order_by_metric or self.pareto_metric
        if not chosen_by:
            chosen_by = self.constraints[0].metric if self.constraints else DEFAULT_METRIC
        named = [chosen_by, *(limit.metric for limit in self.constraints), self.order_by_metric, self.pareto_metric]
        return tuple(dict.fromkeys(filter(None, named)))


@dataclass(frozen=True, slots=True)
class Selected:
    """The candidates of a search after a look at their profiles.

    `profile_ids`: of the profile that speaks for a model, by model id. `excluded` candidates were measured and break a
    limit; `by_measurement` is for `eligible`, None where scores alone decide.
    """

    options: ProfileOptions
    eligible: Retrieved
    unmeasured: Retrieved
    profile_ids: Mapping[str, str]
    excluded: int
    by_measurement: ByMeasurement | None

    def profiles(self, database: Database, model_ids: Sequence[str]) -> dict[str, Profile]:
        """The profiles that speak for these models, by model id, without histograms and runs."""
        wanted = {model_id: self.profile_ids[model_id] for model_id in model_ids if model_id in self.profile_ids}
        if not wanted:
            return {}
        with database.begin() as unit:
            found = unit.profiles.get_many(list(wanted.values()))
        return {model_id: found[profile_id] for model_id, profile_id in wanted.items() if profile_id in found}

    def notices(self, ranked: int) -> tuple[str, ...]:
        """What the caller should know of the limits."""
        found = []
        apart = self.unmeasured.positions.size
        if apart and self.options.selective:
            found.append(
                f"{apart} candidate{'s are' if apart > 1 else ' is'} unmeasured{self._where()}: listed apart, neither "
                "passed nor dropped"
            )
        if self.options.constraints and not ranked and self.excluded:
            found.append(f"none of the {self.excluded} measured candidates meets the limits")
        return tuple(found)

    def exclusions(self, ranked: int) -> tuple[Exclusion, ...]:
        """How many candidates their profiles leave out."""
        off_front = self.eligible.positions.size - ranked if self.options.pareto_metric else 0
        detail = f"were measured{self._where()} and break a limit"
        found = [Exclusion("profiles", self.excluded, detail)]
        if off_front:
            found.append(Exclusion("profiles", off_front, f"are not on the front of {self.options.pareto_metric}"))
        return tuple(one for one in found if one.count)

    def _where(self) -> str:
        load = f" under {self.options.load_text}" if self.options.load_text else ""
        return load + (f" on {self.options.host_class}" if self.options.host_class else "")


def check_profile_options(options: ProfileOptions, path: str = "options.profiles") -> ProfileOptions:
    """The options with the canonical text of the load.

    Raises:
        InvalidArgument: an unknown quantity, a limit that is no number, a text that is no load.
    """
    if len(options.constraints) > MOST_CONSTRAINTS:
        raise invalid(f"{path}.constraints", f"at most {MOST_CONSTRAINTS}, not {len(options.constraints)}")
    for position, constraint in enumerate(options.constraints):
        check_metric(constraint.metric, f"{path}.constraints[{position}].metric")
        if not math.isfinite(constraint.limit):
            raise invalid(f"{path}.constraints[{position}].limit", f"must be a finite number, not {constraint.limit}")
    for name, metric in (("order_by_metric", options.order_by_metric), ("pareto_metric", options.pareto_metric)):
        if metric:
            check_metric(metric, f"{path}.{name}")
    check_text(f"{path}.host_class", options.host_class, 200)
    load_text = format_load(parse_load(options.load_text, f"{path}.load_text")) if options.load_text else ""
    return ProfileOptions(
        constraints=options.constraints,
        load_text=load_text,
        host_class=options.host_class,
        order_by_metric=options.order_by_metric,
        pareto_metric=options.pareto_metric,
    )


def select_measured(
    database: Database, catalogue: LiveCatalogue, options: ProfileOptions, candidates: Retrieved
) -> Selected:
    """Which candidates are eligible, and the best variant of each. `options` are checked."""
    count = candidates.positions.size
    if options.empty:
        return Selected(options, candidates, restricted(candidates, np.zeros(count, np.bool_)), {}, 0, None)
    model_ids = [candidates.snapshot.models[position].id for position in candidates.positions.tolist()]
    if count > MOST_NAMED:
        by_model = catalogue.figures(options.metrics, options.load_text, options.host_class)
    else:
        with database.begin() as unit:
            found = unit.profiles.best_candidates(
                options.metrics, model_ids=model_ids, load_text=options.load_text, host_class=options.host_class
            )
        by_model = figures_by_model(found)
    eligible, unmeasured = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    values = {metric: np.full(count, np.nan) for metric in options.metrics}
    profile_ids = {}
    for position, model_id in enumerate(model_ids):
        figures = by_model.get(model_id, ())
        verdicts = [_verdict(options, one) for one in figures]
        meeting = [one for one, verdict in zip(figures, verdicts, strict=True) if verdict]
        if meeting:
            best = min(meeting, key=lambda one: _cost(options.metrics[0], one.values[0]))
            profile_ids[model_id] = best.profile_id
            for metric, value in zip(options.metrics, best.values, strict=True):
                values[metric][position] = np.nan if value is None else value
        eligible[position] = bool(meeting) or not options.selective
        unmeasured[position] = not eligible[position] and (None in verdicts or not figures)
    return Selected(
        options=options,
        eligible=restricted(candidates, eligible),
        unmeasured=restricted(candidates, unmeasured),
        profile_ids=profile_ids,
        excluded=int(np.count_nonzero(~eligible & ~unmeasured)),
        by_measurement=_by_measurement(options, {metric: column[eligible] for metric, column in values.items()}),
    )


def _by_measurement(options: ProfileOptions, values: Mapping[str, NDArray[np.float64]]) -> ByMeasurement | None:
    order, front = options.order_by_metric, options.pareto_metric
    if not (order or front):
        return None
    return ByMeasurement(
        order=goodness(order, values[order]) if order else None,
        shown=values[order] if order else None,
        front=goodness(front, values[front]) if front else None,
    )


def goodness(metric: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values such that larger is better."""
    return -values if QUANTITIES[metric].lower_is_better else values


def _verdict(options: ProfileOptions, figures: Figures) -> bool | None:
    """Whether a profile meets the limits; None if it lacks a quantity that would tell."""
    held = dict(zip(options.metrics, figures.values, strict=True))
    verdicts = [
        None if (value := held[constraint.metric]) is None else constraint.holds(value)
        for constraint in options.constraints
    ]
    needed = [metric for metric in (options.order_by_metric, options.pareto_metric) if metric]
    verdicts += [None if held[metric] is None else True for metric in needed]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _cost(metric: str, value: float | None) -> float:
    """For choosing the smallest."""
    if value is None:
        return math.inf
    return value if QUANTITIES[metric].lower_is_better else -value
