"""Feature spaces in SQL."""

from __future__ import annotations

import sqlalchemy as sa

from search_service.domain.catalog import FeatureSpace, Modality, Page
from search_service.storage import refusals
from search_service.storage.paging import Position, page_keys
from search_service.storage.rows import Row, space_of, space_values
from search_service.storage.session import Session
from search_service.storage.tables import datasets, feature_spaces, signatures

_ALL = sa.select(feature_spaces)
_BY_DIGEST = _ALL.where(feature_spaces.c.digest == sa.bindparam("space_digest"))
_LOCKED = _BY_DIGEST.with_for_update()
_BY_SCHEMA = _ALL.where(
    feature_spaces.c.schema_digest == sa.bindparam("schema"),
    feature_spaces.c.schema_digest != "",
    feature_spaces.c.featuriser == sa.bindparam("reader"),
)


class SqlSpaces:
    """The feature spaces as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, space: FeatureSpace) -> None:
        if self._session.insert_new(feature_spaces, space_values(space)) is None:
            raise refusals.space_taken(space.digest)

    def get(self, digest: str) -> FeatureSpace:
        found = self._session.rows(_BY_DIGEST, {"space_digest": digest})
        if not found:
            raise refusals.space_not_found(digest)
        return space_of(found[0])

    def find(self, schema_digest: str, featuriser: str) -> FeatureSpace:
        found = self._session.rows(_BY_SCHEMA, {"schema": schema_digest, "reader": featuriser})
        if not found:
            raise refusals.schema_not_found(schema_digest, featuriser)
        return space_of(found[0])

    def page(self, modality: Modality | None, after: Position | None, size: int) -> Page[FeatureSpace]:
        conditions = [] if modality is None else [feature_spaces.c.modality == modality.value]
        keys = page_keys(self._session, feature_spaces, conditions, after=after, size=size, key=("digest",))
        digests = [digest for (digest,) in keys.items]
        found = {row.digest: space_of(row) for row in self._session.rows_in(_ALL, feature_spaces.c.digest, digests)}
        return Page(tuple(found[digest] for digest in digests if digest in found), keys.total, keys.after)

    def replace(self, space: FeatureSpace, expected_revision: int) -> None:
        old = self._locked(space.digest)
        if old.revision != expected_revision:
            raise refusals.revision_conflict("feature space", space.digest, expected_revision, old.revision)
        self._session.write(
            sa.update(feature_spaces).where(feature_spaces.c.digest == space.digest),
            {"description": space.description, "revision": space.revision},
        )

    def delete(self, digest: str) -> None:
        self._locked(digest)
        users = sa.select(datasets.c.id).join(signatures).where(signatures.c.space_digest == digest)
        count = self._session.rows(sa.select(sa.func.count()).select_from(users.subquery()))[0][0]
        if count:
            shown = self._session.rows(users.order_by(datasets.c.id).limit(refusals.SHOWN))
            raise refusals.space_in_use(digest, [row.id for row in shown], count)
        self._session.write(sa.delete(feature_spaces).where(feature_spaces.c.digest == digest))

    def _locked(self, digest: str) -> Row:
        found = self._session.lock_rows(_LOCKED, {"space_digest": digest})
        if not found:
            raise refusals.space_not_found(digest)
        return found[0]
