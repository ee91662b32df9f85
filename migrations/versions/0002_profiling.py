"""Profiling: jobs with their needs and leases, agents, profiles, tokens, and the samples of datasets.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FIGURES = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
SAMPLE = {
    "sample_digest": TEXT,
    "sample_size_bytes": sa.BigInteger(),
    "sample_row_count": sa.BigInteger(),
    "sample_label_column": TEXT,
}


def upgrade() -> None:
    for name, kind in SAMPLE.items():
        op.add_column("datasets", sa.Column(name, kind))
    op.create_index("ix_datasets_sample_digest", "datasets", ["sample_digest"])

    op.create_table(
        "job_needs",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("words", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_job_needs"),
        sa.UniqueConstraint("digest", name="uq_job_needs_digest"),
    )
    _create_jobs()
    op.create_table(
        "leases",
        sa.Column("token", NUMBER, nullable=False),
        sa.Column("job_number", NUMBER, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("leased_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_leases"),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"], name="fk_leases_job_number", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_leases_job_number", "leases", ["job_number"])

    op.create_table(
        "agents",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("host_class", TEXT, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
        sa.Column("token_id", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("labels", TEXT, nullable=False),
        sa.Column("backends", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.UniqueConstraint("name", name="uq_agents_name"),
    )
    _create_profiles()
    op.create_table(
        "tokens",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("secret_digest", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("name", name="uq_tokens_name"),
        sa.UniqueConstraint("secret_digest", name="uq_tokens_secret_digest"),
    )


def downgrade() -> None:
    for table in ("tokens", "profile_details", "profiles", "agents", "leases", "jobs", "job_needs"):
        op.drop_table(table)
    op.drop_index("ix_datasets_sample_digest", "datasets")
    for name in SAMPLE:
        op.drop_column("datasets", name)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("needs_number", NUMBER, nullable=False),
        sa.Column("model_id", TEXT, nullable=False),
        sa.Column("model_name", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("fencing_token", sa.BigInteger, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("leased_at", TIME),
        sa.Column("expires_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("progress", TEXT, nullable=False),
        sa.Column("failure", TEXT, nullable=False),
        sa.Column("profile_ids", TEXT, nullable=False),
        sa.Column("attempt_failures", TEXT, nullable=False),
        sa.Column("spec", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sa.ForeignKeyConstraint(["needs_number"], ["job_needs.number"], name="fk_jobs_needs_number"),
    )
    _create_partial_index("ix_jobs_pending", "jobs", ["needs_number", "priority", "number"], "state = 'pending'")
    _create_partial_index("ix_jobs_expiring", "jobs", ["expires_at"], "state = 'leased'")
    _create_partial_index("ix_jobs_held", "jobs", ["agent_id"], "state = 'leased'")
    op.create_index("ix_jobs_state", "jobs", ["state", "number"])
    op.create_index("ix_jobs_model_id", "jobs", ["model_id", "number"])


def _create_profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("model_number", NUMBER),
        sa.Column("series", TEXT, nullable=False),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("valid", sa.Boolean, nullable=False),
        sa.Column("offered", sa.Boolean, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("backend", TEXT, nullable=False),
        sa.Column("load_text", TEXT, nullable=False),
        sa.Column("host_class", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("figures", FIGURES, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_profiles"),
        sa.UniqueConstraint("id", name="uq_profiles_id"),
        sa.ForeignKeyConstraint(
            ["model_number"], ["models.number"], name="fk_profiles_model_number", ondelete="CASCADE"
        ),
    )
    true = "current IS true" if op.get_bind().dialect.name == "postgresql" else "current IS 1"
    _create_partial_index("uq_profiles_current", "profiles", ["series"], true, unique=True)
    for column in ("model_number", "job_id", "load_text"):
        op.create_index(f"ix_profiles_{column}", "profiles", [column, "number"])
    op.create_table(
        "profile_details",
        sa.Column("profile_number", NUMBER, nullable=False),
        sa.Column("model_name", TEXT, nullable=False),
        sa.Column("variant", TEXT, nullable=False),
        sa.Column("load", TEXT, nullable=False),
        sa.Column("reasons", TEXT, nullable=False),
        sa.Column("offer_reason", TEXT, nullable=False),
        sa.Column("verified_on", TEXT, nullable=False),
        sa.Column("versions", TEXT, nullable=False),
        sa.Column("measurements", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("runs", TEXT, nullable=False),
        sa.Column("histogram", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("profile_number", name="pk_profile_details"),
        sa.ForeignKeyConstraint(
            ["profile_number"], ["profiles.number"], name="fk_profile_details_profile_number", ondelete="CASCADE"
        ),
    )


def _create_partial_index(name: str, table: str, columns: list[str], where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
