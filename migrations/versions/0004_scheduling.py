"""Scheduling: whose a job is, how large, where it waits and why; what was learned of sizes, users and agents.

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
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JOB_COLUMNS: dict[str, tuple[sa.types.TypeEngine[object], str]] = {
    "experiment_id": (TEXT, "''"),
    "submitted_by": (TEXT, "''"),
    "estimate_s": (sa.Double(), "60.0"),
    "estimate_predicted": (sa.Boolean(), "false"),
    "shape": (TEXT, "'{}'"),
    "queued_at": (sa.DateTime(timezone=True), "'1970-01-01 00:00:00'"),
    "placed_on": (TEXT, "''"),
    "tier": (TEXT, "''"),
    "decisions": (TEXT, "'[]'"),
    "exclusive": (sa.Boolean(), "true"),
}
"""With what the jobs that are there get."""

# Seconds since 1970 have no common form.
_WAIT_ON_POSTGRESQL = """
    INSERT INTO waiting_jobs SELECT number, id, needs_number, priority, '', '', '', 60.0,
        extract(epoch FROM created_at), 0.0, true FROM jobs WHERE state = 'pending'
"""
_WAIT_ON_SQLITE = """
    INSERT INTO waiting_jobs SELECT number, id, needs_number, priority, '', '', '', 60.0,
        (julianday(created_at) - 2440587.5) * 86400.0, 0.0, true FROM jobs WHERE state = 'pending'
"""

TABLES = ("scheduler_state", "size_records", "user_usage", "agent_conduct", "agent_devices", "waiting_jobs")


def upgrade() -> None:
    for name, (kind, value) in JOB_COLUMNS.items():
        op.add_column("jobs", sa.Column(name, kind, nullable=False, server_default=sa.text(value)))
    op.create_index("ix_jobs_experiment_id", "jobs", ["experiment_id", "number"])
    op.drop_index("ix_jobs_pending", "jobs")
    op.add_column("agents", sa.Column("devices", TEXT, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("agents", sa.Column("gflop_per_s", sa.Double()))
    _create_tables()
    op.execute("UPDATE jobs SET queued_at = created_at")
    op.execute(_WAIT_ON_POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _WAIT_ON_SQLITE)


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("agents", "gflop_per_s")
    op.drop_column("agents", "devices")
    pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_jobs_pending",
        "jobs",
        ["needs_number", "priority", "number"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.drop_index("ix_jobs_experiment_id", "jobs")
    for name in reversed(JOB_COLUMNS):
        op.drop_column("jobs", name)


def _create_tables() -> None:
    op.create_table(
        "waiting_jobs",
        sa.Column("job_number", NUMBER, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("needs_number", NUMBER, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("tier", TEXT, nullable=False),
        sa.Column("submitted_by", TEXT, nullable=False),
        sa.Column("estimate_s", sa.Double, nullable=False),
        sa.Column("queued_s", sa.Double, nullable=False),
        sa.Column("overtaken_s", sa.Double, nullable=False),
        sa.Column("exclusive", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("job_number", name="pk_waiting_jobs"),
        sa.UniqueConstraint("job_id", name="uq_waiting_jobs_job_id"),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"], name="fk_waiting_jobs_job_number", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["needs_number"], ["job_needs.number"], name="fk_waiting_jobs_needs_number"),
    )
    op.create_index("ix_waiting_jobs_needs_number", "waiting_jobs", ["needs_number"])
    op.create_index("ix_waiting_jobs_agent_id", "waiting_jobs", ["agent_id", "estimate_s"])
    op.create_table(
        "agent_devices",
        sa.Column("device", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("device", "agent_id", name="pk_agent_devices"),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_agent_devices_agent_id", ondelete="CASCADE"),
    )
    op.create_index("ix_agent_devices_agent_id", "agent_devices", ["agent_id"])
    op.create_table(
        "agent_conduct",
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("failed_at", TEXT, nullable=False),
        sa.Column("offences", sa.Integer, nullable=False),
        sa.Column("quarantined_until", sa.Double),
        sa.PrimaryKeyConstraint("agent_id", name="pk_agent_conduct"),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_agent_conduct_agent_id", ondelete="CASCADE"),
    )
    op.create_table(
        "user_usage",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_user_usage"),
    )
    op.create_table(
        "size_records",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("bias", sa.Double, nullable=False),
        sa.Column("mean_square", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_size_records"),
    )
    op.create_table(
        "scheduler_state",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_scheduler_state"),
    )
