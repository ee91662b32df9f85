"""Between experiments, their cells, and rows of the tables."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from search_service.domain.experiments import Cell, Experiment
from search_service.storage.profiling_rows import load_of, variant_of, written
from search_service.storage.rows import as_json

Row = sa.Row[Any]
Values = dict[str, Any]


def experiment_values(experiment: Experiment) -> Values:
    """The row of an experiment, without its number."""
    return {
        "id": experiment.id,
        "digest": experiment.digest,
        "name": experiment.name,
        "document": experiment.document,
        "submitted_by": experiment.submitted_by,
        "asking": experiment.asking,
        "created_at": experiment.created_at,
        "cancelled_at": experiment.cancelled_at,
    }


def experiment_of(row: Row) -> Experiment:
    """The experiment of a row."""
    return Experiment(
        id=row.id,
        digest=row.digest,
        name=row.name,
        document=row.document,
        submitted_by=row.submitted_by,
        asking=row.asking,
        created_at=row.created_at,
        cancelled_at=row.cancelled_at,
    )


def cell_values(cell: Cell, number: int) -> Values:
    """The row of a cell of the experiment of that number."""
    spec = {
        "model_name": cell.model_name,
        "variant": json.loads(written(cell.variant)),
        "load": json.loads(written(cell.load)),
        "host_class": cell.host_class,
        "remote_target": cell.remote_target,
        "retries": cell.retries,
    }
    return {
        "experiment_number": number,
        "position": cell.position,
        "model_id": cell.model_id,
        "job_id": cell.job_id,
        "profile_id": cell.profile_id,
        "spec": as_json(spec),
    }


def cell_of(row: Row) -> Cell:
    """The cell of a row."""
    spec = json.loads(row.spec)
    return Cell(
        position=row.position,
        model_name=spec["model_name"],
        model_id=row.model_id,
        variant=variant_of(spec["variant"]),
        load=load_of(spec["load"]),
        host_class=spec["host_class"],
        remote_target=spec["remote_target"],
        job_id=row.job_id,
        profile_id=row.profile_id,
        retries=spec.get("retries", 0),  # experiments from before have none
    )
