"""What a search is asked, and whether it can be answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from search_service.domain.catalog import Filter
from search_service.usecases.behaviour import behaviour_infos
from search_service.usecases.fields import invalid
from search_service.usecases.forecasting import PREDICTED_ACCURACY
from search_service.usecases.measured import ProfileOptions
from search_service.usecases.orders import MOST_SCORES, WeightedScore, check_order, check_score
from search_service.usecases.paging import page_size


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingOptions:
    """How to rank; an empty order means the service's default.

    `sample_id` names the target's evaluation sample, for predictions from the outputs that candidates gave on it.
    """

    filter: Filter = field(default_factory=Filter)
    order_by: tuple[WeightedScore, ...] = ()
    scores: tuple[str, ...] = ()
    page_size: int = 0
    page_token: str = ""
    explain: bool = False
    profiles: ProfileOptions = field(default_factory=ProfileOptions)
    predict_accuracy: bool = False
    sample_id: str = ""

    def wants_prediction(self, order: tuple[WeightedScore, ...]) -> bool:
        """Whether predicted accuracies are shown, or decide the order."""
        named = {PREDICTED_ACCURACY} & {*(part.score for part in order), *self.scores}
        return self.predict_accuracy or bool(named)


def check_options(
    options: RankingOptions, known: Collection[str], default_order: tuple[WeightedScore, ...]
) -> tuple[tuple[WeightedScore, ...], int]:
    """The order and the page size to use. `known` are the names of all scores.

    Raises:
        InvalidArgument: UNKNOWN_SCORE, a score that needs a sample and there is none, or a field that is wrong.
    """
    order = check_order(options.order_by, known, "options.order_by") or default_order
    for position, name in enumerate(options.scores):
        check_score(name, known, f"options.scores[{position}]")
    if len(options.scores) > MOST_SCORES:
        raise invalid("options.scores", f"at most {MOST_SCORES}, not {len(options.scores)}")
    if not options.sample_id:
        for name in (*(part.score for part in order), *options.scores):
            if name in behaviour_infos():
                raise invalid(
                    "options.sample_id",
                    f"must name an evaluation sample: {name} looks at what candidates gave on the target's rows",
                )
    return order, page_size(options.page_size, default=10)
