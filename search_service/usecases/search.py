"""Use cases of the search: rank by signature, rank by rows, list the scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace as SpaceDocument
from search_service.domain.catalog import FeatureSpace, Modality
from search_service.domain.errors import NotFound, Reason
from search_service.domain.ranking import ScoreInfo
from search_service.usecases.explanations import Exclusion, describe_value, explain_exclusions, give_notices
from search_service.usecases.fields import invalid
from search_service.usecases.forecasting import Forecast
from search_service.usecases.measured import Selected, check_profile_options, select_measured
from search_service.usecases.orders import WeightedScore
from search_service.usecases.paging import decode_token, encode_token
from search_service.usecases.ranking import Ordered, Retrieved, nearest_models, retrieve
from search_service.usecases.search_options import RankingOptions, check_options
from search_service.usecases.search_results import Candidate, Ranking, ScoreValue
from search_service.usecases.search_targets import Target, bind, check_target, read_target
from search_service.usecases.searcher import Searcher

LARGEST_AGE_S = 0.2
"""A search looks for changes of other replicas if the last look is older."""


@dataclass(frozen=True, slots=True)
class StreamedData:
    """Rows of a target as one Arrow IPC stream, cut anywhere; no modality means that it is detected."""

    chunks: Iterable[bytes]
    modality: Modality | None = None
    column: str = ""


def search(searcher: Searcher, signature: bytes, options: RankingOptions, token_id: str = "") -> Ranking:
    """Ranks the registered models for the target of this (encoded, untrusted) signature.

    `token_id` is the caller's, "" without one: its own samples alone can be named in the options.

    Raises:
        InvalidArgument: the signature, an option or the page token is wrong.
        NotFound: FEATURE_SPACE_NOT_FOUND.
    """
    return _rank(searcher, read_target(signature), options, token_id)


def search_by_data(
    searcher: Searcher, data: StreamedData, options: RankingOptions, token_id: str = ""
) -> tuple[Ranking, Signature]:
    """Sketches the streamed rows and ranks. The options are checked before the first row is read.

    Raises: as `search` and `Sketcher`.
    """
    check_options(options, searcher.infos, searcher.default_order)
    sketched = searcher.sketch(
        data.chunks, data.modality, data.column, lambda schema, name: _find_space(searcher, schema, name)
    )
    ranking = _rank(searcher, Target(sketched.signature, sketched.signature.digest), options, token_id)
    return replace(ranking, notices=(*sketched.notices, *ranking.notices)), sketched.signature


def list_scores(searcher: Searcher) -> tuple[tuple[ScoreInfo, ...], tuple[WeightedScore, ...]]:
    """All scores by name, and the default order."""
    return tuple(info for _, info in sorted(searcher.infos.items())), searcher.default_order


def _find_space(searcher: Searcher, schema_digest: str, featuriser: str) -> SpaceDocument | None:
    try:
        with searcher.database.begin() as unit:
            return SpaceDocument.from_document(unit.spaces.find(schema_digest, featuriser).document)
    except NotFound:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """The candidates of a search, before they are ordered: what the index, the profiles and the predictor say."""

    target: Signature
    space: FeatureSpace
    document: SpaceDocument
    candidates: Retrieved
    selected: Selected
    forecast: Forecast


@dataclass(frozen=True, slots=True, eq=False)
class _Page:
    """Candidates of one part of a field, in order, and whether their accuracies are to be told."""

    part: Retrieved
    ordered: Ordered
    predicted: bool


def _rank(searcher: Searcher, target: Target, options: RankingOptions, token_id: str) -> Ranking:
    order, size = check_options(options, searcher.infos, searcher.default_order)
    options = replace(options, profiles=check_profile_options(options.profiles))
    bound_to = bind(
        target.digest,
        options.filter,
        order,
        options.scores,
        options.explain,
        options.profiles,
        options.predict_accuracy,
        options.sample_id,
    )
    first = _parse_first(decode_token(bound_to, options.page_token, parts=1))
    field = _look_up(searcher, target, options, order, token_id)
    forecast, selected = field.forecast, field.selected

    order, fallback = forecast.usable_order(order)
    ordered = _order(searcher, field, options, selected.eligible, order, first=first, count=size)
    if not fallback and forecast.found_nothing(order):
        order, fallback = forecast.without_predictions(order)
        ordered = _order(searcher, field, options, selected.eligible, order, first=first, count=size)
    apart = _order(searcher, field, options, selected.unmeasured, order, first=0, count=0 if first else size)

    after = first + ordered.chosen.size
    compared = ordered.total if options.profiles.empty else field.candidates.positions.size
    predicted = options.wants_prediction(order)
    page = _Page(selected.eligible, ordered, predicted)
    page_apart = _Page(selected.unmeasured, apart, predicted)
    return Ranking(
        candidates=_candidates(searcher, field, page, first=first, explain=options.explain),
        next_page_token=encode_token(bound_to, (str(after),)) if after < ordered.total else "",
        total=ordered.total,
        order_by=order,
        space_digest=field.target.space_digest,
        target_rows=field.target.row_count,
        notices=(
            *give_notices(
                searcher.catalogue,
                field.candidates,
                field.space,
                options.filter,
                rows=field.target.row_count,
                ranked=compared,
            ),
            *selected.notices(ordered.total),
            *fallback,
        ),
        exclusions=_explain(searcher, field, options, compared, ordered.total),
        unmeasured=_candidates(searcher, field, page_apart, first=0, explain=options.explain),
        unmeasured_total=int(selected.unmeasured.positions.size),
    )


def _look_up(
    searcher: Searcher,
    asked: Target,
    options: RankingOptions,
    order: tuple[WeightedScore, ...],
    token_id: str,
) -> _Field:
    target, catalogue = asked.signature, searcher.catalogue
    # A caller who has just waited for a profile shall find it, whichever replica answers.
    catalogue.refresh(LARGEST_AGE_S if options.profiles.empty else 0.0)
    space = catalogue.space(target.space_digest)
    document = check_target(asked, space)
    snapshot = catalogue.snapshot
    mask = None if options.filter.empty else catalogue.matching(options.filter, snapshot)
    candidates = retrieve(catalogue, target, mask, snapshot)
    forecast = searcher.forecaster.about(
        target, asked.digest, sample_id=options.sample_id, token_id=token_id, explain=options.explain
    )
    if options.sample_id or options.wants_prediction(order):
        forecast.nearest = nearest_models(candidates, searcher.retrieved)
    selected = select_measured(searcher.database, catalogue, options.profiles, candidates)
    return _Field(target, space, document, candidates, selected, forecast)


def _order(
    searcher: Searcher,
    field: _Field,
    options: RankingOptions,
    part: Retrieved,
    by: tuple[WeightedScore, ...],
    *,
    first: int,
    count: int,
) -> Ordered:
    """A page of the candidates that meet all limits, or of those of which nobody knows whether they do."""
    selected = field.selected
    return searcher.ranker(field.forecast).order(
        part,
        field.target,
        field.document,
        order_by=by,
        shown=tuple(dict.fromkeys([*(one.score for one in by), *options.scores])),
        first=first,
        count=count,
        measured=selected.by_measurement if part is selected.eligible else None,
    )


def _explain(
    searcher: Searcher, field: _Field, options: RankingOptions, compared: int, total: int
) -> tuple[Exclusion, ...]:
    if not options.explain:
        return ()
    found = explain_exclusions(searcher.catalogue, field.candidates, options.filter, compared)
    return (*found, *field.selected.exclusions(total))


def _candidates(searcher: Searcher, field: _Field, page: _Page, *, first: int, explain: bool) -> tuple[Candidate, ...]:
    part, ordered = page.part, page.ordered
    positions = part.positions[ordered.chosen].tolist()
    models = [part.snapshot.models[position] for position in positions]
    names = searcher.catalogue.dataset_names([model.dataset_id for model in models])
    profiles = field.selected.profiles(searcher.database, [model.id for model in models])
    predictions = field.forecast.predict(models) if page.predicted else {}
    columns = [
        (name, searcher.infos[name], values.values.tolist(), values.support.tolist(), values.details)
        for name, values in ordered.scores.items()
    ]
    result = []
    for place, (model, ranking_value) in enumerate(zip(models, ordered.ranking_values.tolist(), strict=True)):
        scores = []
        for name, info, values, support, details in columns:
            value = None if math.isnan(values[place]) else values[place]
            detail = details.get(place, "")
            if explain and not detail and value is not None:
                detail = describe_value(info, value, support[place])
            scores.append(ScoreValue(name, value, support[place], detail if explain or value is None else ""))
        dataset_name = names.get(model.dataset_id, "")
        rank = first + place + 1
        result.append(
            Candidate(
                rank,
                model,
                dataset_name,
                tuple(scores),
                ranking_value,
                profiles.get(model.id),
                predictions.get(model.id),
            )
        )
    return tuple(result)


def _parse_first(position: tuple[str, ...] | None) -> int:
    if position is None:
        return 0
    text = position[0]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise invalid("page_token", "not a token of this request", Reason.INVALID_PAGE_TOKEN)
    return int(text)
