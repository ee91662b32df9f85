"""Feature spaces, datasets, models and filters."""

from __future__ import annotations

from collections.abc import Sequence

from msearch.v1 import types_pb2
from msearch_sketch.signature import Validation as Statistics
from search_service.api.wire.enums import MODALITY_TO_PROTO, read_modality
from search_service.api.wire.times import write_time
from search_service.domain.catalog import (
    Artifact,
    Dataset,
    DatasetSample,
    FeatureSpace,
    Filter,
    Metric,
    Model,
    SignatureSummary,
    Tensor,
)
from search_service.domain.evaluation import Validation


def write_space(space: FeatureSpace) -> types_pb2.FeatureSpace:
    return types_pb2.FeatureSpace(
        digest=space.digest,
        document=space.document,
        modality=MODALITY_TO_PROTO[space.modality],
        featuriser=space.featuriser,
        dimension=space.dimension,
        schema_digest=space.schema_digest,
        description=space.description,
        create_time=write_time(space.created_at),
        revision=space.revision,
    )


def write_summary(summary: SignatureSummary) -> types_pb2.SignatureSummary:
    return types_pb2.SignatureSummary(
        space_digest=summary.space_digest,
        row_count=summary.row_count,
        size_bytes=summary.size_bytes,
        labelled=summary.labelled,
    )


def write_dataset(dataset: Dataset) -> types_pb2.Dataset:
    return types_pb2.Dataset(
        id=dataset.id,
        name=dataset.name,
        version=dataset.version,
        description=dataset.description,
        tags=dataset.tags,
        licence=dataset.licence,
        modality=MODALITY_TO_PROTO[dataset.modality],
        signatures=[write_summary(summary) for summary in dataset.signatures],
        create_time=write_time(dataset.created_at),
        update_time=write_time(dataset.updated_at),
        revision=dataset.revision,
        sample=None if dataset.sample is None else write_sample(dataset.sample),
    )


def write_sample(sample: DatasetSample) -> types_pb2.DatasetSample:
    return types_pb2.DatasetSample(
        digest=sample.digest,
        size_bytes=sample.size_bytes,
        row_count=sample.row_count,
        label_column=sample.label_column,
    )


def read_sample(message: types_pb2.DatasetSample) -> DatasetSample:
    return DatasetSample(
        digest=message.digest,
        size_bytes=message.size_bytes,
        row_count=message.row_count,
        label_column=message.label_column,
    )


def write_tensor(tensor: Tensor) -> types_pb2.Tensor:
    return types_pb2.Tensor(
        name=tensor.name,
        element_type=tensor.element_type,
        shape=[_write_dimension(extent) for extent in tensor.shape],
    )


def read_tensor(message: types_pb2.Tensor) -> Tensor:
    return Tensor(
        name=message.name, element_type=message.element_type, shape=tuple(map(_read_dimension, message.shape))
    )


def _read_dimension(message: types_pb2.Tensor.Dimension) -> int | str | None:
    match message.WhichOneof("extent"):
        case "size":
            return message.size
        case "symbol":
            return message.symbol
        case _:
            return None


def _write_dimension(extent: int | str | None) -> types_pb2.Tensor.Dimension:
    match extent:
        case int():
            return types_pb2.Tensor.Dimension(size=extent)
        case str():
            return types_pb2.Tensor.Dimension(symbol=extent)
        case None:
            return types_pb2.Tensor.Dimension()


def write_artifact(artifact: Artifact) -> types_pb2.Artifact:
    return types_pb2.Artifact(
        format=artifact.format, digest=artifact.digest, size_bytes=artifact.size_bytes, uri=artifact.uri
    )


def read_artifact(message: types_pb2.Artifact) -> Artifact:
    return Artifact(format=message.format, digest=message.digest, size_bytes=message.size_bytes, uri=message.uri)


def write_metric(metric: Metric) -> types_pb2.Metric:
    return types_pb2.Metric(name=metric.name, value=metric.value, dataset=metric.dataset)


def read_metrics(messages: Sequence[types_pb2.Metric]) -> tuple[Metric, ...]:
    return tuple(Metric(name=message.name, value=message.value, dataset=message.dataset) for message in messages)


def write_model(model: Model) -> types_pb2.Model:
    return types_pb2.Model(
        id=model.id,
        name=model.name,
        version=model.version,
        description=model.description,
        licence=model.licence,
        tags=model.tags,
        task=model.task,
        modality=MODALITY_TO_PROTO[model.modality],
        classes=model.classes,
        metrics=[write_metric(metric) for metric in model.metrics],
        parent=model.parent,
        artifact=write_artifact(model.artifact),
        inputs=[write_tensor(tensor) for tensor in model.inputs],
        outputs=[write_tensor(tensor) for tensor in model.outputs],
        dataset_id=model.dataset_id,
        card_json=model.card,
        create_time=write_time(model.created_at),
        update_time=write_time(model.updated_at),
        revision=model.revision,
        validation=None if model.validation is None else write_validation(model.validation),
    )


def write_validation(validation: Validation) -> types_pb2.Validation:
    statistics = validation.statistics
    return types_pb2.Validation(
        accuracy=statistics.accuracy,
        row_count=statistics.count,
        temperature=statistics.temperature,
        mean_confidence=statistics.mean_confidence,
        atc_threshold=statistics.atc_threshold,
        confidence_counts=statistics.confidence_counts,
        confidence_correct=statistics.confidence_correct,
        class_prior=validation.class_prior,
        measured_by=validation.measured_by.value,
        sample_digest=validation.sample_digest,
        create_time=write_time(validation.created_at),
    )


def read_validation(message: types_pb2.Validation) -> tuple[Statistics, tuple[float, ...], str]:
    """The statistics, the class prior and the digest of the sample, as a client tells them."""
    statistics = Statistics(
        accuracy=message.accuracy,
        count=message.row_count,
        temperature=message.temperature,
        mean_confidence=message.mean_confidence,
        atc_threshold=message.atc_threshold,
        confidence_counts=tuple(message.confidence_counts),
        confidence_correct=tuple(message.confidence_correct),
    )
    return statistics, tuple(message.class_prior), message.sample_digest


def read_filter(message: types_pb2.Filter, path: str) -> Filter:
    """Raises InvalidArgument for an unspecified or unknown modality."""
    return Filter(
        tasks=tuple(message.tasks),
        modalities=tuple(
            read_modality(number, f"{path}.modalities[{position}]")
            for position, number in enumerate(message.modalities)
        ),
        classes=tuple(message.classes),
        tags=tuple(message.tags),
        licences=tuple(message.licences),
        text=message.text,
        formats=tuple(message.formats),
        dataset_id=message.dataset_id,
    )
