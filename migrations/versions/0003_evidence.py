"""Evidence: samples to evaluate on, outputs of models on them, validation statistics, predictors.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # The defaults are for the rows that are there; the program always gives a value.
    op.add_column("models", sa.Column("validation", TEXT, nullable=False, server_default=""))
    op.add_column("agents", sa.Column("evaluates", TEXT, nullable=False, server_default="[]"))
    _create_samples()
    _create_evaluations()
    op.create_table(
        "predictors",
        sa.Column("version", NUMBER, nullable=False, autoincrement=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("own_evidence_count", sa.BigInteger, nullable=False),
        sa.Column("evidence_count", sa.BigInteger, nullable=False),
        sa.Column("evaluation_count", sa.BigInteger, nullable=False),
        sa.Column("fitted_at", TIME, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_predictors"),
    )
    op.create_index("ix_predictors_digest", "predictors", ["digest"])


def downgrade() -> None:
    for table in ("predictors", "evaluations", "evaluation_samples"):
        op.drop_table(table)
    op.drop_column("agents", "evaluates")
    op.drop_column("models", "validation")


def _create_samples() -> None:
    op.create_table(
        "evaluation_samples",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("dataset_number", NUMBER),
        sa.Column("token_id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("points_digest", TEXT, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("has_rows", sa.Boolean, nullable=False),
        sa.Column("space_digest", TEXT, nullable=False),
        sa.Column("label_column", TEXT, nullable=False),
        sa.Column("classes", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.PrimaryKeyConstraint("number", name="pk_evaluation_samples"),
        sa.UniqueConstraint("id", name="uq_evaluation_samples_id"),
        sa.ForeignKeyConstraint(
            ["dataset_number"], ["datasets.number"], name="fk_evaluation_samples_dataset_number", ondelete="CASCADE"
        ),
    )
    for column in ("dataset_number", "digest", "points_digest", "expires_at"):
        op.create_index(f"ix_evaluation_samples_{column}", "evaluation_samples", [column])
    op.create_index("ix_evaluation_samples_kind", "evaluation_samples", ["kind", "number"])


def _create_evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("model_number", NUMBER, nullable=False),
        sa.Column("sample_number", NUMBER, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("outputs_digest", TEXT, nullable=False),
        sa.Column("outputs_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("classes", TEXT, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("skipped_count", sa.BigInteger, nullable=False),
        sa.Column("problem", TEXT, nullable=False),
        sa.Column("with_noise", sa.Boolean, nullable=False),
        sa.Column("correct", sa.BigInteger),
        sa.Column("counted", sa.BigInteger),
        sa.Column("measured_by", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_evaluations"),
        sa.UniqueConstraint("model_number", "sample_number", name="uq_evaluations_model_number"),
        sa.ForeignKeyConstraint(
            ["model_number"], ["models.number"], name="fk_evaluations_model_number", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sample_number"],
            ["evaluation_samples.number"],
            name="fk_evaluations_sample_number",
            ondelete="CASCADE",
        ),
    )
    for column in ("subject", "outputs_digest"):
        op.create_index(f"ix_evaluations_{column}", "evaluations", [column])
    op.create_index("ix_evaluations_sample_number", "evaluations", ["sample_number", "number"])
