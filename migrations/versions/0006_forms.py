"""The files that variants were measured as, and what graphs of artifacts take.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # The default is for the rows that are there; the program always gives a value.
    op.add_column("profile_details", sa.Column("form", TEXT, nullable=False, server_default=""))
    op.create_table(
        "forms",
        sa.Column("model_number", NUMBER, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("model_number", "digest", name="pk_forms"),
        sa.ForeignKeyConstraint(["model_number"], ["models.number"], name="fk_forms_model_number", ondelete="CASCADE"),
    )
    op.create_index("ix_forms_digest", "forms", ["digest"])
    op.create_table(
        "graph_counts",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("parameters", sa.BigInteger, nullable=False),
        sa.Column("operators", sa.BigInteger, nullable=False),
        sa.Column("flops", sa.Double),
        sa.Column("activation_bytes", sa.Double),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_graph_counts"),
    )


def downgrade() -> None:
    op.drop_table("graph_counts")
    op.drop_table("forms")
    op.drop_column("profile_details", "form")
