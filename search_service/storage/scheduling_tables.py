"""The tables of the scheduler, for SQLite and PostgreSQL alike.

- `waiting_jobs` holds the pending jobs alone, and of each what decisions look at: narrow rows, so that adding up what
  10,000 of them ask for takes milliseconds. A job's row here comes and goes with its state in `jobs`.
- `size_records` holds errors of estimates by what they are grouped by ("model ID", "host CLASS", "agent ID").
- `scheduler_state` holds, by name, what is only read as a whole; its one row is the lock of all that is learned.
"""

from __future__ import annotations

import sqlalchemy as sa

from search_service.storage.tables import NUMBER, TEXT, metadata

waiting_jobs = sa.Table(
    "waiting_jobs",
    metadata,
    sa.Column("job_number", NUMBER, sa.ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("job_id", TEXT, nullable=False, unique=True),
    sa.Column("needs_number", NUMBER, sa.ForeignKey("job_needs.number"), nullable=False, index=True),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("agent_id", TEXT, nullable=False),
    sa.Column("tier", TEXT, nullable=False),
    sa.Column("submitted_by", TEXT, nullable=False),
    sa.Column("estimate_s", sa.Double, nullable=False),
    sa.Column("queued_s", sa.Double, nullable=False),
    sa.Column("overtaken_s", sa.Double, nullable=False),
    sa.Column("exclusive", sa.Boolean, nullable=False),
)
# With the sizes, so that backlogs are added up from the index alone.
sa.Index("ix_waiting_jobs_agent_id", waiting_jobs.c.agent_id, waiting_jobs.c.estimate_s)

agent_devices = sa.Table(
    "agent_devices",
    metadata,
    sa.Column("device", TEXT, primary_key=True),
    sa.Column("agent_id", TEXT, sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True, index=True),
)

agent_conduct = sa.Table(
    "agent_conduct",
    metadata,
    sa.Column("agent_id", TEXT, sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("failed_at", TEXT, nullable=False),
    sa.Column("offences", sa.Integer, nullable=False),
    sa.Column("quarantined_until", sa.Double),
)

user_usage = sa.Table(
    "user_usage",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

size_records = sa.Table(
    "size_records",
    metadata,
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("errors", sa.BigInteger, nullable=False),
    sa.Column("bias", sa.Double, nullable=False),
    sa.Column("mean_square", sa.Double, nullable=False),
)

scheduler_state = sa.Table(
    "scheduler_state",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("value", TEXT, nullable=False),
)
