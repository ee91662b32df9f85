"""Models in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from search_service.domain.catalog import Filter, Model, Page
from search_service.storage import refusals
from search_service.storage.filter_sql import model_conditions
from search_service.storage.paging import Position, page_keys
from search_service.storage.rows import Row, class_list_values, model_of, model_values
from search_service.storage.session import Session
from search_service.storage.tables import class_list_members, class_lists, datasets, model_tags, models

_UNLISTED = {models.c.number, models.c.card, models.c.words, models.c.licence_folded}
_LISTED = (
    sa.select(
        *(column for column in models.c if column not in _UNLISTED),
        datasets.c.id.label("dataset_id"),
        class_lists.c.classes,
    )
    .join_from(models, class_lists)
    .outerjoin(datasets, models.c.dataset_number == datasets.c.number)
)
_FULL = _LISTED.add_columns(models.c.card)
_BY_ID = _FULL.where(models.c.id == sa.bindparam("model_id"))
_BY_NAME = _FULL.where(models.c.name == sa.bindparam("model_name"))
_BY_VERSION = _BY_NAME.where(models.c.version == sa.bindparam("model_version"))
_NEWEST = _BY_NAME.order_by(models.c.created_at.desc(), models.c.id.desc()).limit(1)
_LOCKED = sa.select(models.c.number, models.c.revision).where(models.c.id == sa.bindparam("model_id")).with_for_update()
_NAMED = sa.select(models.c.id).where(
    models.c.name == sa.bindparam("model_name"), models.c.version == sa.bindparam("model_version")
)
_DATASET_NUMBER = (
    sa.select(datasets.c.number)
    .where(datasets.c.id == sa.bindparam("dataset_id"))
    .with_for_update(read=True, key_share=True)
)
_CLASS_LIST_NUMBER = sa.select(class_lists.c.number).where(class_lists.c.digest == sa.bindparam("digest"))
_BY_DATASET = (
    sa.select(models.c.id)
    .join(datasets, models.c.dataset_number == datasets.c.number)
    .where(datasets.c.id == sa.bindparam("dataset_id"))
    .order_by(models.c.id)
)
_ADD_TAGS = sa.insert(model_tags)
_ADD_MEMBERS = sa.insert(class_list_members)
_USING_BLOB = (
    sa.select(models.c.number)
    .where(models.c.artifact_digest == sa.bindparam("digest"), models.c.artifact_uri == "")
    .limit(1)
)


class SqlModels:
    """The models as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, model: Model) -> None:
        number = self._session.insert_new(models, self._values(model))
        if number is None:
            raise refusals.name_taken("model", model.name, model.version)
        self._add_tags(number, model.tags)
        self._session.log("model", model.id)

    def get(self, model_id: str) -> Model:
        found = self._session.rows(_BY_ID, {"model_id": model_id})
        if not found:
            raise refusals.model_not_found(model_id)
        return model_of(found[0], found[0].card)

    def find(self, name: str, version: str) -> Model:
        statement = _BY_VERSION if version else _NEWEST
        found = self._session.rows(statement, {"model_name": name, **({"model_version": version} if version else {})})
        if not found:
            raise refusals.model_name_not_found(name, version)
        return model_of(found[0], found[0].card)

    def get_many(self, model_ids: Sequence[str]) -> dict[str, Model]:
        return {row.id: model_of(row) for row in self._session.rows_in(_LISTED, models.c.id, model_ids)}

    def page(self, filter: Filter, after: Position | None, size: int) -> Page[Model]:
        keys = page_keys(self._session, models, model_conditions(filter, self._session.dialect), after=after, size=size)
        found = self.get_many([position[-1] for position in keys.items])
        return Page(
            tuple(found[position[-1]] for position in keys.items if position[-1] in found), keys.total, keys.after
        )

    def matching_ids(self, filter: Filter) -> frozenset[str]:
        conditions = model_conditions(filter, self._session.dialect)
        return self._session.distinct(sa.select(models.c.id).where(*conditions))

    def by_dataset(self, dataset_id: str) -> Sequence[str]:
        return [row[0] for row in self._session.rows(_BY_DATASET, {"dataset_id": dataset_id})]

    def scan(self) -> Iterator[Model]:
        return (model_of(row) for row in self._session.scan(_LISTED))

    def replace(self, model: Model, expected_revision: int) -> None:
        number = self._locked(model.id, expected_revision).number
        values = self._values(model)
        namesake = self._session.rows(_NAMED, {"model_name": model.name, "model_version": model.version})
        if any(row.id != model.id for row in namesake):
            raise refusals.name_taken("model", model.name, model.version)
        self._session.write(sa.update(models).where(models.c.number == number), values)
        self._session.write(sa.delete(model_tags).where(model_tags.c.model_number == number))
        self._add_tags(number, model.tags)
        self._session.log("model", model.id)

    def delete(self, model_id: str) -> None:
        if not self._session.write(sa.delete(models).where(models.c.id == model_id)):
            raise refusals.model_not_found(model_id)
        self._session.log("model", model_id)

    def uses_blob(self, digest: str) -> bool:
        return bool(digest) and bool(self._session.rows(_USING_BLOB, {"digest": digest}))

    def _locked(self, model_id: str, expected_revision: int) -> Row:
        found = self._session.lock_rows(_LOCKED, {"model_id": model_id})
        if not found:
            raise refusals.model_not_found(model_id)
        if found[0].revision != expected_revision:
            raise refusals.revision_conflict("model", model_id, expected_revision, found[0].revision)
        return found[0]

    def _values(self, model: Model) -> dict[str, Any]:
        dataset_number = None
        if model.dataset_id:
            found = self._session.lock_rows(_DATASET_NUMBER, {"dataset_id": model.dataset_id})
            if not found:
                raise refusals.dataset_not_found(model.dataset_id)
            dataset_number = found[0].number
        return model_values(model, dataset_number, self._class_list(model.classes))

    def _class_list(self, classes: Sequence[str]) -> int:
        """The number of the list, which is added if it is new. It stays when its last model goes: lists are few."""
        values = class_list_values(classes)
        known = self._session.lock_rows(_CLASS_LIST_NUMBER, {"digest": values["digest"]})
        number = known[0].number if known else self._session.insert_new(class_lists, values)
        if number is None:  # another transaction has just added it
            return int(self._session.rows(_CLASS_LIST_NUMBER, {"digest": values["digest"]})[0].number)
        if not known and classes:
            members = [{"class_name": name, "class_list_number": number} for name in dict.fromkeys(classes)]
            self._session.write(_ADD_MEMBERS, members)
        return int(number)

    def _add_tags(self, number: int, tags: Sequence[str]) -> None:
        if tags:
            self._session.write(_ADD_TAGS, [{"tag": tag, "model_number": number} for tag in dict.fromkeys(tags)])
