"""The client's recommendation: a query, the profiles of its best candidates, and the choice among them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from msearch_client import _recommendations as records
from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Filter, Modality
from msearch_client._constraints import Constraint, Relation
from msearch_client._errors import LocalError
from msearch_client._loads import Load, Scenario, as_load
from msearch_client._prices import PriceTable
from msearch_client._profile_calls import ProfileCalls
from msearch_client._profiles import Offer, Profile
from msearch_client._quantities import DEPLOYMENT_QUANTITIES, QUANTITIES
from msearch_client._rankings import Candidate, Ranking
from msearch_client._recommendations import Recommendation
from msearch_client._searching import OrderBy, SearchCalls
from msearch_client._variants import Variant
from msearch_deployment import PREFERENCES, Figure, Limit, Measured, Origin, Wish, recommend
from msearch_deployment import Candidate as Deployable
from msearch_deployment import Configuration as Chosen
from msearch_deployment import Recommendation as Choice
from msearch_deployment.prices import Priced, as_stored, find_identity, reprice

MOST_PROFILES = 1000
CLAIM = "source_accuracy"
_BY_ACCURACY, _BY_PLACE = "accuracy", "place"
_OPEN = (Scenario.SERVER, Scenario.FIND_PEAK)


class RecommendCalls(SearchCalls, ProfileCalls):
    """Which model, in which form, on which host."""

    def recommend(
        self,
        target: Any,
        *,
        require: str | Constraint | Sequence[str | Constraint] = (),
        load: str | Load | None = None,
        host_class: str = "",
        rate: float | None = None,
        headroom: float = 0.2,
        cautious: bool = False,
        prefer: str = "",
        prices: str | os.PathLike[str] | PriceTable | None = None,
        candidates: int = 20,
        top: int = 3,
        filter: Filter | None = None,
        order_by: OrderBy = (),
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
    ) -> Recommendation:
        """Recommends how to deploy which model for a target without labels, from what was measured.

        Args:
            target: a signature, or what `sketch` takes.
            require: limits on measured quantities, and on `accuracy`, `replicas` and `usd_per_hour`, such as
                ["p99_ms<=20", "accuracy>=0.8"].
            load: the load that the limits are about, such as "server:100"; None for any.
            host_class: only host classes that begin so; empty for any.
            rate: inferences a second to take; it says how many replicas are needed, and what they cost.
            headroom: share of each replica's capacity to keep free.
            cautious: hold limits against the worse end of each interval.
            prefer: what decides among the configurations that meet all limits: "accuracy", "usd_per_hour", "replicas",
                "p99_ms", "cost_per_1k", "energy_j", "peak_memory_bytes", or "place" in the ranking. Empty takes the
                accuracy where it was predicted for the target, else the place: what owners claim does not compare.
            prices: a price table; None takes the costs that were stored, if all come from one table.
            candidates: look at so many models of the ranking.
            top: recommend so many configurations at most.
            filter: which models may take part.
            order_by: how to rank, as in `search`.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            limit_rows: sketch at most this many rows.
            progress: called with (rows sketched, rows in all or None).

        Raises:
            LocalError: the data cannot be read or sketched, or a limit, the load, the rate or the table is wrong.
            NotFoundError: no source with the target's schema was ever registered.
        """
        limits = _read_limits(require)
        load_text = str(as_load(load)) if load else ""
        wish = _make_wish(limits, load_text, host_class, rate, headroom, cautious=cautious, prefer=prefer)
        table = PriceTable(prices) if prices is not None and not isinstance(prices, PriceTable) else prices
        ranking = self.search(
            target, filter=filter, order_by=order_by, scores=(CLAIM,), top=candidates, modality=modality, column=column,
            ignore=ignore, limit_rows=limit_rows, progress=progress,
        )  # fmt: skip
        profiles = {candidate.model.id: self._deployable(candidate, host_class) for candidate in ranking}
        deployable = [_as_deployable(candidate, profiles[candidate.model.id]) for candidate in ranking]
        priced = _price(deployable, profiles, table)
        wish, notices = _settle(wish, priced.candidates)
        choice = recommend(priced.candidates, wish, price_of=priced.usd_per_hour.get, top=top)
        return _Records(ranking, profiles).recommendation(choice, limits, (*notices, *priced.notices))

    def _deployable(self, candidate: Candidate, host_class: str) -> tuple[Profile, ...]:
        """VALID profiles of offered variants of a model, newest first."""
        listed = self.list_profiles(model=candidate.model, host_class=host_class, page_size=MOST_PROFILES)
        return tuple(profile for profile in listed if profile.offer is Offer.OFFERED)


def _read_limits(require: str | Constraint | Sequence[str | Constraint]) -> tuple[Constraint, ...]:
    given = [require] if isinstance(require, (str, Constraint)) else list(require)
    limits = tuple(Constraint.parse(item) if isinstance(item, str) else item for item in given)
    known = [*QUANTITIES, *DEPLOYMENT_QUANTITIES]
    for limit in limits:
        if limit.metric not in known:
            near = get_close_matches(limit.metric, known, n=2)
            raise LocalError(
                f"{limit.metric!r} is not a quantity that can be limited",
                hint=f"did you mean {' or '.join(near)}?" if near else "docs/profiling.md lists them",
            )
    return limits


def _make_wish(
    limits: Sequence[Constraint], load: str, host_class: str, rate: float | None, headroom: float, *,
    cautious: bool, prefer: str,
) -> Wish:  # fmt: skip
    if prefer and prefer not in PREFERENCES:
        raise LocalError(f"cannot prefer {prefer!r}", hint=f"choose one of {', '.join(PREFERENCES)}")
    try:
        return Wish(
            limits=tuple(Limit(one.metric, one.relation is Relation.AT_MOST, one.limit) for one in limits),
            load=load,
            host_class=host_class,
            rate_per_s=rate,
            headroom=headroom,
            cautious=cautious,
            prefer=prefer,
        )
    except ValueError as error:
        raise LocalError(str(error)) from None


def _as_deployable(candidate: Candidate, profiles: Sequence[Profile]) -> Deployable:
    claim = candidate.score(CLAIM)
    return Deployable(
        model_id=candidate.model.id,
        name=f"{candidate.model.name}@{candidate.model.version}",
        place=candidate.rank,
        accuracy=None if claim is None else Figure(claim, origin=Origin.CLAIMED),
        measured=tuple(map(_as_measured, profiles)),
    )


def _as_measured(profile: Profile) -> Measured:
    return Measured(
        profile_id=profile.id,
        variant=str(profile.variant),
        backend=profile.variant.backend,
        batch_size=profile.variant.batch_size,
        host_class=profile.host_class,
        load=profile.load_text,
        open_loop=profile.load.scenario in _OPEN,
        figures={
            one.name: Figure(one.value, one.low, one.high) for one in profile.measurements if one.value is not None
        },
    )


def _price(
    candidates: Sequence[Deployable], profiles: Mapping[str, Sequence[Profile]], table: PriceTable | None
) -> Priced:
    if table is not None:
        return reprice(candidates, table.prices)
    costs = (
        one
        for group in profiles.values()
        for profile in group
        for one in profile.measurements
        if one.name in ("cost_per_1k", "co2_g_per_1k") and one.value is not None
    )
    return as_stored(candidates, {find_identity(one.detail) for one in costs})


def _settle(wish: Wish, candidates: Sequence[Deployable]) -> tuple[Wish, tuple[str, ...]]:
    """What decides where the caller did not say, and what to know of the accuracies."""
    known = [candidate.accuracy for candidate in candidates if candidate.accuracy is not None]
    predicted = any(accuracy.origin is Origin.PREDICTED for accuracy in known)
    notices = []
    if known and not predicted:
        notices.append(
            "accuracies are what was reached on the models' own source data (claimed), not predictions for this data"
        )
    if wish.prefer:
        return wish, tuple(notices)
    return dataclasses.replace(wish, prefer=_BY_ACCURACY if predicted else _BY_PLACE), tuple(notices)


class _Records:
    """Turns a choice into what callers get, with the models and profiles it is about."""

    def __init__(self, ranking: Ranking, profiles: Mapping[str, Sequence[Profile]]) -> None:
        self._ranking = ranking
        self._models = {candidate.model.id: candidate.model for candidate in ranking}
        self._profiles = {profile.id: profile for group in profiles.values() for profile in group}

    def recommendation(
        self, choice: Choice, limits: tuple[Constraint, ...], notices: tuple[str, ...]
    ) -> Recommendation:
        nearest = choice.nearest
        return Recommendation(
            configurations=tuple(map(self._configuration, choice.best)),
            binding=tuple(
                records.Change(
                    limit=_constraint(change.limit),
                    relaxed=_constraint(change.relaxed),
                    answer=self._configuration(change.answer),
                )
                for change in choice.binding
            ),
            nearest=None
            if nearest is None
            else records.Nearest(
                configuration=self._configuration(nearest.configuration),
                excess=nearest.excess,
                limits=tuple(_constraint(limit) for limit, _ in nearest.relax),
                relaxed=tuple(_constraint(relaxed) for _, relaxed in nearest.relax),
            ),
            untold=tuple(
                records.Untold(model=self._models[one.candidate.model_id], missing=one.missing) for one in choice.untold
            ),
            fitting=choice.fitting,
            considered=choice.considered,
            models=len(self._models),
            prefer=choice.wish.prefer,
            limits=limits,
            load=choice.wish.load,
            rate_per_s=choice.wish.rate_per_s,
            headroom=choice.wish.headroom,
            target_row_count=self._ranking.target_row_count,
            notices=(*notices, *self._ranking.notices),
            signature=self._ranking.signature,
        )

    def _configuration(self, chosen: Chosen) -> records.Configuration:
        capacity = chosen.capacity
        return records.Configuration(
            model=self._models[chosen.candidate.model_id],
            variant=Variant.parse(chosen.measured.variant),
            host_class=chosen.measured.host_class,
            load=chosen.measured.load,
            figures={
                name: records.Figure(one.value, one.low, one.high, one.origin.value)
                for name, one in chosen.figures.items()
            },
            capacity_per_s=None if capacity is None else capacity.per_s,
            capacity_load="" if capacity is None else capacity.load,
            capacity_profile_id="" if capacity is None else capacity.profile_id,
            capacity_at_peak=capacity is not None and capacity.at_peak,
            predicted=chosen.measured.predicted,
            profile=self._profiles.get(chosen.measured.profile_id),
        )


def _constraint(limit: Limit) -> Constraint:
    return Constraint(limit.quantity, Relation.AT_MOST if limit.at_most else Relation.AT_LEAST, limit.value)
