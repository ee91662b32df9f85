"""Makes and registers the canonical models of a benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from msearch_experiments import Plan
from search_service.domain.errors import AlreadyExists
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.register_model import NewModel, register_model
from search_service.usecases.uploads import Upload

_CHUNK_BYTES = 1 << 20


def register_canonical(work: Experimenting, plan: Plan, identities: Iterable[str]) -> None:
    """Makes these models of the plan and registers each like any model, unless someone has just done so.

    Raises:
        ResourceExhausted: a model is larger than the service accepts.
    """
    for identity in identities:
        made = work.canonical_models.make(plan.generated[identity])
        upload = Upload(hashlib.sha256(made.artifact).hexdigest(), len(made.artifact))
        try:
            register_model(work.registry, "", NewModel(card=made.card, location=upload), _chunks(made.artifact))
        except AlreadyExists:
            continue


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]
