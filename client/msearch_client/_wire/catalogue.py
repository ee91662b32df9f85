"""Messages of the catalogue to the client's types and back."""

from __future__ import annotations

from msearch.v1 import registry_service_pb2 as registry
from msearch.v1 import types_pb2 as pb
from msearch_client._catalogue import (
    Artifact,
    Dataset,
    DatasetSample,
    Filter,
    Metric,
    Modality,
    Model,
    NewDataset,
    SignatureSummary,
    Space,
    Tensor,
)
from msearch_client._errors import InternalError
from msearch_client._wire.evaluations import validation_from_proto
from msearch_client._wire.times import time_from_proto

MODALITY_TO_PROTO: dict[Modality, pb.Modality.ValueType] = {
    Modality.IMAGE: pb.MODALITY_IMAGE,
    Modality.TEXT: pb.MODALITY_TEXT,
    Modality.TABULAR: pb.MODALITY_TABULAR,
    Modality.TIME_SERIES: pb.MODALITY_TIME_SERIES,
    Modality.PAIRS: pb.MODALITY_PAIRS,
    Modality.EMBEDDING: pb.MODALITY_EMBEDDING,
}
MODALITY_FROM_PROTO = {number: modality for modality, number in MODALITY_TO_PROTO.items()}


def modality_from_proto(number: pb.Modality.ValueType) -> Modality:
    """The modality.

    Raises:
        InternalError: the service knows a modality that this client does not.
    """
    if number not in MODALITY_FROM_PROTO:
        raise InternalError(f"the service answered with modality {number}, which this client does not know")
    return MODALITY_FROM_PROTO[number]


def dataset_from_proto(message: pb.Dataset) -> Dataset:
    """A dataset."""
    return Dataset(
        id=message.id,
        name=message.name,
        version=message.version,
        description=message.description,
        tags=tuple(message.tags),
        licence=message.licence,
        modality=modality_from_proto(message.modality),
        signatures=tuple(
            SignatureSummary(
                space_digest=summary.space_digest,
                row_count=summary.row_count,
                size_bytes=summary.size_bytes,
                labelled=summary.labelled,
            )
            for summary in message.signatures
        ),
        created_at=time_from_proto(message.create_time),
        updated_at=time_from_proto(message.update_time),
        revision=message.revision,
        sample=_sample_from_proto(message.sample) if message.HasField("sample") else None,
    )


def _sample_from_proto(message: pb.DatasetSample) -> DatasetSample:
    return DatasetSample(
        digest=message.digest,
        size_bytes=message.size_bytes,
        row_count=message.row_count,
        label_column=message.label_column,
    )


def sample_to_proto(sample: DatasetSample) -> pb.DatasetSample:
    """What is said of a sample before its bytes."""
    return pb.DatasetSample(
        digest=sample.digest,
        size_bytes=sample.size_bytes,
        row_count=sample.row_count,
        label_column=sample.label_column,
    )


def new_dataset_to_proto(dataset: NewDataset) -> registry.NewDataset:
    """A dataset to register."""
    return registry.NewDataset(
        name=dataset.name,
        version=dataset.version,
        description=dataset.description,
        tags=dataset.tags,
        licence=dataset.licence,
        modality=MODALITY_TO_PROTO[dataset.modality],
        signatures=[pb.Signature(data=signature.encoded) for signature in dataset.signatures],
    )


def _extent_from_proto(dimension: pb.Tensor.Dimension) -> int | str | None:
    match dimension.WhichOneof("extent"):
        case "size":
            return dimension.size
        case "symbol":
            return dimension.symbol
        case _:
            return None


def tensor_from_proto(message: pb.Tensor) -> Tensor:
    """An input or output."""
    return Tensor(
        name=message.name,
        element_type=message.element_type,
        shape=tuple(_extent_from_proto(dimension) for dimension in message.shape),
    )


def artifact_from_proto(message: pb.Artifact) -> Artifact:
    """Where bytes are."""
    return Artifact(format=message.format, digest=message.digest, size_bytes=message.size_bytes, uri=message.uri)


def artifact_to_proto(artifact: Artifact) -> pb.Artifact:
    """Where bytes are."""
    return pb.Artifact(format=artifact.format, digest=artifact.digest, size_bytes=artifact.size_bytes, uri=artifact.uri)


def metric_to_proto(metric: Metric) -> pb.Metric:
    """A claimed metric."""
    return pb.Metric(name=metric.name, value=metric.value, dataset=metric.dataset)


def model_from_proto(message: pb.Model) -> Model:
    """A model."""
    return Model(
        id=message.id,
        name=message.name,
        version=message.version,
        description=message.description,
        licence=message.licence,
        tags=tuple(message.tags),
        task=message.task,
        modality=modality_from_proto(message.modality),
        classes=tuple(message.classes),
        metrics=tuple(Metric(name=item.name, value=item.value, dataset=item.dataset) for item in message.metrics),
        parent=message.parent,
        artifact=artifact_from_proto(message.artifact),
        inputs=tuple(tensor_from_proto(tensor) for tensor in message.inputs),
        outputs=tuple(tensor_from_proto(tensor) for tensor in message.outputs),
        dataset_id=message.dataset_id,
        card_json=message.card_json,
        created_at=time_from_proto(message.create_time),
        updated_at=time_from_proto(message.update_time),
        revision=message.revision,
        validation=validation_from_proto(message.validation) if message.HasField("validation") else None,
    )


def space_from_proto(message: pb.FeatureSpace) -> Space:
    """A feature space; one that is built in was never registered and has no time."""
    return Space(
        digest=message.digest,
        document=message.document,
        modality=modality_from_proto(message.modality),
        featuriser=message.featuriser,
        dimension=message.dimension,
        schema_digest=message.schema_digest,
        description=message.description,
        created_at=time_from_proto(message.create_time) if message.HasField("create_time") else None,
        revision=message.revision,
    )


def filter_to_proto(filter: Filter) -> pb.Filter:
    """A filter."""
    return pb.Filter(
        tasks=filter.tasks,
        modalities=[MODALITY_TO_PROTO[Modality(modality)] for modality in filter.modalities],
        classes=filter.classes,
        tags=filter.tags,
        licences=filter.licences,
        text=filter.text,
        formats=filter.formats,
        dataset_id=filter.dataset_id,
    )
