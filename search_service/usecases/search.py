"""Use cases of the search: rank by signature, rank by rows, list the scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace as SpaceDocument
from search_service.domain.catalog import FeatureSpace, Modality
from search_service.domain.errors import NotFound, Reason
from search_service.domain.ports import Database
from search_service.domain.ranking import Score, ScoreInfo
from search_service.usecases.explanations import Exclusion, describe_value, explain_exclusions, give_notices
from search_service.usecases.fields import invalid
from search_service.usecases.forecasting import Forecast, Forecaster, forecast_infos
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.measured import Selected, check_profile_options, select_measured
from search_service.usecases.once import fingerprint
from search_service.usecases.orders import WeightedScore
from search_service.usecases.paging import decode_token, encode_token
from search_service.usecases.ranking import Ordered, Ranker, Retrieved, nearest_models, retrieve
from search_service.usecases.search_options import RankingOptions, check_options
from search_service.usecases.search_results import Candidate, Ranking, ScoreValue
from search_service.usecases.spaces import check_fits, decode_signature

LARGEST_AGE_S = 0.2
"""A search looks for changes of other replicas if the last look is older."""

_KEPT_TARGETS = 64


@dataclass(frozen=True, slots=True)
class Sketched:
    """A signature, and what the caller should know of how it came about."""

    signature: Signature
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamedData:
    """Rows of a target as one Arrow IPC stream, cut anywhere; no modality means that it is detected."""

    chunks: Iterable[bytes]
    modality: Modality | None = None
    column: str = ""


class FindSpace(Protocol):
    """Looks up the space registered for a schema."""

    def __call__(self, schema_digest: str, featuriser: str, /) -> SpaceDocument | None: ...


class Sketcher(Protocol):
    """Turns a streamed table into a signature, in bounded memory."""

    def __call__(
        self, chunks: Iterable[bytes], modality: Modality | None, column: str, find_space: FindSpace
    ) -> Sketched:
        """Reads one Arrow IPC stream, cut anywhere.

        Raises:
            InvalidArgument: INVALID_DATA, the stream cannot be read or sketched.
            NotFound: FEATURE_SPACE_NOT_FOUND, no space is registered for a schema that needs one.
            ResourceExhausted: TOO_LARGE.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """The collaborators of the search's use cases."""

    database: Database
    catalogue: LiveCatalogue
    scores: Mapping[str, Score]
    default_order: tuple[WeightedScore, ...]
    sketch: Sketcher
    forecaster: Forecaster
    retrieved: int = 1000

    @property
    def infos(self) -> Mapping[str, ScoreInfo]:
        """All scores by name: those of signatures, predicted accuracy, and those of behaviour."""
        return forecast_infos() | {name: score.info for name, score in self.scores.items()}

    def ranker(self, forecast: Forecast) -> Ranker:
        """Orders candidates after these settings."""
        return Ranker(
            database=self.database,
            catalogue=self.catalogue,
            scores=self.scores,
            forecast=forecast,
            retrieved=self.retrieved,
        )


def search(searcher: Searcher, signature: bytes, options: RankingOptions, token_id: str = "") -> Ranking:
    """Ranks the registered models for the target of this (encoded, untrusted) signature.

    `token_id` is the caller's, "" without one: its own samples alone can be named in the options.

    Raises:
        InvalidArgument: the signature, an option or the page token is wrong.
        NotFound: FEATURE_SPACE_NOT_FOUND.
    """
    return _rank(searcher, _read_target(signature), options, token_id)


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
    ranking = _rank(searcher, _Target(sketched.signature, sketched.signature.digest), options, token_id)
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


def _rank(searcher: Searcher, asked: _Target, options: RankingOptions, token_id: str) -> Ranking:
    order, size = check_options(options, searcher.infos, searcher.default_order)
    profiles = check_profile_options(options.profiles)
    bound_to = _bind(
        asked.digest,
        options.filter,
        order,
        options.scores,
        options.explain,
        profiles,
        options.predict_accuracy,
        options.sample_id,
    )
    first = _parse_first(decode_token(bound_to, options.page_token, parts=1))

    target, catalogue = asked.signature, searcher.catalogue
    # A caller who has just waited for a profile shall find it, whichever replica answers.
    catalogue.refresh(LARGEST_AGE_S if profiles.empty else 0.0)
    space = catalogue.space(target.space_digest)
    document = _check_target(asked, space)
    snapshot = catalogue.snapshot
    mask = None if options.filter.empty else catalogue.matching(options.filter, snapshot)
    candidates = retrieve(catalogue, target, mask, snapshot)
    forecast = searcher.forecaster.about(
        target, asked.digest, sample_id=options.sample_id, token_id=token_id, explain=options.explain
    )
    if options.sample_id or options.wants_prediction(order):
        forecast.nearest = nearest_models(candidates, searcher.retrieved)
    selected = select_measured(searcher.database, catalogue, profiles, candidates)

    def order_page(
        part: Retrieved, by: tuple[WeightedScore, ...], *, first: int, count: int, measured: bool
    ) -> Ordered:
        return searcher.ranker(forecast).order(
            part,
            target,
            document,
            order_by=by,
            shown=tuple(dict.fromkeys([*(one.score for one in by), *options.scores])),
            first=first,
            count=count,
            measured=selected.by_measurement if measured else None,
        )

    order, fallback = forecast.usable_order(order)
    ordered = order_page(selected.eligible, order, first=first, count=size, measured=True)
    if not fallback and forecast.found_nothing(order):
        order, fallback = forecast.without_predictions(order)
        ordered = order_page(selected.eligible, order, first=first, count=size, measured=True)
    apart = order_page(selected.unmeasured, order, first=0, count=0 if first else size, measured=False)
    after = first + ordered.chosen.size
    token = encode_token(bound_to, (str(after),)) if after < ordered.total else ""
    exclusions: tuple[Exclusion, ...] = ()
    if options.explain:
        scored = ordered.total if profiles.empty else candidates.positions.size
        found = explain_exclusions(catalogue, candidates, options.filter, scored)
        exclusions = (*found, *selected.exclusions(ordered.total))
    predicted = options.wants_prediction(order)
    page = _Page(selected, selected.eligible, ordered, forecast, predicted)
    page_apart = _Page(selected, selected.unmeasured, apart, forecast, predicted)
    return Ranking(
        candidates=_candidates(searcher, page, first=first, explain=options.explain),
        next_page_token=token,
        total=ordered.total,
        order_by=order,
        space_digest=target.space_digest,
        target_rows=target.row_count,
        notices=(
            *give_notices(
                catalogue,
                candidates,
                space,
                options.filter,
                rows=target.row_count,
                ranked=ordered.total if profiles.empty else candidates.positions.size,
            ),
            *selected.notices(ordered.total),
            *fallback,
        ),
        exclusions=exclusions,
        unmeasured=_candidates(searcher, page_apart, first=0, explain=options.explain),
        unmeasured_total=int(selected.unmeasured.positions.size),
    )


@dataclass(frozen=True, slots=True)
class _Page:
    """The candidates of a page, and what more is to be said of them."""

    selected: Selected
    candidates: Retrieved
    ordered: Ordered
    forecast: Forecast
    predicted: bool


def _candidates(searcher: Searcher, page: _Page, *, first: int, explain: bool) -> tuple[Candidate, ...]:
    candidates, ordered = page.candidates, page.ordered
    positions = candidates.positions[ordered.chosen].tolist()
    models = [candidates.snapshot.models[position] for position in positions]
    names = searcher.catalogue.dataset_names([model.dataset_id for model in models])
    profiles = page.selected.profiles(searcher.database, [model.id for model in models])
    predictions = page.forecast.predict(models) if page.predicted else {}
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


# A target comes back for further pages, filters and scores, so what depends on it alone is kept for a while.


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """A decoded signature and the digest of its bytes."""

    signature: Signature
    digest: str


@lru_cache(maxsize=_KEPT_TARGETS)
def _read_target(data: bytes) -> _Target:
    return _Target(decode_signature(data, "signature.data"), hashlib.sha256(data).hexdigest())


@lru_cache(maxsize=_KEPT_TARGETS)
def _check_target(target: _Target, space: FeatureSpace) -> SpaceDocument:
    return check_fits(target.signature, space, "signature.data")


@lru_cache(maxsize=_KEPT_TARGETS)
def _bind(*request: object) -> str:
    """The digest of everything that a page token is bound to."""
    return fingerprint("Search", *request)
