"""The tables of profiling, for SQLite and PostgreSQL alike.

- Jobs share what they need of an agent (`job_needs`, see `domain.scheduling`): there are few different sets. A poll
  looks at those that a pending job has, one index probe for each, and so finds out without reading a job that there is
  nothing for it. What the scheduler looks at is in tables of its own (`scheduling_tables`).
- `leases` numbers every lease ever given; its key is the fencing token.
- `profiles` holds what lists and searches look at, and the measured values as one compact JSON object (`figures`);
  what is long, and asked for one profile at a time or a page, is in `profile_details`.
- `graph_counts` holds what the graph of an artifact takes, by its digest.
- `forms` says which files agents made of a model and the blob store keeps.
- At most one profile of a series is `current` (see `ports.ProfileStore`).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from search_service.storage.tables import NUMBER, TEXT, UtcTime, metadata

FIGURES = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

job_needs = sa.Table(
    "job_needs",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("digest", TEXT, nullable=False, unique=True),
    sa.Column("words", TEXT, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("needs_number", NUMBER, sa.ForeignKey("job_needs.number"), nullable=False),
    sa.Column("model_id", TEXT, nullable=False),
    sa.Column("model_name", TEXT, nullable=False),
    sa.Column("experiment_id", TEXT, nullable=False),
    sa.Column("submitted_by", TEXT, nullable=False),
    sa.Column("estimate_s", sa.Double, nullable=False),
    sa.Column("estimate_predicted", sa.Boolean, nullable=False),
    sa.Column("shape", TEXT, nullable=False),
    sa.Column("queued_at", UtcTime, nullable=False),
    sa.Column("placed_on", TEXT, nullable=False),
    sa.Column("tier", TEXT, nullable=False),
    sa.Column("decisions", TEXT, nullable=False),
    sa.Column("exclusive", sa.Boolean, nullable=False),
    sa.Column("agent_id", TEXT, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("fencing_token", sa.BigInteger, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("leased_at", UtcTime),
    sa.Column("expires_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("progress", TEXT, nullable=False),
    sa.Column("failure", TEXT, nullable=False),
    sa.Column("profile_ids", TEXT, nullable=False),
    sa.Column("attempt_failures", TEXT, nullable=False),
    sa.Column("spec", TEXT, nullable=False),
)
# Written out, not bound: only so do the engines see that the partial indexes serve, which hold the jobs that are held,
# however many have ended.
LEASED = jobs.c.state == sa.literal_column("'leased'")


def _partial(name: str, condition: sa.ColumnElement[bool], *columns: sa.Column[object]) -> None:
    sa.Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


_partial("ix_jobs_expiring", LEASED, jobs.c.expires_at)
_partial("ix_jobs_held", LEASED, jobs.c.agent_id)
sa.Index("ix_jobs_state", jobs.c.state, jobs.c.number)
sa.Index("ix_jobs_model_id", jobs.c.model_id, jobs.c.number)
sa.Index("ix_jobs_experiment_id", jobs.c.experiment_id, jobs.c.number)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("token", NUMBER, primary_key=True),
    sa.Column("job_number", NUMBER, sa.ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("agent_id", TEXT, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("leased_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,  # a number is never used again, whatever was deleted
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False, unique=True),
    sa.Column("host_class", TEXT, nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("token_id", TEXT, nullable=False),
    sa.Column("version", TEXT, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("last_seen_at", UtcTime, nullable=False),
    sa.Column("labels", TEXT, nullable=False),
    sa.Column("backends", TEXT, nullable=False),
    sa.Column("evaluates", TEXT, nullable=False),
    sa.Column("host", TEXT, nullable=False),
    sa.Column("devices", TEXT, nullable=False),
    sa.Column("gflop_per_s", sa.Double),
)

profiles = sa.Table(
    "profiles",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("model_number", NUMBER, sa.ForeignKey("models.number", ondelete="CASCADE")),
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
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("figures", FIGURES, nullable=False),
)
IS_CURRENT = profiles.c.current.is_(sa.true())
sa.Index("uq_profiles_current", profiles.c.series, unique=True, sqlite_where=IS_CURRENT, postgresql_where=IS_CURRENT)
sa.Index("ix_profiles_model_number", profiles.c.model_number, profiles.c.number)
sa.Index("ix_profiles_job_id", profiles.c.job_id, profiles.c.number)
sa.Index("ix_profiles_load_text", profiles.c.load_text, profiles.c.number)

profile_details = sa.Table(
    "profile_details",
    metadata,
    sa.Column("profile_number", NUMBER, sa.ForeignKey("profiles.number", ondelete="CASCADE"), primary_key=True),
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
    sa.Column("form", TEXT, nullable=False),
)

forms = sa.Table(
    "forms",
    metadata,
    sa.Column("model_number", NUMBER, sa.ForeignKey("models.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("digest", TEXT, primary_key=True, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)

graph_counts = sa.Table(
    "graph_counts",
    metadata,
    sa.Column("digest", TEXT, primary_key=True),
    sa.Column("parameters", sa.BigInteger, nullable=False),
    sa.Column("operators", sa.BigInteger, nullable=False),
    sa.Column("flops", sa.Double),
    sa.Column("activation_bytes", sa.Double),
    sa.Column("detail", TEXT, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False, unique=True),
    sa.Column("role", TEXT, nullable=False),
    sa.Column("secret_digest", TEXT, nullable=False, unique=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
)
