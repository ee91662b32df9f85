"""The catalogue: feature spaces, datasets, signatures, models, the request log and the change log.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WORDS = sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "feature_spaces",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("modality", TEXT, nullable=False),
        sa.Column("featuriser", TEXT, nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("schema_digest", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_feature_spaces"),
    )
    op.create_index(
        "uq_feature_spaces_schema",
        "feature_spaces",
        ["schema_digest", "featuriser"],
        unique=True,
        sqlite_where=sa.text("schema_digest != ''"),
        postgresql_where=sa.text("schema_digest != ''"),
    )

    op.create_table(
        "datasets",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("modality", TEXT, nullable=False),
        sa.Column("licence", TEXT, nullable=False),
        sa.Column("licence_folded", TEXT, nullable=False),
        sa.Column("tags", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("words", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_datasets"),
        sa.UniqueConstraint("id", name="uq_datasets_id"),
        sa.UniqueConstraint("name", "version", name="uq_datasets_name"),
    )
    op.create_index("ix_datasets_listing", "datasets", ["name", "version", "id", "modality", "licence_folded"])
    _create_tags("dataset")
    _create_word_index("dataset")

    op.create_table(
        "signatures",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("dataset_number", NUMBER, nullable=False),
        sa.Column("space_digest", TEXT, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("labelled", sa.Boolean, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_signatures"),
        sa.UniqueConstraint("dataset_number", "space_digest", name="uq_signatures_dataset_number"),
        sa.ForeignKeyConstraint(
            ["dataset_number"], ["datasets.number"], name="fk_signatures_dataset_number", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["space_digest"], ["feature_spaces.digest"], name="fk_signatures_space_digest"),
    )
    op.create_index("ix_signatures_space_digest", "signatures", ["space_digest"])

    op.create_table(
        "class_lists",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("classes", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_class_lists"),
        sa.UniqueConstraint("digest", name="uq_class_lists_digest"),
    )
    op.create_table(
        "class_list_members",
        sa.Column("class_name", TEXT, nullable=False),
        sa.Column("class_list_number", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("class_name", "class_list_number", name="pk_class_list_members"),
        sa.ForeignKeyConstraint(
            ["class_list_number"],
            ["class_lists.number"],
            name="fk_class_list_members_class_list_number",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_class_list_members_class_list_number", "class_list_members", ["class_list_number"])

    op.create_table(
        "models",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("task", TEXT, nullable=False),
        sa.Column("modality", TEXT, nullable=False),
        sa.Column("licence", TEXT, nullable=False),
        sa.Column("licence_folded", TEXT, nullable=False),
        sa.Column("dataset_number", NUMBER),
        sa.Column("class_list_number", NUMBER, nullable=False),
        sa.Column("artifact_format", TEXT, nullable=False),
        sa.Column("artifact_digest", TEXT, nullable=False),
        sa.Column("artifact_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("artifact_uri", TEXT, nullable=False),
        sa.Column("parent", TEXT, nullable=False),
        sa.Column("tags", TEXT, nullable=False),
        sa.Column("metrics", TEXT, nullable=False),
        sa.Column("inputs", TEXT, nullable=False),
        sa.Column("outputs", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("words", WORDS, nullable=False),
        sa.Column("card", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_models"),
        sa.UniqueConstraint("id", name="uq_models_id"),
        sa.UniqueConstraint("name", "version", name="uq_models_name"),
        sa.ForeignKeyConstraint(["dataset_number"], ["datasets.number"], name="fk_models_dataset_number"),
        sa.ForeignKeyConstraint(["class_list_number"], ["class_lists.number"], name="fk_models_class_list_number"),
    )
    for column in ("dataset_number", "class_list_number", "artifact_digest"):
        op.create_index(f"ix_models_{column}", "models", [column])
    facets = ["modality", "task", "artifact_format", "licence_folded", "dataset_number", "class_list_number"]
    op.create_index("ix_models_listing", "models", ["name", "version", "id", *facets])
    _create_tags("model")
    _create_word_index("model")

    op.create_table(
        "requests",
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("request_digest", TEXT, nullable=False),
        sa.Column("result_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_requests"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_requests_at", "requests", ["at"])

    counter = op.create_table(
        "change_counter",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_counter"),
    )
    op.bulk_insert(counter, [{"id": 1, "value": 0}])
    op.create_table(
        "changes",
        sa.Column("sequence", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_changes"),
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for kind in ("model", "dataset"):
            op.execute(f"DROP TABLE {kind}_words")  # the triggers go with the tables below
    for table in (
        "changes",
        "change_counter",
        "requests",
        "model_tags",
        "models",
        "class_list_members",
        "class_lists",
        "signatures",
        "dataset_tags",
        "datasets",
        "feature_spaces",
    ):
        op.drop_table(table)


def _create_tags(kind: str) -> None:
    number = f"{kind}_number"
    op.create_table(
        f"{kind}_tags",
        sa.Column("tag", TEXT, nullable=False),
        sa.Column(number, NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("tag", number, name=f"pk_{kind}_tags"),
        sa.ForeignKeyConstraint([number], [f"{kind}s.number"], name=f"fk_{kind}_tags_{number}", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{kind}_tags_{number}", f"{kind}_tags", [number])


def _create_word_index(kind: str) -> None:
    table, index = f"{kind}s", f"{kind}_words"
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(f"ix_{table}_words", table, ["words"], postgresql_using="gin")
        return
    # The words are split already. "ascii" splits at spaces, and takes every other character as a part of a word.
    op.execute(
        f"CREATE VIRTUAL TABLE {index} USING fts5"
        f"(words, content='{table}', content_rowid='number', tokenize='ascii', detail='none', columnsize=0)"
    )
    insert = f"INSERT INTO {index} (rowid, words) VALUES (new.number, new.words);"  # noqa: S608 - constants
    delete = f"INSERT INTO {index} ({index}, rowid, words) VALUES ('delete', old.number, old.words);"  # noqa: S608
    op.execute(f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {insert} END")
    op.execute(f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {delete} END")
    op.execute(f"CREATE TRIGGER {index}_update AFTER UPDATE OF words ON {table} BEGIN {delete} {insert} END")
