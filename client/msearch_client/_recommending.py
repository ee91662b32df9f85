"""The client's recommendation: a query, the profiles of its best candidates, and the choice among them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from msearch_client._accuracies import CLAIM, accuracies, settle
from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Filter, Modality, Model
from msearch_client._chosen import Chosen
from msearch_client._constraints import Constraint, Relation
from msearch_client._errors import LocalError
from msearch_client._latency_calls import LOAD_HINT, NO_LOAD, LatencyCalls
from msearch_client._loads import Load, Scenario, as_load
from msearch_client._prices import PriceTable
from msearch_client._profiles import Offer, Profile
from msearch_client._quantities import DEPLOYMENT_QUANTITIES, QUANTITIES
from msearch_client._rankings import Candidate
from msearch_client._recommendations import Recommendation
from msearch_client._reranking import RerankCalls
from msearch_client._searching import OrderBy
from msearch_client._target_options import TargetOptions
from msearch_client._variants import Precision, Variant, parse_precision
from msearch_deployment import PREFERENCES, Figure, Limit, Measured, Wish, recommend
from msearch_deployment import Candidate as Deployable
from msearch_deployment.limits import RESPONSE_LATENCIES
from msearch_deployment.prices import Priced, as_stored, find_hourly_price, find_identity, reprice

MOST_REASONS = 3
_OPEN = (Scenario.SERVER, Scenario.FIND_PEAK)


class RecommendCalls(RerankCalls, LatencyCalls):
    """Which model, in which form, on which host."""

    def recommend(
        self,
        target: Any,
        *,
        require: str | Constraint | Sequence[str | Constraint] = (),
        load: str | Load | None = None,
        host_class: str = "",
        backends: Sequence[str] = (),
        precisions: Sequence[str] = (),
        rate: float | None = None,
        headroom: float = 0.2,
        cautious: bool = False,
        prefer: str = "",
        prices: str | os.PathLike[str] | PriceTable | None = None,
        predicted_latency: bool = False,
        candidates: int = 20,
        rerank: int | None = None,
        local: bool = False,
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
            backends: only forms of these backends; empty for any.
            precisions: only forms in these precisions; empty for any.
            rate: inferences a second to take; it says how many replicas are needed, and what they cost.
            headroom: share of each replica's capacity to keep free.
            cautious: hold limits against the worse end of each interval.
            prefer: what decides among the configurations that meet all limits: "accuracy", "usd_per_hour", "replicas",
                "p99_ms", "cost_per_1k", "energy_j", "peak_memory_bytes", or "place" in the ranking. Empty takes the
                accuracy where it was predicted for the target, else the place: what owners claim does not compare.
            prices: a price table; None takes the costs that were stored, if all come from one table.
            predicted_latency: where a model was not measured under the load in a form that others were, predict its
                latency (docs/latency-prediction.md); such configurations are marked, and have no capacity.
            candidates: look at so many models of the ranking; their accuracies are predicted from signatures.
            rerank: instead run so many of the best candidates on the target, as in `Client.rerank`, and predict their
                accuracies from what they answer.
            local: run them here, so that no row leaves this machine.
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
        if predicted_latency and not load_text:
            raise LocalError(NO_LOAD, hint=LOAD_HINT)
        wish = _make_wish(limits, load_text, host_class, rate, headroom, cautious=cautious, prefer=prefer)
        allowed = [parse_precision(text) for text in ([precisions] if isinstance(precisions, str) else precisions)]
        table = PriceTable(prices) if prices is not None and not isinstance(prices, PriceTable) else prices
        asked: TargetOptions = {
            "filter": filter, "order_by": order_by, "modality": modality, "column": column, "ignore": ignore,
            "limit_rows": limit_rows,
        }  # fmt: skip
        if rerank is None:
            ranking = self.search(
                target, scores=(CLAIM,), top=candidates, predict_accuracy=True, progress=progress, **asked
            )
        else:
            ranking = self.rerank(target, scores=(CLAIM,), k=rerank, local=local, progress=progress, **asked)
        profiles = {candidate.model.id: self._profiles_anywhere(candidate.model) for candidate in ranking}
        accuracy_of = accuracies(ranking)
        deployable = [
            _as_deployable(candidate, accuracy_of, profiles[candidate.model.id], host_class) for candidate in ranking
        ]
        foretold: tuple[str, ...] = ()
        if predicted_latency:
            models = [candidate.model for candidate in ranking]
            deployable, foretold = self._with_predictions(deployable, models, profiles, wish)
        deployable = [_in_forms(one, backends, allowed) for one in deployable]
        priced = _price(deployable, profiles, table)
        wish, notices = settle(wish, ranking)
        choice = recommend(priced.candidates, wish, price_of=priced.usd_per_hour.get, top=top)
        return Chosen(ranking, profiles).recommendation(choice, limits, (*notices, *foretold, *priced.notices))

    def _with_predictions(
        self,
        candidates: Sequence[Deployable],
        models: Sequence[Model],
        profiles: Mapping[str, Sequence[Profile]],
        wish: Wish,
    ) -> tuple[list[Deployable], tuple[str, ...]]:
        """The candidates with predictions, and what to know of them."""
        latencies = [limit.quantity for limit in wish.limits if limit.quantity in RESPONSE_LATENCIES]
        found = self._foretell(
            candidates, models, profiles, load=wish.load, host_class=wish.host_class, quantities=latencies
        )
        notices = list(found.reasons[:MOST_REASONS])
        if len(found.reasons) > MOST_REASONS:
            notices.append(f"{len(found.reasons) - MOST_REASONS} more reasons why latencies are not predicted")
        return list(found.candidates), tuple(notices)


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


def _as_deployable(
    candidate: Candidate, accuracy_of: Mapping[str, Figure], profiles: Sequence[Profile], host_class: str
) -> Deployable:
    """A candidate with its profiles of offered variants on these host classes, newest first."""
    return Deployable(
        model_id=candidate.model.id,
        name=f"{candidate.model.name}@{candidate.model.version}",
        place=candidate.rank,
        accuracy=accuracy_of.get(candidate.model.id),
        measured=tuple(
            _as_measured(profile)
            for profile in profiles
            if profile.offer is Offer.OFFERED and profile.host_class.startswith(host_class)
        ),
    )


def _in_forms(candidate: Deployable, backends: Sequence[str], precisions: Sequence[Precision]) -> Deployable:
    """The candidate with what was measured, or predicted, in these forms; empty allows all."""
    named = [backends] if isinstance(backends, str) else backends
    return replace(
        candidate,
        measured=tuple(
            one
            for one in candidate.measured
            if (not named or one.backend in named)
            and (not precisions or Variant.parse(one.variant).precision in precisions)
        ),
    )


def _as_measured(profile: Profile) -> Measured:
    batching = profile.load.batching
    return Measured(
        profile_id=profile.id,
        variant=str(profile.variant),
        backend=profile.variant.backend,
        batch_size=profile.variant.batch_size,
        host_class=profile.host_class,
        load=profile.load_text,
        open_loop=profile.load.scenario in _OPEN,
        joined="" if batching is None else f"batch={batching.max_batch},wait_ms={batching.max_wait_ms:g}",
        arrivals=f"{profile.load.arrival} {sorted(profile.load.parameters.items())}",
        figures={
            one.name: Figure(one.value, one.low, one.high) for one in profile.measurements if one.value is not None
        },
    )


def _price(
    candidates: Sequence[Deployable], profiles: Mapping[str, Sequence[Profile]], table: PriceTable | None
) -> Priced:
    if table is not None:
        return reprice(candidates, table.prices)
    used = {one.profile_id for candidate in candidates for one in candidate.measured}
    costs = [
        (profile, one)
        for group in profiles.values()
        for profile in group
        if profile.id in used
        for one in profile.measurements
        if one.name in ("cost_per_1k", "co2_g_per_1k") and one.value is not None
    ]
    hourly: dict[str, float] = {}
    for profile, one in costs:
        price = find_hourly_price(one.detail)
        if price is not None:
            hourly.setdefault(profile.host_class, price)
    return as_stored(candidates, {find_identity(one.detail) for _, one in costs}, hourly)
