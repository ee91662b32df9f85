"""Rankings and scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from msearch.v1 import search_service_pb2 as pb
from msearch.v1 import types_pb2
from search_service.api.wire.catalogue import read_filter, write_model
from search_service.api.wire.enums import read_enum
from search_service.api.wire.profiles import write_profile
from search_service.domain.catalog import Model
from search_service.domain.ranking import AccuracyPrediction, ScoreInfo
from search_service.usecases.explanations import Exclusion
from search_service.usecases.fields import invalid
from search_service.usecases.measured import Constraint, ProfileOptions
from search_service.usecases.orders import WeightedScore
from search_service.usecases.search_options import RankingOptions
from search_service.usecases.search_results import Candidate, Ranking, ScoreValue

_KEPT_MODELS = 4096

AT_MOST_TO_PROTO: dict[bool, pb.Constraint.Comparison.ValueType] = {
    True: pb.Constraint.COMPARISON_AT_MOST,
    False: pb.Constraint.COMPARISON_AT_LEAST,
}
AT_MOST_FROM_PROTO: dict[int, bool] = {number: at_most for at_most, number in AT_MOST_TO_PROTO.items()}


def read_options(message: pb.RankingOptions, path: str = "options") -> RankingOptions:
    """Raises InvalidArgument for an unspecified or unknown modality in the filter."""
    return RankingOptions(
        filter=read_filter(message.filter, f"{path}.filter"),
        order_by=tuple(WeightedScore(part.score, part.weight) for part in message.order_by),
        scores=tuple(message.scores),
        page_size=message.page_size,
        page_token=message.page_token,
        explain=message.explain,
        profiles=read_profile_options(message.profiles, f"{path}.profiles"),
        predict_accuracy=message.predict_accuracy,
        sample_id=message.sample_id,
    )


def read_profile_options(message: pb.ProfileOptions, path: str) -> ProfileOptions:
    """Raises InvalidArgument for an unspecified or unknown comparison."""
    return ProfileOptions(
        constraints=tuple(
            Constraint(
                metric=limit.metric,
                at_most=read_enum(
                    limit.comparison,
                    AT_MOST_FROM_PROTO,
                    f"{path}.constraints[{position}].comparison",
                    "at most, at least",
                ),
                limit=limit.limit,
            )
            for position, limit in enumerate(message.constraints)
        ),
        load_text=message.load_text,
        host_class=message.host_class,
        order_by_metric=message.order_by_metric,
        pareto_metric=message.pareto_metric,
    )


def read_header(messages: Iterator[pb.SearchByDataRequest]) -> pb.SearchByDataRequest.Header:
    """The first message of a search by data. Raises InvalidArgument if it is missing or no header."""
    first = next(messages, None)
    if first is None or first.WhichOneof("part") != "header":
        raise invalid("header", "the first message must be the header")
    return first.header


def read_chunks(messages: Iterable[pb.SearchByDataRequest]) -> Iterator[bytes]:
    """The following messages. Raises InvalidArgument for a second header."""
    for message in messages:
        if message.WhichOneof("part") != "arrow_ipc":
            raise invalid("arrow_ipc", "after the header only Arrow IPC bytes may follow")
        yield message.arrow_ipc


def write_ranking(ranking: Ranking) -> pb.Ranking:
    return pb.Ranking(
        candidates=[write_candidate(candidate) for candidate in ranking.candidates],
        next_page_token=ranking.next_page_token,
        total_size=ranking.total,
        order_by=write_order(ranking.order_by),
        space_digest=ranking.space_digest,
        target_row_count=ranking.target_rows,
        notices=ranking.notices,
        exclusions=[write_exclusion(exclusion) for exclusion in ranking.exclusions],
        unmeasured=[write_candidate(candidate) for candidate in ranking.unmeasured],
        unmeasured_size=ranking.unmeasured_total,
    )


def write_candidate(candidate: Candidate) -> pb.Candidate:
    return pb.Candidate(
        rank=candidate.rank,
        model=_write_kept(_ById(candidate.model)),
        dataset_name=candidate.dataset_name,
        scores=[write_value(value) for value in candidate.scores],
        ranking_value=candidate.ranking_value,
        profile=None if candidate.profile is None else write_profile(candidate.profile),
        prediction=None if candidate.prediction is None else write_prediction(candidate.prediction),
    )


def write_prediction(prediction: AccuracyPrediction) -> pb.AccuracyPrediction:
    return pb.AccuracyPrediction(
        accuracy=prediction.accuracy,
        low=prediction.low,
        high=prediction.high,
        form=prediction.form,
        evidence_count=prediction.evidence_count,
        predictor_version=prediction.predictor_version,
        contributions=[
            pb.AccuracyPrediction.Contribution(evidence=evidence, change=change)
            for evidence, change in prediction.contributions
        ],
        notices=prediction.notices,
    )


def write_value(value: ScoreValue) -> pb.ScoreValue:
    return pb.ScoreValue(score=value.score, value=value.value, support=value.support, detail=value.detail)


def write_exclusion(exclusion: Exclusion) -> pb.Exclusion:
    return pb.Exclusion(criterion=exclusion.criterion, count=exclusion.count, detail=exclusion.detail)


def write_order(order: Sequence[WeightedScore]) -> list[pb.WeightedScore]:
    return [pb.WeightedScore(score=part.score, weight=part.weight) for part in order]


def write_score(info: ScoreInfo) -> pb.Score:
    return pb.Score(
        name=info.name,
        summary=info.summary,
        formula=info.formula,
        source=info.source,
        lowest=info.lowest,
        highest=info.highest,
        higher_is_better=info.higher_is_better,
        support_unit=info.support_unit,
    )


class _ById:
    """A model that is the same as long as the in-memory catalogue holds it: hashing its fields would cost too much."""

    __slots__ = ("model",)

    def __init__(self, model: Model) -> None:
        self.model = model

    def __hash__(self) -> int:
        return id(self.model)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.model is self.model


@lru_cache(maxsize=_KEPT_MODELS)
def _write_kept(key: _ById) -> types_pb2.Model:
    """The popular candidates' messages are built once. They are copied into the answer, never handed out."""
    return write_model(key.model)
