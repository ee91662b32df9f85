"""Use cases of registered models: get, list, update, delete, download."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from search_service.domain import jobs
from search_service.domain.catalog import Artifact, Filter, Metric, Model, Page
from search_service.domain.errors import NotFound, PreconditionFailed, Reason
from search_service.domain.jobs import JobState
from search_service.domain.ports import UnitOfWork
from search_service.usecases.fields import (
    LONGEST_NAME,
    Reference,
    check_mask,
    check_metrics,
    check_revision,
    check_tags,
    check_text,
    invalid,
)
from search_service.usecases.once import CHANGED_MEANWHILE, Once, fingerprint, run_once
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.registry import CardChanges, Registry
from search_service.usecases.uploads import drop_unused_blob

CHANGEABLE = ("description", "licence", "tags", "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUpdate:
    """New values and the paths to take from them. Revision 0 means any."""

    description: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    mask: tuple[str, ...] = ()
    revision: int = 0


def get_model(registry: Registry, reference: Reference) -> Model:
    """A model with its card. Raises NotFound (MODEL_NOT_FOUND)."""
    with registry.database.begin() as unit:
        return resolve_model(unit, reference)


def list_models(registry: Registry, filter: Filter, size: int, token: str) -> tuple[Page[Model], str]:
    """A page by name, version and id, without cards, and the token of the next."""
    bound_to = fingerprint("ListModels", filter)
    after = decode_token(bound_to, token, parts=3)
    with registry.database.begin() as unit:
        page = unit.models.page(filter, after, page_size(size, default=50))
    return page, encode_token(bound_to, page.after)


def update_model(registry: Registry, request_id: str, reference: Reference, update: ModelUpdate) -> Model:
    """Changes what the mask names, in the model and in its card.

    Raises:
        InvalidArgument: the mask is empty or names another field, or a value is wrong.
        NotFound: MODEL_NOT_FOUND.
        Conflict: the caller read another revision.
    """
    mask = check_mask(update.mask, CHANGEABLE)
    if not mask:
        raise invalid("update_mask", f"names nothing to change; these can be changed: {', '.join(CHANGEABLE)}")
    changes = CardChanges(
        description=check_text("values.description", update.description) if "description" in mask else None,
        licence=check_text("values.licence", update.licence, LONGEST_NAME) if "licence" in mask else None,
        tags=check_tags("values.tags", update.tags) if "tags" in mask else None,
        metrics=check_metrics("values.metrics", update.metrics) if "metrics" in mask else None,
    )

    def act(unit: UnitOfWork) -> tuple[str, Model]:
        old = resolve_model(unit, reference)
        check_revision("model", old.name, update.revision, old.revision)
        card = registry.cards.amend(old.card, changes)
        changed = replace(
            old,
            description=card.description,
            licence=card.licence,
            tags=card.tags,
            metrics=card.metrics,
            card=card.document,
            updated_at=registry.clock(),
            revision=old.revision + 1,
        )
        unit.models.replace(changed, old.revision)
        return old.id, changed

    once = Once.of("UpdateModel", request_id, (reference, update))
    retry_on = () if update.revision else CHANGED_MEANWHILE
    return run_once(registry, once, act, lambda unit, result_id: unit.models.get(result_id), retry_on=retry_on)


def delete_model(registry: Registry, request_id: str, reference: Reference, revision: int) -> None:
    """Deletes a model with its profiles, and the blobs that nothing else uses; its pending jobs are cancelled.

    A job that an agent is working on stands in the way: whoever cancels it says that the work may be lost.

    Raises:
        NotFound: MODEL_NOT_FOUND.
        Conflict: the caller read another revision.
        PreconditionFailed: STILL_REFERENCED, an agent holds a job of the model.
    """
    stored: list[str] = []

    def act(unit: UnitOfWork) -> tuple[str, None]:
        model = resolve_model(unit, reference)
        check_revision("model", model.name, revision, model.revision)
        _cancel_jobs(unit, model, registry.clock())
        if revision:
            # Refuses, and keeps out, a change that commits between the look and the deletion.
            unit.models.replace(replace(model, revision=revision + 1), revision)
        stored[:] = [*([model.artifact.digest] if model.artifact.stored else []), *unit.forms.of_model(model.id)]
        unit.models.delete(model.id)
        return model.id, None

    run_once(registry, Once.of("DeleteModel", request_id, (reference, revision)), act, lambda _unit, _id: None)
    for digest in stored:
        drop_unused_blob(registry, digest)


def open_artifact(registry: Registry, reference: Reference) -> tuple[Artifact, Iterator[bytes]]:
    """A stored artifact and its bytes in chunks.

    Raises:
        NotFound: MODEL_NOT_FOUND, or ARTIFACT_NOT_FOUND where the bytes are elsewhere or the model is hosted.
    """
    model = get_model(registry, reference)
    artifact = model.artifact
    if not artifact.stored:
        place = f"it is at {artifact.uri}" if artifact.uri else "it has none"
        raise NotFound(
            f"the artifact of model '{model.name}@{model.version}' is not stored here: {place}",
            Reason.ARTIFACT_NOT_FOUND,
        )
    return artifact, registry.blobs.read(artifact.digest)


def _cancel_jobs(unit: UnitOfWork, model: Model, now: datetime) -> None:
    unfinished = unit.jobs.lock_unfinished(model.id)
    held = [job.id for job in unfinished if job.state is JobState.LEASED]
    if held:
        raise PreconditionFailed(
            f"model '{model.name}@{model.version}' is being profiled in job {', '.join(held)}: "
            "wait until it has ended, or cancel it first",
            Reason.STILL_REFERENCED,
        )
    for job in unfinished:
        unit.jobs.replace(jobs.cancel(job, now=now))


def resolve_model(unit: UnitOfWork, reference: Reference) -> Model:
    """The model that is meant. Raises NotFound."""
    if reference.id:
        return unit.models.get(reference.id)
    return unit.models.find(reference.name, reference.version)
