"""The stores of the memory database."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from search_service.domain.catalog import Dataset, FeatureSpace, Filter, Modality, Model, Page, StoredSignature
from search_service.domain.ports import Change, RequestRecord
from search_service.storage import refusals
from search_service.storage.matching import dataset_passes, model_passes
from search_service.storage.memory_removals import drop_evaluations, drop_samples
from search_service.storage.memory_session import MemorySession, Tables
from search_service.storage.paging import number_in
from search_service.storage.profile_series import series_of

T = TypeVar("T")
Position = tuple[str, ...]


class MemoryModels:
    """The models as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, model: Model) -> None:
        tables = self._session.write()
        _check_dataset(tables, model)
        if model.id in tables.models or (model.name, model.version) in tables.model_names:
            raise refusals.name_taken("model", model.name, model.version)
        tables.models[model.id] = model
        tables.model_names[model.name, model.version] = model.id
        self._session.log("model", model.id)

    def get(self, model_id: str) -> Model:
        model = self._session.read().models.get(model_id)
        if model is None:
            raise refusals.model_not_found(model_id)
        return model

    def find(self, name: str, version: str) -> Model:
        tables = self._session.read()
        if version:
            found = [tables.model_names[name, version]] if (name, version) in tables.model_names else []
        else:
            found = [key for (other, _), key in tables.model_names.items() if other == name]
        if not found:
            raise refusals.model_name_not_found(name, version)
        return max((tables.models[key] for key in found), key=lambda model: (model.created_at, model.id))

    def get_many(self, model_ids: Sequence[str]) -> dict[str, Model]:
        models = self._session.read().models
        return {key: replace(models[key], card="") for key in model_ids if key in models}

    def page(self, filter: Filter, after: Position | None, size: int) -> Page[Model]:
        passing = [model for model in self._session.read().models.values() if model_passes(model, filter)]
        page = paged(passing, lambda model: (model.name, model.version, model.id), after, size)
        return replace(page, items=tuple(replace(model, card="") for model in page.items))

    def matching_ids(self, filter: Filter) -> frozenset[str]:
        return frozenset(model.id for model in self._session.read().models.values() if model_passes(model, filter))

    def by_dataset(self, dataset_id: str) -> Sequence[str]:
        return _trained_on(self._session.read(), dataset_id)

    def scan(self) -> Iterator[Model]:
        for model in tuple(self._session.read().models.values()):
            yield replace(model, card="")

    def replace(self, model: Model, expected_revision: int) -> None:
        tables = self._session.write()
        old = tables.models.get(model.id)
        if old is None:
            raise refusals.model_not_found(model.id)
        if old.revision != expected_revision:
            raise refusals.revision_conflict("model", model.id, expected_revision, old.revision)
        _check_dataset(tables, model)
        if tables.model_names.get((model.name, model.version), model.id) != model.id:
            raise refusals.name_taken("model", model.name, model.version)
        del tables.model_names[old.name, old.version]
        tables.model_names[model.name, model.version] = model.id
        tables.models[model.id] = model
        self._session.log("model", model.id)

    def delete(self, model_id: str) -> None:
        tables = self._session.write()
        old = tables.models.pop(model_id, None)
        if old is None:
            raise refusals.model_not_found(model_id)
        del tables.model_names[old.name, old.version]
        for profile in [profile for profile in tables.profiles.values() if profile.model_id == model_id]:
            del tables.profiles[profile.id], tables.profile_numbers[profile.id]
            tables.current_profiles.pop(series_of(profile), None)
        for key in [key for key in tables.forms if key[0] == model_id]:
            del tables.forms[key]
        drop_evaluations(tables, lambda evaluation: evaluation.model_id == model_id)
        self._session.log("model", model_id)

    def uses_blob(self, digest: str) -> bool:
        models = self._session.read().models.values()
        return any(model.artifact.stored and model.artifact.digest == digest for model in models)


class MemoryDatasets:
    """The datasets as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, dataset: Dataset, signatures: Sequence[StoredSignature]) -> None:
        tables = self._session.write()
        _check_spaces(tables, signatures)
        if dataset.id in tables.datasets or (dataset.name, dataset.version) in tables.dataset_names:
            raise refusals.name_taken("dataset", dataset.name, dataset.version)
        _put_dataset(tables, dataset, {signature.summary.space_digest: signature for signature in signatures})
        self._session.log("dataset", dataset.id)

    def get(self, dataset_id: str) -> Dataset:
        dataset = self._session.read().datasets.get(dataset_id)
        if dataset is None:
            raise refusals.dataset_not_found(dataset_id)
        return dataset

    def find(self, name: str, version: str) -> Dataset:
        tables = self._session.read()
        if version:
            found = [tables.dataset_names[name, version]] if (name, version) in tables.dataset_names else []
        else:
            found = [key for (other, _), key in tables.dataset_names.items() if other == name]
        if not found:
            raise refusals.dataset_name_not_found(name, version)
        return max((tables.datasets[key] for key in found), key=lambda dataset: (dataset.created_at, dataset.id))

    def names(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        datasets = self._session.read().datasets
        return {key: datasets[key].name for key in dataset_ids if key in datasets}

    def page(self, filter: Filter, after: Position | None, size: int) -> Page[Dataset]:
        passing = [dataset for dataset in self._session.read().datasets.values() if dataset_passes(dataset, filter)]
        return paged(passing, lambda dataset: (dataset.name, dataset.version, dataset.id), after, size)

    def signatures(self, dataset_id: str) -> Sequence[StoredSignature]:
        return tuple(self._session.read().signatures.get(dataset_id, {}).values())

    def signatures_in(self, space_digest: str, dataset_ids: Sequence[str]) -> dict[str, bytes]:
        signatures = self._session.read().signatures
        found = {key: signatures.get(key, {}).get(space_digest) for key in dataset_ids}
        return {key: signature.data for key, signature in found.items() if signature is not None}

    def scan_signatures(self) -> Iterator[tuple[str, str, bytes]]:
        for key, signatures in tuple(self._session.read().signatures.items()):
            for space_digest, signature in signatures.items():
                yield key, space_digest, signature.data

    def replace(self, dataset: Dataset, signatures: Sequence[StoredSignature], expected_revision: int) -> None:
        tables = self._session.write()
        old = tables.datasets.get(dataset.id)
        if old is None:
            raise refusals.dataset_not_found(dataset.id)
        if old.revision != expected_revision:
            raise refusals.revision_conflict("dataset", dataset.id, expected_revision, old.revision)
        _check_spaces(tables, signatures)
        if tables.dataset_names.get((dataset.name, dataset.version), dataset.id) != dataset.id:
            raise refusals.name_taken("dataset", dataset.name, dataset.version)
        del tables.dataset_names[old.name, old.version]
        new = {signature.summary.space_digest: signature for signature in signatures}
        _put_dataset(tables, dataset, tables.signatures[dataset.id] | new)
        self._session.log("dataset", dataset.id)

    def delete(self, dataset_id: str) -> None:
        tables = self._session.write()
        old = tables.datasets.get(dataset_id)
        if old is None:
            raise refusals.dataset_not_found(dataset_id)
        models = _trained_on(tables, dataset_id)
        if models:
            raise refusals.dataset_in_use(dataset_id, models, len(models))
        del tables.datasets[dataset_id], tables.signatures[dataset_id], tables.dataset_names[old.name, old.version]
        drop_samples(tables, lambda sample: sample.dataset_id == dataset_id)
        self._session.log("dataset", dataset_id)

    def uses_blob(self, digest: str) -> bool:
        datasets = self._session.read().datasets.values()
        return any(dataset.sample is not None and dataset.sample.digest == digest for dataset in datasets)


class MemorySpaces:
    """The feature spaces as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, space: FeatureSpace) -> None:
        spaces = self._session.write().spaces
        if space.digest in spaces or (
            space.schema_digest and _for_schema(spaces, space.schema_digest, space.featuriser) is not None
        ):
            raise refusals.space_taken(space.digest)
        spaces[space.digest] = space

    def get(self, digest: str) -> FeatureSpace:
        space = self._session.read().spaces.get(digest)
        if space is None:
            raise refusals.space_not_found(digest)
        return space

    def find(self, schema_digest: str, featuriser: str) -> FeatureSpace:
        space = _for_schema(self._session.read().spaces, schema_digest, featuriser) if schema_digest else None
        if space is None:
            raise refusals.schema_not_found(schema_digest, featuriser)
        return space

    def page(self, modality: Modality | None, after: Position | None, size: int) -> Page[FeatureSpace]:
        passing = [space for space in self._session.read().spaces.values() if modality in (None, space.modality)]
        return paged(passing, lambda space: (space.digest,), after, size)

    def replace(self, space: FeatureSpace, expected_revision: int) -> None:
        spaces = self._session.write().spaces
        old = spaces.get(space.digest)
        if old is None:
            raise refusals.space_not_found(space.digest)
        if old.revision != expected_revision:
            raise refusals.revision_conflict("feature space", space.digest, expected_revision, old.revision)
        spaces[space.digest] = replace(old, description=space.description, revision=space.revision)

    def delete(self, digest: str) -> None:
        tables = self._session.write()
        if digest not in tables.spaces:
            raise refusals.space_not_found(digest)
        users = sorted(key for key, signatures in tables.signatures.items() if digest in signatures)
        if users:
            raise refusals.space_in_use(digest, users, len(users))
        del tables.spaces[digest]


class MemoryRequests:
    """The request log as one session sees it."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def get(self, request_id: str) -> RequestRecord | None:
        entry = self._session.read().requests.get(request_id)
        return None if entry is None else entry[0]

    def add(self, request_id: str, record: RequestRecord, at: datetime) -> None:
        requests = self._session.write().requests
        if request_id in requests:
            raise refusals.request_id_used(request_id)
        requests[request_id] = (record, at)

    def forget_before(self, at: datetime) -> int:
        requests = self._session.write().requests
        old = [request_id for request_id, (_, then) in requests.items() if then < at]
        for request_id in old:
            del requests[request_id]
        return len(old)


class MemoryChanges:
    """The change log as one session sees it."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def last(self) -> int:
        return len(self._session.committed_changes())

    def since(self, sequence: int, limit: int) -> Sequence[Change]:
        start = max(sequence, 0)
        return self._session.committed_changes()[start : start + limit]


def paged(items: list[T], position: Callable[[T], Position], after: Position | None, size: int) -> Page[T]:
    """The `size` items that follow the position `after`, in the order of their positions."""
    items.sort(key=position)
    start = 0 if after is None else bisect_right(items, after, key=position)
    taken = tuple(items[start : start + size])
    more = start + size < len(items)
    return Page(taken, len(items), position(taken[-1]) if more and taken else None)


def newest(items: list[T], number: Callable[[T], int], after: Position | None, size: int) -> Page[T]:
    """The `size` items before the number in `after`, the largest number first."""
    last = None if after is None else number_in(after)
    items.sort(key=number, reverse=True)
    left = [item for item in items if last is None or number(item) < last]
    taken = tuple(left[:size])
    return Page(taken, len(items), (str(number(taken[-1])),) if len(left) > size and taken else None)


def _check_dataset(tables: Tables, model: Model) -> None:
    if model.dataset_id and model.dataset_id not in tables.datasets:
        raise refusals.dataset_not_found(model.dataset_id)


def _check_spaces(tables: Tables, signatures: Sequence[StoredSignature]) -> None:
    for digest in sorted(signature.summary.space_digest for signature in signatures):
        if digest not in tables.spaces:
            raise refusals.space_not_found(digest)


def _put_dataset(tables: Tables, dataset: Dataset, signatures: dict[str, StoredSignature]) -> None:
    ordered = dict(sorted(signatures.items()))
    tables.signatures[dataset.id] = ordered
    summaries = tuple(signature.summary for signature in ordered.values())
    tables.datasets[dataset.id] = replace(dataset, signatures=summaries)
    tables.dataset_names[dataset.name, dataset.version] = dataset.id


def _trained_on(tables: Tables, dataset_id: str) -> list[str]:
    return sorted(model.id for model in tables.models.values() if dataset_id and model.dataset_id == dataset_id)


def _for_schema(spaces: dict[str, FeatureSpace], schema_digest: str, featuriser: str) -> FeatureSpace | None:
    wanted = (schema_digest, featuriser)
    return next((space for space in spaces.values() if (space.schema_digest, space.featuriser) == wanted), None)
