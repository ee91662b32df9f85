"""What the graphs of models take is counted before their first job is placed, so that its size can be told."""

from __future__ import annotations

from collections.abc import Sequence

from search_service.domain.catalog import Model
from search_service.domain.errors import DomainError
from search_service.domain.graph_counts import GraphCounts
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import ProfileFilter
from search_service.usecases.profiling import Profiling

LARGEST_BYTES = 256 << 20
"""A larger artifact is not copied out of the blob store only to be counted."""
MOST_AT_ONCE = 200


def count_new_graphs(profiling: Profiling, models: Sequence[Model]) -> None:
    """Counts and remembers the graphs of those models that were neither profiled nor counted yet.

    Outside of any unit of work, since it takes a second or more. A failure leaves sizes as little known as before.
    """
    if profiling.count_graphs is None:
        return
    try:
        with profiling.database.begin() as unit:
            missing = [model.artifact.digest for model in models if _is_new(unit, model)]
            known = unit.graph_counts.get_many(missing)
        digests = [digest for digest in dict.fromkeys(missing) if digest not in known][:MOST_AT_ONCE]
        if not digests:
            return
        found = profiling.count_graphs(digests)
        with profiling.database.begin() as unit:
            for digest, counts in sorted(found.items()):
                unit.graph_counts.add(digest, counts)
            unit.commit()
    except DomainError:
        return


def graph_counts_of(unit: UnitOfWork, model_id: str) -> GraphCounts | None:
    """What is known of the graph of a model without a profile; None if it was not counted. Raises NotFound."""
    digest = unit.models.get(model_id).artifact.digest
    return unit.graph_counts.get_many([digest]).get(digest) if digest else None


def _is_new(unit: UnitOfWork, model: Model) -> bool:
    artifact = model.artifact
    return (
        artifact.stored
        and artifact.format == "onnx"
        and artifact.size_bytes <= LARGEST_BYTES
        and not unit.profiles.page(ProfileFilter(model_id=model.id), None, 1).items
    )
