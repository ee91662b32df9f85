"""Between the dataclasses of the catalogue and rows of the tables. Lists are compact JSON in text columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from msearch_sketch.signature import Validation as Statistics
from search_service.domain.catalog import (
    Artifact,
    Dataset,
    DatasetSample,
    FeatureSpace,
    Metric,
    Modality,
    Model,
    SignatureSummary,
    StoredSignature,
    Tensor,
)
from search_service.domain.evaluation import MeasuredBy, Validation
from search_service.storage.words import document_words

Row = sa.Row[Any]
Values = dict[str, Any]


def as_json(value: object) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def model_values(model: Model, dataset_number: int | None, class_list_number: int) -> Values:
    """The row of a model."""
    return {
        "id": model.id,
        "name": model.name,
        "version": model.version,
        "task": model.task,
        "modality": model.modality.value,
        "licence": model.licence,
        "licence_folded": model.licence.casefold(),
        "dataset_number": dataset_number,
        "class_list_number": class_list_number,
        "artifact_format": model.artifact.format,
        "artifact_digest": model.artifact.digest,
        "artifact_size_bytes": model.artifact.size_bytes,
        "artifact_uri": model.artifact.uri,
        "parent": model.parent,
        "tags": as_json(model.tags),
        "metrics": as_json([[metric.name, metric.value, metric.dataset] for metric in model.metrics]),
        "inputs": _tensors_json(model.inputs),
        "outputs": _tensors_json(model.outputs),
        "created_at": model.created_at,
        "updated_at": model.updated_at,
        "revision": model.revision,
        "description": model.description,
        "words": _words(model.name, model.description),
        "card": model.card,
        "validation": validation_json(model.validation),
    }


def model_of(row: Row, card: str = "") -> Model:
    """The model of a row that also has the columns `dataset_id` and `classes`."""
    return Model(
        id=row.id,
        name=row.name,
        version=row.version,
        description=row.description,
        licence=row.licence,
        tags=_strings(row.tags),
        task=row.task,
        modality=Modality(row.modality),
        classes=_strings(row.classes),
        metrics=_metrics(row.metrics),
        parent=row.parent,
        artifact=Artifact(
            format=row.artifact_format,
            digest=row.artifact_digest,
            size_bytes=row.artifact_size_bytes,
            uri=row.artifact_uri,
        ),
        inputs=_tensors(row.inputs),
        outputs=_tensors(row.outputs),
        dataset_id=row.dataset_id or "",
        card=card,
        created_at=row.created_at,
        updated_at=row.updated_at,
        revision=row.revision,
        validation=_validation(row.validation),
    )


def validation_json(validation: Validation | None) -> str:
    """The text of validation statistics; empty without any."""
    if validation is None:
        return ""
    values = asdict(validation) | {"created_at": validation.created_at.isoformat()}
    return as_json(values)


@lru_cache(maxsize=4096)
def _validation(text: str) -> Validation | None:
    if not text:
        return None
    read = json.loads(text)
    counts = {name: tuple(read["statistics"][name]) for name in ("confidence_counts", "confidence_correct")}
    return Validation(
        statistics=Statistics(**(read["statistics"] | counts)),
        measured_by=MeasuredBy(read["measured_by"]),
        created_at=datetime.fromisoformat(read["created_at"]),
        class_prior=tuple(read["class_prior"]),
        sample_digest=read["sample_digest"],
    )


def class_list_values(classes: Sequence[str]) -> Values:
    """The row of a class list: equal lists have equal digests."""
    text = as_json(classes)
    return {"digest": hashlib.sha256(text.encode()).hexdigest(), "classes": text}


def dataset_values(dataset: Dataset) -> Values:
    """The row of a dataset."""
    return {
        "id": dataset.id,
        "name": dataset.name,
        "version": dataset.version,
        "modality": dataset.modality.value,
        "licence": dataset.licence,
        "licence_folded": dataset.licence.casefold(),
        "tags": as_json(dataset.tags),
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
        "revision": dataset.revision,
        "description": dataset.description,
        "words": _words(dataset.name, dataset.description),
        "sample_digest": dataset.sample.digest if dataset.sample else None,
        "sample_size_bytes": dataset.sample.size_bytes if dataset.sample else None,
        "sample_row_count": dataset.sample.row_count if dataset.sample else None,
        "sample_label_column": dataset.sample.label_column if dataset.sample else None,
    }


def dataset_of(row: Row, signatures: Sequence[SignatureSummary]) -> Dataset:
    """The dataset of a row."""
    return Dataset(
        id=row.id,
        name=row.name,
        version=row.version,
        description=row.description,
        tags=_strings(row.tags),
        licence=row.licence,
        modality=Modality(row.modality),
        signatures=tuple(signatures),
        created_at=row.created_at,
        updated_at=row.updated_at,
        revision=row.revision,
        sample=_sample_of(row),
    )


def _sample_of(row: Row) -> DatasetSample | None:
    if row.sample_digest is None:
        return None
    return DatasetSample(
        digest=row.sample_digest,
        size_bytes=row.sample_size_bytes,
        row_count=row.sample_row_count,
        label_column=row.sample_label_column,
    )


def signature_values(signature: StoredSignature, dataset_number: int) -> Values:
    """The row of a signature."""
    summary = signature.summary
    return {
        "dataset_number": dataset_number,
        "space_digest": summary.space_digest,
        "row_count": summary.row_count,
        "size_bytes": summary.size_bytes,
        "labelled": summary.labelled,
        "data": signature.data,
    }


def summary_of(row: Row) -> SignatureSummary:
    """What a signature's row says of it."""
    return SignatureSummary(
        space_digest=row.space_digest, row_count=row.row_count, size_bytes=row.size_bytes, labelled=row.labelled
    )


def space_values(space: FeatureSpace) -> Values:
    """The row of a feature space."""
    return {
        "digest": space.digest,
        "modality": space.modality.value,
        "featuriser": space.featuriser,
        "dimension": space.dimension,
        "schema_digest": space.schema_digest,
        "description": space.description,
        "created_at": space.created_at,
        "revision": space.revision,
        "document": space.document,
    }


def space_of(row: Row) -> FeatureSpace:
    """The feature space of a row."""
    return FeatureSpace(
        digest=row.digest,
        document=row.document,
        modality=Modality(row.modality),
        featuriser=row.featuriser,
        dimension=row.dimension,
        schema_digest=row.schema_digest,
        description=row.description,
        created_at=row.created_at,
        revision=row.revision,
    )


def _words(name: str, description: str) -> str:
    # Letters and digits only, so spaces separate them in FTS5 and as the text form of a tsvector alike.
    return " ".join(document_words(name, description))


def _tensors_json(tensors: Sequence[Tensor]) -> str:
    return as_json([[tensor.name, tensor.element_type, tensor.shape] for tensor in tensors])


# Models share most of these texts; remembered values make a scan of all models faster and its result smaller.
@lru_cache(maxsize=4096)
def _strings(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@lru_cache(maxsize=4096)
def _metrics(text: str) -> tuple[Metric, ...]:
    return tuple(Metric(name=name, value=value, dataset=dataset) for name, value, dataset in json.loads(text))


@lru_cache(maxsize=4096)
def _tensors(text: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(name=name, element_type=element_type, shape=tuple(shape))
        for name, element_type, shape in json.loads(text)
    )
