"""Use cases of the search: rank by signature, rank by rows, list the scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Protocol

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace as SpaceDocument
from search_service.domain.catalog import FeatureSpace, Filter, Modality, Model
from search_service.domain.errors import NotFound, Reason
from search_service.domain.ports import Database
from search_service.domain.profiling import Profile
from search_service.domain.ranking import AccuracyPrediction, Score, ScoreInfo
from search_service.usecases.explanations import Exclusion, describe_value, explain_exclusions, give_notices
from search_service.usecases.fields import invalid
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.measured import ProfileOptions, Selected, check_profile_options, select_measured
from search_service.usecases.once import fingerprint
from search_service.usecases.orders import MOST_SCORES, WeightedScore, check_order, check_score
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.ranking import Ordered, Ranker, Retrieved, retrieve
from search_service.usecases.spaces import check_fits, decode_signature

LARGEST_AGE_S = 0.2
"""A search looks for changes of other replicas if the last look is older."""

_KEPT_TARGETS = 64


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


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """One score of one candidate; `value` is None where it cannot be computed, and `detail` says why."""

    score: str
    value: float | None
    support: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One ranked model; `rank` counts from 1. `ranking_value` is NaN where the one score has no value.

    `profile` speaks for it, without histogram and runs; None where no profile was asked for or none counts.
    `prediction` is None where none was asked for.
    """

    rank: int
    model: Model
    dataset_name: str
    scores: tuple[ScoreValue, ...]
    ranking_value: float
    profile: Profile | None = None
    prediction: AccuracyPrediction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One page of a ranking.

    `unmeasured` are the best of the candidates whose profiles cannot tell whether the limits hold, `unmeasured_total`
    how many there are.
    """

    candidates: tuple[Candidate, ...]
    next_page_token: str
    total: int
    order_by: tuple[WeightedScore, ...]
    space_digest: str
    target_rows: int
    notices: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    unmeasured: tuple[Candidate, ...] = ()
    unmeasured_total: int = 0


@dataclass(frozen=True, slots=True)
class Sketched:
    """A signature, and what the caller should know of how it came about."""

    signature: Signature
    notices: tuple[str, ...] = ()


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
    retrieved: int = 1000

    @property
    def ranker(self) -> Ranker:
        """Orders candidates after these settings."""
        return Ranker(database=self.database, catalogue=self.catalogue, scores=self.scores, retrieved=self.retrieved)


def search(searcher: Searcher, signature: bytes, options: RankingOptions) -> Ranking:
    """Ranks the registered models for the target of this (encoded, untrusted) signature.

    Raises:
        InvalidArgument: the signature, an option or the page token is wrong.
        NotFound: FEATURE_SPACE_NOT_FOUND.
    """
    return _rank(searcher, _read_target(signature), options)


def search_by_data(
    searcher: Searcher, chunks: Iterable[bytes], modality: Modality | None, column: str, options: RankingOptions
) -> tuple[Ranking, Signature]:
    """Sketches the streamed rows and ranks. The options are checked before the first row is read.

    Raises: as `search` and `Sketcher`.
    """
    _check_options(searcher, options)
    sketched = searcher.sketch(chunks, modality, column, lambda schema, name: _find_space(searcher, schema, name))
    ranking = _rank(searcher, _Target(sketched.signature, sketched.signature.digest), options)
    return replace(ranking, notices=(*sketched.notices, *ranking.notices)), sketched.signature


def list_scores(searcher: Searcher) -> tuple[tuple[ScoreInfo, ...], tuple[WeightedScore, ...]]:
    """All scores by name, and the default order."""
    return tuple(searcher.scores[name].info for name in sorted(searcher.scores)), searcher.default_order


def _find_space(searcher: Searcher, schema_digest: str, featuriser: str) -> SpaceDocument | None:
    try:
        with searcher.database.begin() as unit:
            return SpaceDocument.from_document(unit.spaces.find(schema_digest, featuriser).document)
    except NotFound:
        return None


def _check_options(searcher: Searcher, options: RankingOptions) -> tuple[tuple[WeightedScore, ...], int]:
    """The order and the page size to use."""
    order = check_order(options.order_by, searcher.scores, "options.order_by") or searcher.default_order
    for position, name in enumerate(options.scores):
        check_score(name, searcher.scores, f"options.scores[{position}]")
    if len(options.scores) > MOST_SCORES:
        raise invalid("options.scores", f"at most {MOST_SCORES}, not {len(options.scores)}")
    return order, page_size(options.page_size, default=10)


def _rank(searcher: Searcher, asked: _Target, options: RankingOptions) -> Ranking:
    order, size = _check_options(searcher, options)
    profiles = check_profile_options(options.profiles)
    shown = tuple(dict.fromkeys([*(part.score for part in order), *options.scores]))
    bound_to = _bind(asked.digest, options.filter, order, options.scores, options.explain, profiles)
    first = _parse_first(decode_token(bound_to, options.page_token, parts=1))

    target, catalogue = asked.signature, searcher.catalogue
    # A caller who has just waited for a profile shall find it, whichever replica answers.
    catalogue.refresh(LARGEST_AGE_S if profiles.empty else 0.0)
    space = catalogue.space(target.space_digest)
    document = _check_target(asked, space)
    snapshot = catalogue.snapshot
    mask = None if options.filter.empty else catalogue.matching(options.filter, snapshot)
    candidates = retrieve(catalogue, target, mask, snapshot)
    selected = select_measured(searcher.database, catalogue, profiles, candidates)
    order_page = partial(searcher.ranker.order, target=target, space=document, order_by=order, shown=shown)
    ordered = order_page(selected.eligible, first=first, count=size, measured=selected.by_measurement)
    apart = order_page(selected.unmeasured, first=0, count=0 if first else size)
    after = first + ordered.chosen.size
    token = encode_token(bound_to, (str(after),)) if after < ordered.total else ""
    exclusions: tuple[Exclusion, ...] = ()
    if options.explain:
        scored = ordered.total if profiles.empty else candidates.positions.size
        found = explain_exclusions(catalogue, candidates, options.filter, scored)
        exclusions = (*found, *selected.exclusions(ordered.total))
    return Ranking(
        candidates=_candidates(searcher, selected, selected.eligible, ordered, first=first, explain=options.explain),
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
        ),
        exclusions=exclusions,
        unmeasured=_candidates(searcher, selected, selected.unmeasured, apart, first=0, explain=options.explain),
        unmeasured_total=int(selected.unmeasured.positions.size),
    )


def _candidates(
    searcher: Searcher, selected: Selected, candidates: Retrieved, ordered: Ordered, *, first: int, explain: bool
) -> tuple[Candidate, ...]:
    positions = candidates.positions[ordered.chosen].tolist()
    models = [candidates.snapshot.models[position] for position in positions]
    names = searcher.catalogue.dataset_names([model.dataset_id for model in models])
    profiles = selected.profiles(searcher.database, [model.id for model in models])
    columns = [
        (name, searcher.scores[name].info, values.values.tolist(), values.support.tolist(), values.details)
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
        result.append(Candidate(rank, model, dataset_name, tuple(scores), ranking_value, profiles.get(model.id)))
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
