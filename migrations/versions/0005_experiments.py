"""Experiments: benchmark files and their cells.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.Column("submitted_by", TEXT, nullable=False),
        sa.Column("asking", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("cancelled_at", TIME),
        sa.PrimaryKeyConstraint("number", name="pk_experiments"),
        sa.UniqueConstraint("id", name="uq_experiments_id"),
        sa.UniqueConstraint("digest", name="uq_experiments_digest"),
    )
    asking = sa.text("asking IS true")
    op.create_index(
        "ix_experiments_asking", "experiments", ["number"], sqlite_where=sa.text("asking IS 1"),
        postgresql_where=asking,
    )  # fmt: skip
    op.create_table(
        "experiment_cells",
        sa.Column("experiment_number", NUMBER, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("model_id", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("profile_id", TEXT, nullable=False),
        sa.Column("spec", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("experiment_number", "position", name="pk_experiment_cells"),
        sa.ForeignKeyConstraint(
            ["experiment_number"],
            ["experiments.number"],
            name="fk_experiment_cells_experiment_number",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("experiment_cells")
    op.drop_table("experiments")
