"""Messages of the search to the client's types and back."""

from __future__ import annotations

from msearch.v1 import search_service_pb2 as pb
from msearch_client._constraints import Constraint, ProfileOptions, Relation
from msearch_client._rankings import Candidate, Exclusion, Question, Ranking, Score, Scores, ScoreValue, WeightedScore
from msearch_client._wire.catalogue import filter_to_proto, model_from_proto
from msearch_client._wire.evaluations import prediction_from_proto
from msearch_client._wire.profiles import profile_from_proto
from msearch_sketch.signature import Signature

RELATION_TO_PROTO: dict[Relation, pb.Constraint.Comparison.ValueType] = {
    Relation.AT_MOST: pb.Constraint.COMPARISON_AT_MOST,
    Relation.AT_LEAST: pb.Constraint.COMPARISON_AT_LEAST,
}


def options_to_proto(question: Question, page_size: int, page_token: str) -> pb.RankingOptions:
    """How to rank, and which page of the answer."""
    return pb.RankingOptions(
        filter=filter_to_proto(question.filter),
        order_by=[pb.WeightedScore(score=item.score, weight=item.weight) for item in question.order_by],
        scores=question.scores,
        page_size=page_size,
        page_token=page_token,
        explain=question.explain,
        profiles=None if question.profiles is None else profile_options_to_proto(question.profiles),
        predict_accuracy=question.predict_accuracy,
        sample_id=question.sample_id,
    )


def profile_options_to_proto(options: ProfileOptions) -> pb.ProfileOptions:
    """What profiles must meet, and which count."""
    return pb.ProfileOptions(
        constraints=[_constraint_to_proto(item) for item in options.constraints],
        load_text=options.load,
        host_class=options.host_class,
        order_by_metric=options.order_by_metric,
        pareto_metric=options.pareto_metric,
    )


def _constraint_to_proto(constraint: Constraint) -> pb.Constraint:
    return pb.Constraint(
        metric=constraint.metric, comparison=RELATION_TO_PROTO[constraint.relation], limit=constraint.limit
    )


def _weighted_from_proto(message: pb.WeightedScore) -> WeightedScore:
    return WeightedScore(message.score, message.weight)


def _candidate_from_proto(message: pb.Candidate) -> Candidate:
    return Candidate(
        rank=message.rank,
        model=model_from_proto(message.model),
        dataset_name=message.dataset_name,
        scores=tuple(
            ScoreValue(
                score=item.score,
                value=item.value if item.HasField("value") else None,
                support=item.support,
                detail=item.detail,
            )
            for item in message.scores
        ),
        ranking_value=message.ranking_value,
        profile=profile_from_proto(message.profile) if message.HasField("profile") else None,
        prediction=prediction_from_proto(message.prediction) if message.HasField("prediction") else None,
    )


def ranking_from_proto(message: pb.Ranking, signature: Signature | None) -> Ranking:
    """A ranking, with the signature of the target it is for."""
    return Ranking(
        candidates=tuple(_candidate_from_proto(candidate) for candidate in message.candidates),
        total=message.total_size,
        order_by=tuple(_weighted_from_proto(item) for item in message.order_by),
        space_digest=message.space_digest,
        target_row_count=message.target_row_count,
        notices=tuple(message.notices),
        exclusions=tuple(
            Exclusion(criterion=item.criterion, count=item.count, detail=item.detail) for item in message.exclusions
        ),
        next_page_token=message.next_page_token,
        unmeasured=tuple(_candidate_from_proto(candidate) for candidate in message.unmeasured),
        unmeasured_total=message.unmeasured_size,
        signature=signature,
    )


def scores_from_proto(message: pb.ListScoresResponse) -> Scores:
    """The scores a service knows."""
    return Scores(
        scores=tuple(
            Score(
                name=score.name,
                summary=score.summary,
                formula=score.formula,
                source=score.source,
                lowest=score.lowest if score.HasField("lowest") else None,
                highest=score.highest if score.HasField("highest") else None,
                higher_is_better=score.higher_is_better,
                support_unit=score.support_unit,
            )
            for score in message.scores
        ),
        default_order_by=tuple(_weighted_from_proto(item) for item in message.default_order_by),
    )
