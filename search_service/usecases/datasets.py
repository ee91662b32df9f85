"""Use cases of source datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from search_service.domain.catalog import Dataset, Filter, Modality, Page, StoredSignature
from search_service.domain.errors import AlreadyExists, NotFound, Reason
from search_service.domain.ports import UnitOfWork
from search_service.usecases.fields import (
    LONGEST_NAME,
    Reference,
    check_mask,
    check_name,
    check_revision,
    check_tags,
    check_text,
    invalid,
)
from search_service.usecases.once import CHANGED_MEANWHILE, Once, fingerprint, run_once
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.registry import Registry
from search_service.usecases.spaces import read_signature
from search_service.usecases.uploads import drop_unused_blob

MOST_SIGNATURES = 16
CHANGEABLE = ("description", "licence", "tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDataset:
    """A dataset to register; `signatures` are encoded."""

    name: str
    version: str
    description: str
    tags: tuple[str, ...]
    licence: str
    modality: Modality
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetUpdate:
    """New values, the paths to take from them, and signatures to add or replace. Revision 0 means any."""

    description: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    signatures: tuple[bytes, ...] = ()
    revision: int = 0


def register_dataset(registry: Registry, request_id: str, new: NewDataset) -> Dataset:
    """Registers a dataset with its signatures.

    Raises:
        InvalidArgument: a field or a signature is wrong.
        NotFound: FEATURE_SPACE_NOT_FOUND, a signature's space is not registered.
        AlreadyExists: NAME_TAKEN.
    """
    checked = check_dataset(new, "dataset")

    def act(unit: UnitOfWork) -> tuple[str, Dataset]:
        dataset = add_dataset(registry, unit, checked, "dataset")
        return dataset.id, dataset

    once = Once.of("RegisterDataset", request_id, checked)
    return run_once(registry, once, act, lambda unit, result_id: unit.datasets.get(result_id))


def check_dataset(new: NewDataset, path: str) -> NewDataset:
    """The dataset with its defaults filled in. Raises InvalidArgument for a wrong field."""
    if not new.signatures:
        raise invalid(f"{path}.signatures", "at least one signature is needed; sketch the dataset first")
    if len(new.signatures) > MOST_SIGNATURES:
        raise invalid(f"{path}.signatures", f"at most {MOST_SIGNATURES}, not {len(new.signatures)}")
    check_text(f"{path}.description", new.description)
    check_text(f"{path}.licence", new.licence, LONGEST_NAME)
    return replace(
        new,
        name=check_name(f"{path}.name", new.name),
        version=check_name(f"{path}.version", new.version or "1"),
        tags=check_tags(f"{path}.tags", new.tags),
    )


def add_dataset(registry: Registry, unit: UnitOfWork, new: NewDataset, path: str) -> Dataset:
    """Adds a checked dataset within a unit of work."""
    signatures = _read_signatures(unit, new.signatures, new.modality, path)
    now = registry.clock()
    dataset = Dataset(
        id=registry.new_id("ds"),
        name=new.name,
        version=new.version,
        description=new.description,
        tags=new.tags,
        licence=new.licence,
        modality=new.modality,
        signatures=tuple(signature.summary for signature in signatures),
        created_at=now,
        updated_at=now,
    )
    unit.datasets.add(dataset, signatures)
    return dataset


def find_identical(unit: UnitOfWork, new: NewDataset) -> Dataset | None:
    """The dataset that holds the name and version of `new`, or None.

    Raises:
        AlreadyExists: NAME_TAKEN, its signatures are others.
    """
    try:
        known = unit.datasets.find(new.name, new.version)
    except NotFound:
        return None
    if {signature.data for signature in unit.datasets.signatures(known.id)} != set(new.signatures):
        raise AlreadyExists(
            f"dataset '{new.name}@{new.version}' exists already with other signatures: "
            "choose another version, or refer to it by its id",
            Reason.NAME_TAKEN,
        )
    return known


def get_dataset(
    registry: Registry, reference: Reference, include_signatures: bool
) -> tuple[Dataset, Sequence[StoredSignature]]:
    """A dataset, on request with its signatures in the order of its summaries. Raises NotFound."""
    with registry.database.begin() as unit:
        dataset = resolve_dataset(unit, reference)
        return dataset, unit.datasets.signatures(dataset.id) if include_signatures else ()


def list_datasets(registry: Registry, filter: Filter, size: int, token: str) -> tuple[Page[Dataset], str]:
    """A page by name, version and id, and the token of the next."""
    for name in ("tasks", "classes", "formats", "dataset_id"):
        if getattr(filter, name):
            raise invalid(f"filter.{name}", "does not apply to datasets")
    bound_to = fingerprint("ListDatasets", filter)
    after = decode_token(bound_to, token, parts=3)
    with registry.database.begin() as unit:
        page = unit.datasets.page(filter, after, page_size(size, default=50))
    return page, encode_token(bound_to, page.after)


def update_dataset(registry: Registry, request_id: str, reference: Reference, update: DatasetUpdate) -> Dataset:
    """Changes what the mask names, and adds or replaces signatures.

    Raises:
        InvalidArgument: nothing is to be changed, or a path, field or signature is wrong.
        NotFound: no such dataset, or a signature's space is not registered.
        Conflict: the caller read another revision.
    """
    mask = check_mask(update.mask, CHANGEABLE)
    if not mask and not update.signatures:
        raise invalid("update_mask", "names nothing to change, and there is no signature to add")
    changes: dict[str, str | tuple[str, ...]] = {}
    if "description" in mask:
        changes["description"] = check_text("values.description", update.description)
    if "licence" in mask:
        changes["licence"] = check_text("values.licence", update.licence, LONGEST_NAME)
    if "tags" in mask:
        changes["tags"] = check_tags("values.tags", update.tags)

    def act(unit: UnitOfWork) -> tuple[str, Dataset]:
        old = resolve_dataset(unit, reference)
        check_revision("dataset", old.name, update.revision, old.revision)
        signatures = _read_signatures(unit, update.signatures, old.modality, "")
        summaries = {summary.space_digest: summary for summary in old.signatures}
        summaries |= {signature.summary.space_digest: signature.summary for signature in signatures}
        if len(summaries) > MOST_SIGNATURES:
            raise invalid("signatures", f"a dataset has at most {MOST_SIGNATURES}, this makes {len(summaries)}")
        changed = replace(
            old,
            **changes,  # type: ignore[arg-type]  # the names and types are those of CHANGEABLE
            signatures=tuple(summaries[digest] for digest in sorted(summaries)),
            updated_at=registry.clock(),
            revision=old.revision + 1,
        )
        unit.datasets.replace(changed, signatures, old.revision)
        return old.id, changed

    once = Once.of("UpdateDataset", request_id, (reference, update))
    retry_on = () if update.revision else CHANGED_MEANWHILE
    return run_once(registry, once, act, lambda unit, result_id: unit.datasets.get(result_id), retry_on=retry_on)


def delete_dataset(registry: Registry, request_id: str, reference: Reference, revision: int) -> None:
    """Deletes a dataset with its signatures and its sample.

    Raises:
        NotFound: DATASET_NOT_FOUND.
        Conflict: the caller read another revision.
        PreconditionFailed: STILL_REFERENCED, a model refers to it.
    """
    stored: list[str] = []

    def act(unit: UnitOfWork) -> tuple[str, None]:
        dataset = resolve_dataset(unit, reference)
        check_revision("dataset", dataset.name, revision, dataset.revision)
        if revision:
            # Refuses, and keeps out, a change that commits between the look and the deletion.
            unit.datasets.replace(replace(dataset, revision=revision + 1), (), revision)
        unit.datasets.delete(dataset.id)
        stored[:] = [dataset.sample.digest] if dataset.sample else []
        return dataset.id, None

    run_once(registry, Once.of("DeleteDataset", request_id, (reference, revision)), act, lambda _unit, _id: None)
    for digest in stored:
        drop_unused_blob(registry, digest)


def resolve_dataset(unit: UnitOfWork, reference: Reference) -> Dataset:
    """The dataset that is meant. Raises NotFound."""
    if reference.id:
        return unit.datasets.get(reference.id)
    return unit.datasets.find(reference.name, reference.version)


def _read_signatures(
    unit: UnitOfWork, encoded: Sequence[bytes], modality: Modality, path: str
) -> tuple[StoredSignature, ...]:
    signatures: dict[str, StoredSignature] = {}
    for position, data in enumerate(encoded):
        field = f"{path}.signatures[{position}]".lstrip(".")
        signature, space = read_signature(unit, data, f"{field}.data")
        if space.modality not in (modality, Modality.EMBEDDING):
            raise invalid(field, f"its feature space is for {space.modality} data, the dataset is {modality}")
        if space.digest in signatures:
            raise invalid(field, f"a second signature in feature space {space.digest[:12]}; one in each is enough")
        signatures[space.digest] = signature
    return tuple(signatures[digest] for digest in sorted(signatures))
