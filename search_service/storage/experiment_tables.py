"""The tables of experiments, for SQLite and PostgreSQL alike.

A cell's state is not stored: it follows from its job and the job's profiles. What a cell asks for is compact JSON in
`spec`, since it is only ever read as a whole.
"""

from __future__ import annotations

import sqlalchemy as sa

from search_service.storage.tables import NUMBER, TEXT, UtcTime, metadata

experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("digest", TEXT, nullable=False, unique=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("document", TEXT, nullable=False),
    sa.Column("submitted_by", TEXT, nullable=False),
    sa.Column("asking", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("cancelled_at", UtcTime),
)
# Written out, not bound: only so do the engines see that the partial index serves.
IS_ASKING = experiments.c.asking.is_(sa.true())
sa.Index("ix_experiments_asking", experiments.c.number, sqlite_where=IS_ASKING, postgresql_where=IS_ASKING)

experiment_cells = sa.Table(
    "experiment_cells",
    metadata,
    sa.Column("experiment_number", NUMBER, sa.ForeignKey("experiments.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("model_id", TEXT, nullable=False),
    sa.Column("job_id", TEXT, nullable=False),
    sa.Column("profile_id", TEXT, nullable=False),
    sa.Column("spec", TEXT, nullable=False),
)
