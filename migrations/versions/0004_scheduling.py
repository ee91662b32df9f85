"""Scheduling: who asked, estimates, trust in agents.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JOB_COLUMNS: dict[str, tuple[sa.types.TypeEngine[object], str]] = {
    "experiment_id": (TEXT, "''"),
    "submitted_by": (TEXT, "''"),
    "estimate_s": (sa.Double(), "60.0"),
    "estimate_predicted": (sa.Boolean(), "false"),
}
"""With what the jobs that are there get."""


def upgrade() -> None:
    for name, (kind, value) in JOB_COLUMNS.items():
        op.add_column("jobs", sa.Column(name, kind, nullable=False, server_default=sa.text(value)))
    op.create_index("ix_jobs_experiment_id", "jobs", ["experiment_id", "number"])


def downgrade() -> None:
    op.drop_index("ix_jobs_experiment_id", "jobs")
    for name in reversed(JOB_COLUMNS):
        op.drop_column("jobs", name)
