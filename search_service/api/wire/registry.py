"""Requests of the registry: what they ask, in the service's own words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.field_mask_pb2 import FieldMask

from msearch.v1 import registry_service_pb2 as pb
from search_service.api.wire.catalogue import read_artifact, read_metrics, read_sample
from search_service.api.wire.enums import read_modality
from search_service.domain.catalog import Artifact, DatasetSample
from search_service.usecases.datasets import DatasetUpdate, NewDataset
from search_service.usecases.fields import Reference, invalid
from search_service.usecases.models import ModelUpdate
from search_service.usecases.register_model import NewModel
from search_service.usecases.uploads import Upload


def read_new_dataset(message: pb.NewDataset, path: str) -> NewDataset:
    """Raises InvalidArgument for an unspecified or unknown modality."""
    return NewDataset(
        name=message.name,
        version=message.version,
        description=message.description,
        tags=tuple(message.tags),
        licence=message.licence,
        modality=read_modality(message.modality, f"{path}.modality"),
        signatures=tuple(signature.data for signature in message.signatures),
    )


def read_new_model(header: pb.RegisterModelRequest.Header) -> NewModel:
    """Raises InvalidArgument for a new dataset without a modality, or an empty dataset_id that is set."""
    source: str | NewDataset = ""
    match header.WhichOneof("source"):
        case "dataset_id":
            if not header.dataset_id:
                raise invalid("dataset_id", "must not be empty; leave it out if the source is unknown")
            source = header.dataset_id
        case "new_dataset":
            source = read_new_dataset(header.new_dataset, "new_dataset")
    location: Upload | Artifact | None = None
    match header.WhichOneof("location"):
        case "upload":
            location = Upload(digest=header.upload.digest, size_bytes=header.upload.size_bytes)
        case "external":
            location = read_artifact(header.external)
    return NewModel(card=header.card_json, source=source, location=location)


def read_header(messages: Iterator[pb.RegisterModelRequest]) -> pb.RegisterModelRequest.Header:
    """The first message of a registration. Raises InvalidArgument if it is missing or a chunk."""
    first = next(messages, None)
    if first is None or first.WhichOneof("part") != "header":
        raise invalid("header", "the first message must be the header")
    return first.header


def read_chunks(messages: Iterable[pb.RegisterModelRequest], announced: bool) -> Iterator[bytes]:
    """The following messages. Raises InvalidArgument for anything but chunks of an announced upload."""
    for message in messages:
        if message.WhichOneof("part") != "chunk":
            raise invalid("chunk", "after the header only chunks may follow")
        if not announced:
            raise invalid("chunk", "the header announces no upload, so no chunk may follow")
        yield message.chunk


def read_sample_header(messages: Iterator[pb.PutDatasetSampleRequest]) -> tuple[Reference, DatasetSample]:
    """The first message of a sample. Raises InvalidArgument if it is missing, a chunk, or names no dataset."""
    first = next(messages, None)
    if first is None or first.WhichOneof("part") != "header":
        raise invalid("header", "the first message must be the header")
    return read_reference(first.header.dataset, "dataset"), read_sample(first.header.sample)


def read_sample_chunks(messages: Iterable[pb.PutDatasetSampleRequest]) -> Iterator[bytes]:
    """The following messages. Raises InvalidArgument for anything but chunks."""
    for message in messages:
        if message.WhichOneof("part") != "chunk":
            raise invalid("chunk", "after the header only chunks may follow")
        yield message.chunk


def read_reference(message: pb.ModelReference | pb.DatasetReference, path: str) -> Reference:
    """Raises InvalidArgument if neither an id nor a name is given."""
    if message.WhichOneof("by") == "id" and message.id:
        return Reference(id=message.id)
    if message.WhichOneof("by") == "name":
        return Reference.named(message.name, path)
    raise invalid(path, "must hold an id or a name")


def read_model_update(message: pb.UpdateModelRequest) -> ModelUpdate:
    values = message.values
    return ModelUpdate(
        description=values.description,
        licence=values.licence,
        tags=tuple(values.tags),
        metrics=read_metrics(values.metrics),
        mask=_read_mask(message.update_mask),
        revision=message.revision,
    )


def read_dataset_update(message: pb.UpdateDatasetRequest) -> DatasetUpdate:
    values = message.values
    return DatasetUpdate(
        description=values.description,
        licence=values.licence,
        tags=tuple(values.tags),
        mask=_read_mask(message.update_mask),
        signatures=tuple(signature.data for signature in message.signatures),
        revision=message.revision,
    )


def _read_mask(mask: FieldMask) -> tuple[str, ...]:
    return tuple(mask.paths)
