"""The request log and the change log in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from search_service.domain.ports import Change, RequestRecord
from search_service.storage import refusals
from search_service.storage.session import Session
from search_service.storage.tables import change_counter, changes, requests

_REQUEST = sa.select(requests.c.method, requests.c.request_digest, requests.c.result_id).where(
    requests.c.request_id == sa.bindparam("wanted")
)
_COUNTER = sa.select(change_counter.c.value)
_COUNT_UP = (
    sa.update(change_counter)
    .values(value=change_counter.c.value + sa.bindparam("count"))
    .returning(change_counter.c.value)
)
_ADD = sa.insert(changes)
_SINCE = (
    sa.select(changes.c.sequence, changes.c.kind, changes.c.object_id)
    .where(changes.c.sequence > sa.bindparam("seen"))
    .order_by(changes.c.sequence)
    .limit(sa.bindparam("most"))
)


class SqlRequests:
    """The request log as one session sees it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, request_id: str) -> RequestRecord | None:
        found = self._session.rows(_REQUEST, {"wanted": request_id})
        return next((RequestRecord(row.method, row.request_digest, row.result_id) for row in found), None)

    def add(self, request_id: str, record: RequestRecord, at: datetime) -> None:
        values = {
            "request_id": request_id,
            "method": record.method,
            "request_digest": record.request_digest,
            "result_id": record.result_id,
            "at": at,
        }
        if self._session.insert_new(requests, values) is None:
            raise refusals.request_id_used(request_id)

    def forget_before(self, at: datetime) -> int:
        return self._session.write(sa.delete(requests).where(requests.c.at < at))


class SqlChanges:
    """The change log. What this session has changed itself is not in it before the commit."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def last(self) -> int:
        return int(self._session.rows(_COUNTER)[0].value)

    def since(self, sequence: int, limit: int) -> Sequence[Change]:
        found = self._session.rows(_SINCE, {"seen": sequence, "most": limit})
        return [Change(row.sequence, row.kind, row.object_id) for row in found]

    def append(self, noted: Sequence[tuple[str, str]]) -> None:
        """Numbers the changes, as the last thing before the commit.

        The counter's row stays locked until then, so that whoever takes the next numbers commits later; taken last, it
        is not held while other statements run.
        """
        if not noted:
            return
        last = self._session.lock_rows(_COUNT_UP, {"count": len(noted)})[0].value
        first = last - len(noted) + 1
        self._session.write(
            _ADD,
            [{"sequence": first + n, "kind": kind, "object_id": key} for n, (kind, key) in enumerate(noted)],
        )
