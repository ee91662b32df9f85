"""Profiles in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from search_service.domain.catalog import Page
from search_service.domain.profiling import Figures, Profile, ProfileFilter
from search_service.storage import refusals
from search_service.storage.experiment_tables import experiment_cells
from search_service.storage.kept_models import keep_model
from search_service.storage.paging import Position, newest_keys
from search_service.storage.profile_series import models_that_changed, series_of
from search_service.storage.profiling_rows import detail_values, profile_of, profile_values
from search_service.storage.profiling_tables import IS_CURRENT, profile_details, profiles
from search_service.storage.session import Session
from search_service.storage.tables import models

_UNLISTED = {profile_details.c.runs, profile_details.c.histogram, profile_details.c.profile_number}
_LISTED = (
    sa.select(
        *(column for column in profiles.c if column is not profiles.c.figures),
        *(column for column in profile_details.c if column not in _UNLISTED),
        models.c.id.label("model_id"),
    )
    .join_from(profiles, profile_details)
    .outerjoin(models, profiles.c.model_number == models.c.number)
)
_WHOLE = _LISTED.add_columns(profile_details.c.runs, profile_details.c.histogram)
_FULL = _WHOLE.where(profiles.c.id == sa.bindparam("profile_id"))
_SUPERSEDE = (
    sa.update(profiles).where(profiles.c.series == sa.bindparam("of_series"), IS_CURRENT).values(current=sa.false())
)
_NEWEST_LEFT = (
    sa.select(sa.func.max(profiles.c.number))
    .where(profiles.c.series == sa.bindparam("of_series"), profiles.c.valid)
    .scalar_subquery()
)
_SUCCEED = sa.update(profiles).where(profiles.c.number == _NEWEST_LEFT).values(current=sa.true())
_DELETED = sa.select(
    profiles.c.number, profiles.c.series, profiles.c.current, profiles.c.valid, models.c.id.label("model_id")
).outerjoin(models, profiles.c.model_number == models.c.number)
_DELETED_AT_ONCE = 500
_OUTDATED = (
    sa.select(profiles.c.id)
    .where(
        profiles.c.created_at < sa.bindparam("before"),
        profiles.c.current.is_(sa.false()),
        profiles.c.id.not_in(sa.select(experiment_cells.c.profile_id)),
        profiles.c.job_id.not_in(sa.select(experiment_cells.c.job_id)),
    )
    .order_by(profiles.c.number)
    .limit(sa.bindparam("most"))
)
_ADD = sa.insert(profiles).returning(profiles.c.number)
_ADD_DETAILS = sa.insert(profile_details)


class SqlProfiles:
    """The profiles as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, profiles: Sequence[Profile]) -> None:
        # In order, so that two transactions never wait for each other.
        for series in sorted({series_of(profile) for profile in profiles if profile.valid}):
            self._session.hold(f"series {series}")
        for profile in profiles:
            model_number = keep_model(self._session, profile.model_id) if profile.model_id else None
            values = profile_values(profile, model_number)
            if profile.valid:
                self._session.write(_SUPERSEDE, {"of_series": values["series"]})
                values["current"] = True
            number = self._session.lock_rows(_ADD, values)[0].number
            self._session.write(_ADD_DETAILS, detail_values(profile, number))
        for model_id in models_that_changed(profiles):
            self._session.log("profiles", model_id)

    def get(self, profile_id: str) -> Profile:
        found = self._session.rows(_FULL, {"profile_id": profile_id})
        if not found:
            raise refusals.profile_not_found(profile_id)
        return profile_of(found[0], found[0].runs, found[0].histogram)

    def get_many(self, profile_ids: Sequence[str], *, whole: bool = False) -> dict[str, Profile]:
        if whole:
            rows = self._session.rows_in(_WHOLE, profiles.c.id, profile_ids)
            return {row.id: profile_of(row, row.runs, row.histogram) for row in rows}
        return {row.id: profile_of(row) for row in self._session.rows_in(_LISTED, profiles.c.id, profile_ids)}

    def page(self, filter: ProfileFilter, after: Position | None, size: int) -> Page[Profile]:
        keys = newest_keys(self._session, profiles, _conditions(filter), after=after, size=size)
        numbers = [int(key) for (key,) in keys.items]
        found = {row.number: row for row in self._session.rows_in(_LISTED, profiles.c.number, numbers)}
        return Page(tuple(profile_of(found[number]) for number in numbers if number in found), keys.total, keys.after)

    def outdated(self, before: datetime, most: int) -> Sequence[str]:
        return [row.id for row in self._session.rows(_OUTDATED, {"before": before, "most": most})]

    def delete(self, profile_ids: Sequence[str]) -> int:
        self._session.begin_writing()
        found = list(self._session.rows_in(_DELETED, profiles.c.id, sorted(set(profile_ids))))
        series = sorted({row.series for row in found if row.current})
        for key in series:
            self._session.hold(f"series {key}")
        for start in range(0, len(found), _DELETED_AT_ONCE):
            numbers = [row.number for row in found[start : start + _DELETED_AT_ONCE]]
            self._session.write(sa.delete(profiles).where(profiles.c.number.in_(numbers)))
        for key in series:
            self._session.write(_SUCCEED, {"of_series": key})
        for model_id in sorted({row.model_id for row in found if row.valid and row.model_id}):
            self._session.log("profiles", model_id)
        return len(found)

    def best_candidates(
        self, metrics: Sequence[str], *, model_ids: Sequence[str] | None, load_text: str, host_class: str
    ) -> Sequence[Figures]:
        values = [profiles.c.figures[metric].as_float() for metric in metrics]
        query = (
            sa.select(profiles.c.id, models.c.id, *values)
            .join_from(profiles, models, profiles.c.model_number == models.c.number)
            .where(IS_CURRENT, profiles.c.offered)
        )
        if load_text:
            query = query.where(profiles.c.load_text == load_text)
        if host_class:
            query = query.where(_begins_so(host_class))
        query = query.order_by(models.c.id)
        if model_ids is None:
            rows = self._session.rows(query)
        else:
            rows = list(self._session.rows_in(query, models.c.id, sorted(model_ids)))
        return [_figures(tuple(row)) for row in rows]


def _figures(found: tuple[Any, ...]) -> Figures:
    return Figures(found[0], found[1], found[2:])


def _conditions(filter: ProfileFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if filter.model_id:
        number = sa.select(models.c.number).where(models.c.id == filter.model_id).scalar_subquery()
        conditions.append(profiles.c.model_number == number)
    exact = {"backend": filter.backend, "load_text": filter.load_text, "job_id": filter.job_id}
    conditions.extend(profiles.c[name] == wanted for name, wanted in exact.items() if wanted)
    if filter.host_class:
        conditions.append(_begins_so(filter.host_class))
    if not filter.include_invalid:
        conditions.append(profiles.c.valid)
    return conditions


def _begins_so(host_class: str) -> sa.ColumnElement[bool]:
    return sa.func.substr(profiles.c.host_class, 1, len(host_class)) == host_class
