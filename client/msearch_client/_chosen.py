"""From what was chosen to what callers get: the choice with the models and profiles it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msearch_client import _recommendations as records
from msearch_client._constraints import Constraint, Relation
from msearch_client._profiles import Profile
from msearch_client._rankings import Ranking
from msearch_client._recommendations import Recommendation
from msearch_client._variants import Variant
from msearch_deployment import Configuration, Figure, Limit
from msearch_deployment import Recommendation as Choice


class Chosen:
    """Turns a choice into what callers get, with the models and profiles it is about."""

    def __init__(self, ranking: Ranking, profiles: Mapping[str, Sequence[Profile]]) -> None:
        self._ranking = ranking
        self._models = {candidate.model.id: candidate.model for candidate in ranking}
        self._profiles = {profile.id: profile for group in profiles.values() for profile in group}

    def recommendation(
        self, choice: Choice, limits: tuple[Constraint, ...], notices: tuple[str, ...]
    ) -> Recommendation:
        """The whole answer, with the limits as they were asked."""
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
                records.Untold(
                    model=self._models[one.candidate.model_id],
                    missing=one.missing,
                    accuracy=None if one.candidate.accuracy is None else _figure(one.candidate.accuracy),
                )
                for one in choice.untold
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

    def _configuration(self, chosen: Configuration) -> records.Configuration:
        capacity = chosen.capacity
        return records.Configuration(
            model=self._models[chosen.candidate.model_id],
            variant=Variant.parse(chosen.measured.variant),
            host_class=chosen.measured.host_class,
            load=chosen.measured.load,
            figures={name: _figure(one) for name, one in chosen.figures.items()},
            capacity_per_s=None if capacity is None else capacity.per_s,
            capacity_load="" if capacity is None else capacity.load,
            capacity_profile_id="" if capacity is None else capacity.profile_id,
            capacity_at_peak=capacity is not None and capacity.at_peak,
            predicted=chosen.measured.predicted,
            profile=self._profiles.get(chosen.measured.profile_id),
        )


def _constraint(limit: Limit) -> Constraint:
    return Constraint(limit.quantity, Relation.AT_MOST if limit.at_most else Relation.AT_LEAST, limit.value)


def _figure(figure: Figure) -> records.Figure:
    return records.Figure(figure.value, figure.low, figure.high, figure.origin.value)
