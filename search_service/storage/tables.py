"""The tables of the catalogue, for SQLite and PostgreSQL alike; those of profiling are in `profiling_tables`.

What filters at 100,000 models, and why it looks as it does:

- `ix_models_listing` begins with the sort key and covers every single-valued condition, so that counting, paging and
  matching read this index in order and never the rows, which carry whole cards (100,000 models: 2 to 60 ms).
- Tags are rows of `model_tags` and `dataset_tags`: few for each object, looked up by the tag.
- Models share their class lists (`class_lists`, `class_list_members`). A class of ImageNet is one row for all models of
  ImageNet, not one for each, and registering a model of a known list writes no row at all.
- Words (see `words`) are a tsvector with a GIN index on PostgreSQL, and on SQLite a column that triggers copy into the
  FTS5 tables `model_words` and `dataset_words` (made by the migration).

Names and ids compare by bytes (collation "C", SQLite's BINARY), which for UTF-8 is Python's order of strings.
`number` is an object's key inside the database only; FTS5 and the side tables need an integer.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC, to the microsecond: timestamptz on PostgreSQL, ISO text in UTC on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a time zone cannot be stored: {value}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WORDS = sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql")
# SQLite numbers rows by itself only where the type is exactly INTEGER.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

feature_spaces = sa.Table(
    "feature_spaces",
    metadata,
    sa.Column("digest", TEXT, primary_key=True),
    sa.Column("modality", TEXT, nullable=False),
    sa.Column("featuriser", TEXT, nullable=False),
    sa.Column("dimension", sa.Integer, nullable=False),
    sa.Column("schema_digest", TEXT, nullable=False),
    sa.Column("description", TEXT, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("document", TEXT, nullable=False),
)
sa.Index(
    "uq_feature_spaces_schema",
    feature_spaces.c.schema_digest,
    feature_spaces.c.featuriser,
    unique=True,
    sqlite_where=feature_spaces.c.schema_digest != "",
    postgresql_where=feature_spaces.c.schema_digest != "",
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("version", TEXT, nullable=False),
    sa.Column("modality", TEXT, nullable=False),
    sa.Column("licence", TEXT, nullable=False),
    sa.Column("licence_folded", TEXT, nullable=False),
    sa.Column("tags", TEXT, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("description", TEXT, nullable=False),
    sa.Column("words", WORDS, nullable=False),
    sa.Column("sample_digest", TEXT, index=True),
    sa.Column("sample_size_bytes", sa.BigInteger),
    sa.Column("sample_row_count", sa.BigInteger),
    sa.Column("sample_label_column", TEXT),
    sa.UniqueConstraint("name", "version"),
)
sa.Index(
    "ix_datasets_listing",
    *(datasets.c[name] for name in ("name", "version", "id", "modality", "licence_folded")),
)

dataset_tags = sa.Table(
    "dataset_tags",
    metadata,
    sa.Column("tag", TEXT, primary_key=True),
    sa.Column(
        "dataset_number", NUMBER, sa.ForeignKey("datasets.number", ondelete="CASCADE"), primary_key=True, index=True
    ),
    sqlite_with_rowid=False,
)

signatures = sa.Table(
    "signatures",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("dataset_number", NUMBER, sa.ForeignKey("datasets.number", ondelete="CASCADE"), nullable=False),
    sa.Column("space_digest", TEXT, sa.ForeignKey("feature_spaces.digest"), nullable=False, index=True),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("labelled", sa.Boolean, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("dataset_number", "space_digest"),
)

class_lists = sa.Table(
    "class_lists",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("digest", TEXT, nullable=False, unique=True),
    sa.Column("classes", TEXT, nullable=False),
)

class_list_members = sa.Table(
    "class_list_members",
    metadata,
    sa.Column("class_name", TEXT, primary_key=True),
    sa.Column(
        "class_list_number",
        NUMBER,
        sa.ForeignKey("class_lists.number", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sqlite_with_rowid=False,
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("version", TEXT, nullable=False),
    sa.Column("task", TEXT, nullable=False),
    sa.Column("modality", TEXT, nullable=False),
    sa.Column("licence", TEXT, nullable=False),
    sa.Column("licence_folded", TEXT, nullable=False),
    sa.Column("dataset_number", NUMBER, sa.ForeignKey("datasets.number"), index=True),
    sa.Column("class_list_number", NUMBER, sa.ForeignKey("class_lists.number"), nullable=False, index=True),
    sa.Column("artifact_format", TEXT, nullable=False),
    sa.Column("artifact_digest", TEXT, nullable=False, index=True),
    sa.Column("artifact_size_bytes", sa.BigInteger, nullable=False),
    sa.Column("artifact_uri", TEXT, nullable=False),
    sa.Column("parent", TEXT, nullable=False),
    sa.Column("tags", TEXT, nullable=False),
    sa.Column("metrics", TEXT, nullable=False),
    sa.Column("inputs", TEXT, nullable=False),
    sa.Column("outputs", TEXT, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("description", TEXT, nullable=False),
    sa.Column("words", WORDS, nullable=False),
    sa.Column("card", TEXT, nullable=False),
    sa.Column("validation", TEXT, nullable=False),
    sa.UniqueConstraint("name", "version"),
)
_FACETS = ("modality", "task", "artifact_format", "licence_folded", "dataset_number", "class_list_number")
sa.Index("ix_models_listing", *(models.c[name] for name in ("name", "version", "id", *_FACETS)))

model_tags = sa.Table(
    "model_tags",
    metadata,
    sa.Column("tag", TEXT, primary_key=True),
    sa.Column("model_number", NUMBER, sa.ForeignKey("models.number", ondelete="CASCADE"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

for searched in (models, datasets):
    sa.Index(f"ix_{searched.name}_words", searched.c.words, postgresql_using="gin").ddl_if(dialect="postgresql")

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("request_id", TEXT, primary_key=True),
    sa.Column("method", TEXT, nullable=False),
    sa.Column("request_digest", TEXT, nullable=False),
    sa.Column("result_id", TEXT, nullable=False),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sqlite_with_rowid=False,
)

# One row. Whoever commits changes adds to it and keeps it locked until the commit, so sequences commit in order.
change_counter = sa.Table(
    "change_counter",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("object_id", TEXT, nullable=False),
)
