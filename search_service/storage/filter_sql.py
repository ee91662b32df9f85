"""The conditions of a filter as SQL; `matching` says in Python what they must mean."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from search_service.domain.catalog import Filter
from search_service.storage.tables import class_list_members, dataset_tags, datasets, model_tags, models
from search_service.storage.words import sought_words

Condition = sa.ColumnElement[bool]


def model_conditions(filter: Filter, dialect: str) -> list[Condition]:
    """What a row of `models` must satisfy."""
    conditions = _common(filter, models, model_tags, dialect)
    if filter.tasks:
        conditions.append(models.c.task.in_(filter.tasks))
    if filter.formats:
        conditions.append(models.c.artifact_format.in_(filter.formats))
    if filter.dataset_id:
        number = sa.select(datasets.c.number).where(datasets.c.id == filter.dataset_id)
        conditions.append(models.c.dataset_number == number.scalar_subquery())
    if filter.classes:
        lists = _having_all(class_list_members.c.class_list_number, class_list_members.c.class_name, filter.classes)
        conditions.append(models.c.class_list_number.in_(lists))
    return conditions


def dataset_conditions(filter: Filter, dialect: str) -> list[Condition]:
    """What a row of `datasets` must satisfy."""
    return _common(filter, datasets, dataset_tags, dialect)


def _common(filter: Filter, table: sa.Table, tags: sa.Table, dialect: str) -> list[Condition]:
    conditions: list[Condition] = []
    if filter.modalities:
        conditions.append(table.c.modality.in_([modality.value for modality in filter.modalities]))
    if filter.licences:
        conditions.append(table.c.licence_folded.in_({licence.casefold() for licence in filter.licences}))
    if filter.tags:
        tag, number = tags.primary_key.columns
        conditions.append(_is_among(table, _having_all(number, tag, filter.tags), dialect))
    sought = sought_words(filter.text)
    if sought:
        conditions.append(_text_matches(table, sought, dialect))
    return conditions


def _is_among(table: sa.Table, numbers: sa.Select[int], dialect: str) -> Condition:
    """Whether the row is one of those.

    On SQLite the plus keeps the planner from fetching each of them by its number: they may be most of the table, whose
    rows are large, and reading the listing index once is always fast.
    """
    number = sa.literal_column(f"+{table.name}.number") if dialect == "sqlite" else table.c.number
    return number.in_(numbers)


def _having_all(owner: sa.Column[int], member: sa.Column[str], wanted: Sequence[str]) -> sa.Select[int]:
    """The owners of every wanted member, in a table whose key is (member, owner)."""
    distinct = sorted(set(wanted))
    if len(distinct) == 1:
        return sa.select(owner).where(member == distinct[0])
    return sa.select(owner).where(member.in_(distinct)).group_by(owner).having(sa.func.count() == len(distinct))


def _text_matches(table: sa.Table, sought: Sequence[str], dialect: str) -> Condition:
    # Words are letters and digits, so quoting needs no escapes.
    if dialect == "sqlite":
        index = sa.table(f"{'model' if table is models else 'dataset'}_words", sa.column("rowid"))
        query = " ".join(f'"{word}"*' for word in sought)
        matching = sa.select(index.c.rowid).where(sa.literal_column(index.name).op("MATCH")(query))
        return _is_among(table, matching, dialect)
    query = "&".join(f"'{word}':*" for word in sought)
    return table.c.words.op("@@", is_comparison=True)(sa.cast(query, postgresql.TSQUERY))
