"""Why a ranking is as it is, in words: notices, exclusions, and what a value rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from search_service.domain.catalog import FeatureSpace, Filter
from search_service.domain.ranking import ScoreInfo
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.ranking import Retrieved

FEW_ROWS = 50


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A criterion and how many models it alone leaves out."""

    criterion: str
    count: int
    detail: str


def explain_exclusions(
    catalogue: LiveCatalogue, candidates: Retrieved, filter: Filter, ranked: int
) -> tuple[Exclusion, ...]:
    """Every criterion that leaves a model out, each counted alone; `ranked` candidates were ranked in the end."""
    return tuple(exclusion for exclusion in _exclusions(catalogue, candidates, filter, ranked) if exclusion.count)


def _exclusions(catalogue: LiveCatalogue, candidates: Retrieved, filter: Filter, ranked: int) -> Iterator[Exclusion]:
    snapshot = candidates.snapshot
    without = snapshot.without_source
    yield Exclusion("no_source", without, "name no source dataset, so nothing can be compared")
    elsewhere = len(snapshot) - without - candidates.comparable
    yield Exclusion("feature_space", elsewhere, "have no signature in the target's feature space")
    for condition in fields(filter):
        wanted = getattr(filter, condition.name)
        if wanted:
            alone = Filter(**{condition.name: wanted})
            count = len(snapshot) - int(np.count_nonzero(catalogue.matching(alone, snapshot)))
            yield Exclusion(condition.name, count, _CONDITIONS[condition.name].format(_listed(wanted)))
    yield Exclusion(
        "not_retrieved",
        candidates.positions.size - ranked,
        f"are not among the best {ranked} by adaptivity, for which the other scores are computed",
    )


_CONDITIONS = {
    "tasks": "have another task than {}",
    "modalities": "take another kind of data than {}",
    "classes": "do not know all of the classes {}",
    "tags": "lack one of the tags {}",
    "licences": "have another licence than {}",
    "text": "do not have all words of {} in name and description",
    "formats": "have an artifact of another format than {}",
    "dataset_id": "were trained on another dataset than {}",
}


def _listed(wanted: str | tuple[str, ...]) -> str:
    return repr(wanted) if isinstance(wanted, str) else ", ".join(repr(str(value)) for value in wanted)


def give_notices(
    catalogue: LiveCatalogue, candidates: Retrieved, space: FeatureSpace, filter: Filter, *, rows: int, ranked: int
) -> tuple[str, ...]:
    """What the caller should know."""
    notices = []
    if rows < FEW_ROWS:
        notices.append(
            f"the target has only {rows} row{'' if rows == 1 else 's'}: below {FEW_ROWS} a ranking is uncertain"
        )
    if candidates.comparable == 0:
        notices.append(_nothing_comparable(catalogue, candidates, space))
    elif candidates.positions.size == 0:
        notices.append(
            f"no model passes the filter; without it {candidates.comparable} would be ranked"
            if not filter.empty
            else "no model is left"
        )
    elif candidates.values.max() == 0:
        notices.append("no candidate's source data resembles the target: every adaptivity is 0")
    if ranked < candidates.positions.size:
        notices.append(
            f"only the best {ranked} of {candidates.positions.size} candidates by adaptivity are ranked by the "
            "requested scores"
        )
    return tuple(notices)


def _nothing_comparable(catalogue: LiveCatalogue, candidates: Retrieved, space: FeatureSpace) -> str:
    if len(candidates.snapshot) == 0:
        return "no model is registered yet"
    others = []
    for digest, count in sorted(catalogue.index.spaces().items()):
        other = catalogue.space(digest)
        if other.modality == space.modality and digest != space.digest:
            others.append(f"{digest[:12]} ({other.featuriser}, {count} datasets)")
    beginning = f"no model has a source in feature space {space.digest[:12]} ({space.featuriser})"
    if not others:
        return f"{beginning}, and no other {space.modality} space holds one"
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    return f"{beginning}; {space.modality} spaces that hold sources: {', '.join(others[:5])}{more}"


def describe_value(info: ScoreInfo, value: float, support: float) -> str:
    """What a value rests on, in words."""
    better = "higher" if info.higher_is_better else "lower"
    return f"{info.summary.rstrip('.')}: {value:.6g}, {better} is better; rests on {support:,.0f} {info.support_unit}"
