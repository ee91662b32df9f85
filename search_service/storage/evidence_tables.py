"""The tables of evidence, for SQLite and PostgreSQL alike.

Rows, points, outputs and predictors are blobs; these tables say whose they are. Evaluations go with their model and
their sample, validation samples with their dataset.
"""

from __future__ import annotations

import sqlalchemy as sa

from search_service.storage.tables import NUMBER, TEXT, UtcTime, metadata

evaluation_samples = sa.Table(
    "evaluation_samples",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("dataset_number", NUMBER, sa.ForeignKey("datasets.number", ondelete="CASCADE"), index=True),
    sa.Column("token_id", TEXT, nullable=False),
    sa.Column("digest", TEXT, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("points_digest", TEXT, nullable=False, index=True),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("has_rows", sa.Boolean, nullable=False),
    sa.Column("space_digest", TEXT, nullable=False),
    sa.Column("label_column", TEXT, nullable=False),
    sa.Column("classes", TEXT, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, index=True),
)
sa.Index("ix_evaluation_samples_kind", evaluation_samples.c.kind, evaluation_samples.c.number)

evaluations = sa.Table(
    "evaluations",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("model_number", NUMBER, sa.ForeignKey("models.number", ondelete="CASCADE"), nullable=False),
    sa.Column("sample_number", NUMBER, sa.ForeignKey("evaluation_samples.number", ondelete="CASCADE"), nullable=False),
    sa.Column("subject", TEXT, nullable=False, index=True),
    sa.Column("outputs_digest", TEXT, nullable=False, index=True),
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
    sa.Column("created_at", UtcTime, nullable=False),
    sa.UniqueConstraint("model_number", "sample_number"),
)
sa.Index("ix_evaluations_sample_number", evaluations.c.sample_number, evaluations.c.number)

predictors = sa.Table(
    "predictors",
    metadata,
    sa.Column("version", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("digest", TEXT, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("own_evidence_count", sa.BigInteger, nullable=False),
    sa.Column("evidence_count", sa.BigInteger, nullable=False),
    sa.Column("evaluation_count", sa.BigInteger, nullable=False),
    sa.Column("fitted_at", UtcTime, nullable=False),
    sa.Column("detail", TEXT, nullable=False),
)
