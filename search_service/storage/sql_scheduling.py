"""What the scheduler has learned, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.fairness import Usage
from msearch_scheduling.trust import Record
from search_service.domain.scheduling import Learned
from search_service.storage.scheduling_rows import conduct_values, learned_json, learned_of
from search_service.storage.scheduling_tables import agent_conduct, scheduler_state, size_records, user_usage
from search_service.storage.session import Session, Values

_SIZES = "sizes"
_STATE = sa.select(scheduler_state.c.value).where(scheduler_state.c.name == _SIZES)
_RECORDS = sa.select(size_records.c.key, size_records.c.errors, size_records.c.bias, size_records.c.mean_square)
_STATE_LOCKED = _STATE.with_for_update()


class SqlScheduling:
    """As one session sees it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def learned(self) -> Learned:
        found = self._session.rows(_STATE)
        return learned_of(found[0].value) if found else Learned()

    def lock_learned(self) -> Learned:
        found = self._session.lock_rows(_STATE_LOCKED)
        if not found:
            self._session.insert_new(scheduler_state, {"name": _SIZES, "value": learned_json(Learned())})
            found = self._session.lock_rows(_STATE_LOCKED)
        return learned_of(found[0].value)

    def put_learned(self, learned: Learned) -> None:
        self._put(scheduler_state, [{"name": _SIZES, "value": learned_json(learned)}])

    def records(self, keys: Collection[str]) -> Mapping[str, Record]:
        found = {key: Record() for key in keys}
        for row in self._session.rows_in(_RECORDS, size_records.c.key, list(keys)):
            found[row.key] = Record(row.errors, row.bias, row.mean_square)
        return found

    def put_records(self, records: Mapping[str, Record]) -> None:
        rows: list[Values] = [
            {"key": key, "errors": record.count, "bias": record.bias, "mean_square": record.mean_square}
            for key, record in sorted(records.items())
        ]
        self._put(size_records, rows)

    def usages(self, users: Collection[str]) -> Mapping[str, Usage]:
        found = {user: Usage() for user in users}
        for row in self._session.rows_in(sa.select(user_usage), user_usage.c.name, list(users)):
            found[row.name] = Usage(row.seconds, row.at)
        return found

    def put_usage(self, user: str, usage: Usage) -> None:
        self._put(user_usage, [{"name": user, "seconds": usage.seconds, "at": usage.at}])

    def put_conduct(self, agent_id: str, conduct: Conduct) -> None:
        self._put(agent_conduct, [conduct_values(agent_id, conduct)])

    def _put(self, table: sa.Table, rows: Sequence[Values]) -> None:
        """Adds the rows, or overwrites those of their keys."""
        if rows:
            self._session.write(_upsert(self._session.dialect, table), rows)


def _upsert(dialect: str, table: sa.Table) -> sa.Executable:
    key = next(iter(table.primary_key))
    insert: Any = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    others = {column.name: insert.excluded[column.name] for column in table.columns if column is not key}
    return insert.on_conflict_do_update(index_elements=[key], set_=others)  # type: ignore[no-any-return]
