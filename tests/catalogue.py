"""Catalogue objects for tests, with every field filled; name what matters to the test."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from search_service.domain.catalog import (
    Artifact,
    Dataset,
    FeatureSpace,
    Metric,
    Modality,
    Model,
    SignatureSummary,
    StoredSignature,
    Tensor,
)
from search_service.domain.ports import Database

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """So long after NOW."""
    return NOW + timedelta(seconds=seconds)


def digest_of(text: str) -> str:
    """SHA-256 of the text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def a_model(id: str = "model-1", **fields: Any) -> Model:
    """A model; its name is its id."""
    values: dict[str, Any] = {
        "name": id,
        "version": "1",
        "description": "Reads handwritten digits: 手書き, größer.",
        "licence": "Apache-2.0",
        "tags": ("digits", "small"),
        "task": "image-classification",
        "modality": Modality.IMAGE,
        "classes": ("zero", "one"),
        "metrics": (Metric(name="accuracy", value=0.987, dataset="mnist"), Metric(name="f1", value=1.0)),
        "parent": "base@1",
        "artifact": Artifact(format="onnx", digest=digest_of(id), size_bytes=2**40),
        "inputs": (Tensor(name="x", element_type="float32", shape=("batch", 1, 28, None)),),
        "outputs": (Tensor(name="y", element_type="float32", shape=("batch", 2)),),
        "dataset_id": "",
        "card": '{"name":"' + id + '"}',
        "created_at": NOW,
        "updated_at": later(1),
        "revision": 1,
    }
    return Model(id=id, **(values | fields))


def a_space(seed: str = "space", **fields: Any) -> FeatureSpace:
    """A feature space that no schema is tied to."""
    values: dict[str, Any] = {
        "digest": digest_of(seed),
        "document": '{"space":"' + seed + '"}',
        "modality": Modality.IMAGE,
        "featuriser": "image-grey@1",
        "dimension": 64,
        "schema_digest": "",
        "description": "For tests.",
        "created_at": NOW,
        "revision": 1,
    }
    return FeatureSpace(**(values | fields))


def a_signature(space: FeatureSpace, data: bytes = b"\x00signature\xff", rows: int = 100) -> StoredSignature:
    """Bytes that the storage takes for a signature."""
    summary = SignatureSummary(space_digest=space.digest, row_count=rows, size_bytes=len(data), labelled=True)
    return StoredSignature(summary=summary, data=data)


def a_dataset(id: str = "dataset-1", *signatures: StoredSignature, **fields: Any) -> Dataset:
    """A dataset with the summaries of those signatures; its name is its id."""
    values: dict[str, Any] = {
        "name": id,
        "version": "1",
        "description": "Handwritten digits.",
        "tags": ("digits", "public"),
        "licence": "CC-BY-4.0",
        "modality": Modality.IMAGE,
        "signatures": tuple(
            sorted((signature.summary for signature in signatures), key=lambda summary: summary.space_digest)
        ),
        "created_at": NOW,
        "updated_at": later(2),
        "revision": 1,
    }
    return Dataset(id=id, **(values | fields))


def put_models(database: Database, *models: Model) -> None:
    """Adds and commits."""
    with database.begin() as work:
        for model in models:
            work.models.add(model)
        work.commit()


def put_dataset(database: Database, id: str = "dataset-1", **fields: Any) -> Dataset:
    """Adds and commits a dataset without signatures."""
    dataset = a_dataset(id, **fields)
    with database.begin() as work:
        work.datasets.add(dataset, ())
        work.commit()
    return dataset


def put_space(database: Database, seed: str = "space", **fields: Any) -> FeatureSpace:
    """Adds and commits a space."""
    space = a_space(seed, **fields)
    with database.begin() as work:
        work.spaces.add(space)
        work.commit()
    return space
