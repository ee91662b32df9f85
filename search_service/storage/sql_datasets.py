"""Source datasets and their signatures in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from search_service.domain.catalog import Dataset, Filter, Page, SignatureSummary, StoredSignature
from search_service.storage import refusals
from search_service.storage.filter_sql import dataset_conditions
from search_service.storage.paging import Position, page_keys
from search_service.storage.rows import Row, dataset_of, dataset_values, signature_values, summary_of
from search_service.storage.session import Session
from search_service.storage.tables import dataset_tags, datasets, feature_spaces, models, signatures

_ALL = sa.select(*(column for column in datasets.c if column not in {datasets.c.words, datasets.c.licence_folded}))
_BY_ID = _ALL.where(datasets.c.id == sa.bindparam("dataset_id"))
_BY_NAME = _ALL.where(datasets.c.name == sa.bindparam("dataset_name"))
_BY_VERSION = _BY_NAME.where(datasets.c.version == sa.bindparam("dataset_version"))
_NEWEST = _BY_NAME.order_by(datasets.c.created_at.desc(), datasets.c.id.desc()).limit(1)
_LOCKED = _BY_ID.with_for_update()
_SUMMARIES = sa.select(
    *(column for column in signatures.c if column not in {signatures.c.number, signatures.c.data})
).order_by(signatures.c.space_digest)
_WITH_DATA = (
    _SUMMARIES.add_columns(signatures.c.data)
    .join(datasets, signatures.c.dataset_number == datasets.c.number)
    .where(datasets.c.id == sa.bindparam("dataset_id"))
)
_LOCKED_SPACES = sa.select(feature_spaces.c.digest).with_for_update(read=True, key_share=True)
_LOCKED_SPACE = _LOCKED_SPACES.where(feature_spaces.c.digest == sa.bindparam("space_digest"))
_USING_BLOB = sa.select(datasets.c.number).where(datasets.c.sample_digest == sa.bindparam("digest")).limit(1)
_ADD_TAGS = sa.insert(dataset_tags)
_ADD_SIGNATURES = sa.insert(signatures)


class SqlDatasets:
    """The datasets as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, dataset: Dataset, signatures: Sequence[StoredSignature]) -> None:
        self._check_spaces(signatures)
        number = self._session.insert_new(datasets, dataset_values(dataset))
        if number is None:
            raise refusals.name_taken("dataset", dataset.name, dataset.version)
        self._add_tags(number, dataset.tags)
        self._add_signatures(number, signatures)
        self._session.log("dataset", dataset.id)

    def get(self, dataset_id: str) -> Dataset:
        found = self._session.rows(_BY_ID, {"dataset_id": dataset_id})
        if not found:
            raise refusals.dataset_not_found(dataset_id)
        return next(self._with_summaries(found))

    def find(self, name: str, version: str) -> Dataset:
        if version:
            found = self._session.rows(_BY_VERSION, {"dataset_name": name, "dataset_version": version})
        else:
            found = self._session.rows(_NEWEST, {"dataset_name": name})
        if not found:
            raise refusals.dataset_name_not_found(name, version)
        return next(self._with_summaries(found))

    def names(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        query = sa.select(datasets.c.id, datasets.c.name)
        return {row.id: row.name for row in self._session.rows_in(query, datasets.c.id, dataset_ids)}

    def page(self, filter: Filter, after: Position | None, size: int) -> Page[Dataset]:
        keys = page_keys(
            self._session, datasets, dataset_conditions(filter, self._session.dialect), after=after, size=size
        )
        ids = [position[-1] for position in keys.items]
        rows = list(self._session.rows_in(_ALL, datasets.c.id, ids))
        found = {dataset.id: dataset for dataset in self._with_summaries(rows)}
        return Page(tuple(found[key] for key in ids if key in found), keys.total, keys.after)

    def signatures(self, dataset_id: str) -> Sequence[StoredSignature]:
        rows = self._session.rows(_WITH_DATA, {"dataset_id": dataset_id})
        return tuple(StoredSignature(summary=summary_of(row), data=bytes(row.data)) for row in rows)

    def signatures_in(self, space_digest: str, dataset_ids: Sequence[str]) -> dict[str, bytes]:
        query = (
            sa.select(datasets.c.id, signatures.c.data)
            .join(signatures, signatures.c.dataset_number == datasets.c.number)
            .where(signatures.c.space_digest == space_digest)
        )
        return {row.id: bytes(row.data) for row in self._session.rows_in(query, datasets.c.id, dataset_ids)}

    def scan_signatures(self) -> Iterator[tuple[str, str, bytes]]:
        query = sa.select(datasets.c.id, signatures.c.space_digest, signatures.c.data).join(
            signatures, signatures.c.dataset_number == datasets.c.number
        )
        return ((row.id, row.space_digest, bytes(row.data)) for row in self._session.scan(query))

    def replace(self, dataset: Dataset, signatures: Sequence[StoredSignature], expected_revision: int) -> None:
        old = self._locked(dataset.id)
        if old.revision != expected_revision:
            raise refusals.revision_conflict("dataset", dataset.id, expected_revision, old.revision)
        self._check_spaces(signatures)
        namesake = self._session.rows(_BY_VERSION, {"dataset_name": dataset.name, "dataset_version": dataset.version})
        if any(row.id != dataset.id for row in namesake):
            raise refusals.name_taken("dataset", dataset.name, dataset.version)
        self._session.write(sa.update(datasets).where(datasets.c.number == old.number), dataset_values(dataset))
        self._session.write(sa.delete(dataset_tags).where(dataset_tags.c.dataset_number == old.number))
        self._add_tags(old.number, dataset.tags)
        self._drop_signatures(old.number, signatures)
        self._add_signatures(old.number, signatures)
        self._session.log("dataset", dataset.id)

    def delete(self, dataset_id: str) -> None:
        number = self._locked(dataset_id).number
        users = sa.select(models.c.id).where(models.c.dataset_number == number)
        count = self._session.rows(sa.select(sa.func.count()).select_from(users.subquery()))[0][0]
        if count:
            shown = self._session.rows(users.order_by(models.c.id).limit(refusals.SHOWN))
            raise refusals.dataset_in_use(dataset_id, [row.id for row in shown], count)
        self._session.write(sa.delete(datasets).where(datasets.c.number == number))
        self._session.log("dataset", dataset_id)

    def uses_blob(self, digest: str) -> bool:
        return bool(self._session.rows(_USING_BLOB, {"digest": digest}))

    def _locked(self, dataset_id: str) -> Row:
        found = self._session.lock_rows(_LOCKED, {"dataset_id": dataset_id})
        if not found:
            raise refusals.dataset_not_found(dataset_id)
        return found[0]

    def _check_spaces(self, given: Sequence[StoredSignature]) -> None:
        # In order, so that two transactions never wait for each other's locks.
        for digest in sorted({signature.summary.space_digest for signature in given}):
            if not self._session.lock_rows(_LOCKED_SPACE, {"space_digest": digest}):
                raise refusals.space_not_found(digest)

    def _add_signatures(self, number: int, given: Sequence[StoredSignature]) -> None:
        by_space = {signature.summary.space_digest: signature for signature in given}
        if by_space:
            self._session.write(
                _ADD_SIGNATURES, [signature_values(signature, number) for signature in by_space.values()]
            )

    def _drop_signatures(self, number: int, given: Sequence[StoredSignature]) -> None:
        for signature in given:
            self._session.write(
                sa.delete(signatures).where(
                    signatures.c.dataset_number == number,
                    signatures.c.space_digest == signature.summary.space_digest,
                )
            )

    def _add_tags(self, number: int, tags: Sequence[str]) -> None:
        if tags:
            self._session.write(_ADD_TAGS, [{"tag": tag, "dataset_number": number} for tag in dict.fromkeys(tags)])

    def _with_summaries(self, rows: Sequence[Row]) -> Iterator[Dataset]:
        summaries: dict[int, list[SignatureSummary]] = defaultdict(list)
        for row in self._session.rows_in(_SUMMARIES, signatures.c.dataset_number, [row.number for row in rows]):
            summaries[row.dataset_number].append(summary_of(row))
        return (dataset_of(row, summaries[row.number]) for row in rows)
