"""The use case that registers a model: card, artifact and source dataset become visible together or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from search_service.domain.catalog import Artifact, Model
from search_service.domain.errors import AlreadyExists, DomainError, InvalidArgument, NotFound, Reason
from search_service.domain.ports import UnitOfWork
from search_service.usecases.datasets import NewDataset, add_dataset, check_dataset, find_identical
from search_service.usecases.fields import check_digest, check_text, invalid
from search_service.usecases.once import Once, find_record, recall_instead, run_once
from search_service.usecases.registry import CardFacts, Registry
from search_service.usecases.uploads import Received, Upload, check_upload, receive

LONGEST_URI = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModel:
    """What is registered. `source` is a dataset's id ("" if unknown) or a dataset to register with the model.

    `location` announces an upload, names where the bytes stay, or is None where the card says it all.
    """

    card: str
    source: str | NewDataset = ""
    location: Upload | Artifact | None = None


def register_model(registry: Registry, request_id: str, new: NewModel, chunks: Iterable[bytes]) -> Model:
    """Registers a model. `chunks` are read only for an upload, after everything else has been checked.

    Raises:
        InvalidArgument: the card, a field, a signature or the artifact is wrong, or the digest or size differs.
        NotFound: the source dataset, or the feature space of a signature, is not registered.
        AlreadyExists: NAME_TAKEN for the model, or for its new dataset with other signatures.
        ResourceExhausted: the artifact is larger than the service accepts.
    """
    card = registry.cards.read(new.card)
    if isinstance(new.source, NewDataset):
        new = replace(new, source=check_dataset(new.source, "new_dataset"))
    if isinstance(new.location, Upload):
        new = replace(new, location=check_upload(new.location, registry.largest_artifact_bytes))
    artifact = _locate(card, new.location)
    once = Once.of("RegisterModel", request_id, new)
    with ExitStack() as stack:
        received: Received | None = None
        if isinstance(new.location, Upload):
            try:
                with registry.database.begin() as unit:
                    record = find_record(unit, once)
                    if record is not None:
                        return _recall(unit, record.result_id)
                    _refuse_early(unit, card, new)
            except DomainError as error:
                return recall_instead(registry, once, _recall, error)
            received = stack.enter_context(receive(registry, card, new.location, chunks))

        def act(unit: UnitOfWork) -> tuple[str, Model]:
            _refuse_taken_name(unit, card)
            dataset_id = _resolve_source(registry, unit, new.source)
            if received is not None:
                received.publish(unit)
            model = _assemble(registry, card, artifact, received, dataset_id)
            unit.models.add(model)
            return model.id, model

        # Two models may bring the same new dataset at once: the slower one finds it at its second attempt.
        retry_on = (AlreadyExists,) if isinstance(new.source, NewDataset) else ()
        return run_once(registry, once, act, _recall, retry_on=retry_on)


def _recall(unit: UnitOfWork, model_id: str) -> Model:
    return unit.models.get(model_id)


def _locate(card: CardFacts, location: Upload | Artifact | None) -> Artifact:
    """Where the bytes are, after the card and the request, which must not contradict each other."""
    match location:
        case Upload():
            if card.format == "none":
                raise _card_problem("artifact.format", "must say the format of the uploaded artifact, not none")
            if card.uri:
                raise _card_problem("artifact.uri", "must be left out where the artifact is uploaded")
            return Artifact(format=card.format, digest=location.digest, size_bytes=location.size_bytes)
        case Artifact():
            if location.format and location.format != card.format:
                raise invalid("external.format", f"is {location.format!r}, the card says {card.format!r}")
            uri = check_text("external.uri", location.uri or card.uri, LONGEST_URI)
            if location.size_bytes < 0:
                raise invalid("external.size_bytes", "must not be negative")
            if not uri and (location.digest or location.size_bytes or card.format != "none"):
                raise invalid("external.uri", "must say where the artifact is")
            if uri and "://" not in uri:
                raise invalid("external.uri", f"must be a full address such as https://..., not {uri!r}")
            digest = check_digest("external.digest", location.digest) if location.digest else ""
            return Artifact(format=card.format, digest=digest, size_bytes=location.size_bytes, uri=uri)
        case None:
            if card.format != "none" and not card.uri:
                raise invalid("location", "the card declares an artifact: upload it, or say where it is")
            return Artifact(format=card.format, uri=card.uri)


def _refuse_early(unit: UnitOfWork, card: CardFacts, new: NewModel) -> None:
    """Refuses before the upload what would be refused after it."""
    _refuse_taken_name(unit, card)
    if isinstance(new.source, NewDataset):
        find_identical(unit, new.source)
    elif new.source:
        unit.datasets.get(new.source)


def _refuse_taken_name(unit: UnitOfWork, card: CardFacts) -> None:
    try:
        unit.models.find(card.name, card.version)
    except NotFound:
        return
    raise AlreadyExists(
        f"model '{card.name}@{card.version}' exists already: choose another version, or delete that one first",
        Reason.NAME_TAKEN,
    )


def _resolve_source(registry: Registry, unit: UnitOfWork, source: str | NewDataset) -> str:
    if isinstance(source, str):
        return source
    known = find_identical(unit, source)
    return known.id if known is not None else add_dataset(registry, unit, source, "new_dataset").id


def _assemble(
    registry: Registry, card: CardFacts, artifact: Artifact, received: Received | None, dataset_id: str
) -> Model:
    now = registry.clock()
    return Model(
        id=registry.new_id("mdl"),
        name=card.name,
        version=card.version,
        description=card.description,
        licence=card.licence,
        tags=card.tags,
        task=card.task,
        modality=card.modality,
        classes=card.classes,
        metrics=card.metrics,
        parent=card.parent,
        artifact=artifact,
        inputs=received.facts.inputs if received else (),
        outputs=received.facts.outputs if received else (),
        dataset_id=dataset_id,
        card=card.document,
        created_at=now,
        updated_at=now,
    )


def _card_problem(path: str, problem: str) -> InvalidArgument:
    return InvalidArgument(f"the model card: {path} {problem}", Reason.INVALID_CARD, [(path, problem)])
