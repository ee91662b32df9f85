"""Requests. Each function builds one message; an empty string or 0 stands for "not given", as in the protos."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from msearch.v1 import registry_service_pb2 as registry
from msearch.v1 import search_service_pb2 as search
from msearch.v1 import types_pb2 as types
from msearch_client._catalogue import Artifact, DatasetSample, Filter, Metric, Modality, NewDataset
from msearch_client._wire.catalogue import (
    MODALITY_TO_PROTO,
    artifact_to_proto,
    filter_to_proto,
    metric_to_proto,
    new_dataset_to_proto,
    sample_to_proto,
)
from msearch_sketch.signature import Signature

ModelReference = registry.ModelReference
DatasetReference = registry.DatasetReference


def model_header(
    *,
    request_id: str,
    card_json: str,
    dataset_id: str,
    new_dataset: NewDataset | None,
    upload: tuple[str, int] | None,
    external: Artifact | None,
) -> registry.RegisterModelRequest:
    """First message of a registration. `upload` is the digest and size in bytes of what follows."""
    header = registry.RegisterModelRequest.Header(request_id=request_id, card_json=card_json)
    if new_dataset is not None:
        header.new_dataset.CopyFrom(new_dataset_to_proto(new_dataset))
    elif dataset_id:
        header.dataset_id = dataset_id
    if upload is not None:
        header.upload.CopyFrom(registry.RegisterModelRequest.Upload(digest=upload[0], size_bytes=upload[1]))
    elif external is not None:
        header.external.CopyFrom(artifact_to_proto(external))
    return registry.RegisterModelRequest(header=header)


def model_chunk(data: bytes) -> registry.RegisterModelRequest:
    """Next bytes of an artifact."""
    return registry.RegisterModelRequest(chunk=data)


def get_model(model: ModelReference) -> registry.GetModelRequest:
    """One model."""
    return registry.GetModelRequest(model=model)


def list_models(filter: Filter, page_size: int, page_token: str) -> registry.ListModelsRequest:
    """A page of models."""
    return registry.ListModelsRequest(filter=filter_to_proto(filter), page_size=page_size, page_token=page_token)


def update_model(
    model: ModelReference,
    *,
    description: str | None,
    licence: str | None,
    tags: Sequence[str] | None,
    metrics: Sequence[Metric] | None,
    revision: int,
    request_id: str,
) -> registry.UpdateModelRequest:
    """A change of the fields that are not None."""
    given = {"description": description, "licence": licence, "tags": tags, "metrics": metrics}
    values = types.Model(
        description=description or "",
        licence=licence or "",
        tags=tags or (),
        metrics=[metric_to_proto(metric) for metric in metrics or ()],
    )
    return registry.UpdateModelRequest(
        request_id=request_id,
        model=model,
        values=values,
        update_mask=FieldMask(paths=[name for name, value in given.items() if value is not None]),
        revision=revision,
    )


def delete_model(model: ModelReference, revision: int, request_id: str) -> registry.DeleteModelRequest:
    """A deletion."""
    return registry.DeleteModelRequest(request_id=request_id, model=model, revision=revision)


def download_artifact(model: ModelReference) -> registry.DownloadArtifactRequest:
    """The bytes of a model."""
    return registry.DownloadArtifactRequest(model=model)


def register_dataset(dataset: NewDataset, request_id: str) -> registry.RegisterDatasetRequest:
    """A dataset with its signatures."""
    return registry.RegisterDatasetRequest(request_id=request_id, dataset=new_dataset_to_proto(dataset))


def get_dataset(dataset: DatasetReference, *, include_signatures: bool) -> registry.GetDatasetRequest:
    """One dataset."""
    return registry.GetDatasetRequest(dataset=dataset, include_signatures=include_signatures)


def list_datasets(filter: Filter, page_size: int, page_token: str) -> registry.ListDatasetsRequest:
    """A page of datasets."""
    return registry.ListDatasetsRequest(filter=filter_to_proto(filter), page_size=page_size, page_token=page_token)


def update_dataset(
    dataset: DatasetReference,
    *,
    description: str | None,
    licence: str | None,
    tags: Sequence[str] | None,
    signatures: Sequence[Signature],
    revision: int,
    request_id: str,
) -> registry.UpdateDatasetRequest:
    """A change of the fields that are not None, and signatures to add or replace."""
    given = {"description": description, "licence": licence, "tags": tags}
    return registry.UpdateDatasetRequest(
        request_id=request_id,
        dataset=dataset,
        values=types.Dataset(description=description or "", licence=licence or "", tags=tags or ()),
        update_mask=FieldMask(paths=[name for name, value in given.items() if value is not None]),
        signatures=[types.Signature(data=signature.encoded) for signature in signatures],
        revision=revision,
    )


def delete_dataset(dataset: DatasetReference, revision: int, request_id: str) -> registry.DeleteDatasetRequest:
    """A deletion."""
    return registry.DeleteDatasetRequest(request_id=request_id, dataset=dataset, revision=revision)


def sample_header(dataset: DatasetReference, sample: DatasetSample) -> registry.PutDatasetSampleRequest:
    """First message of a sample's upload."""
    header = registry.PutDatasetSampleRequest.Header(dataset=dataset, sample=sample_to_proto(sample))
    return registry.PutDatasetSampleRequest(header=header)


def sample_chunk(data: bytes) -> registry.PutDatasetSampleRequest:
    """Next bytes of a sample."""
    return registry.PutDatasetSampleRequest(chunk=data)


def delete_sample(dataset: DatasetReference) -> registry.DeleteDatasetSampleRequest:
    """The removal of a sample."""
    return registry.DeleteDatasetSampleRequest(dataset=dataset)


def register_space(document: str, description: str, request_id: str) -> registry.RegisterFeatureSpaceRequest:
    """A feature space."""
    return registry.RegisterFeatureSpaceRequest(request_id=request_id, document=document, description=description)


def get_space(digest: str) -> registry.GetFeatureSpaceRequest:
    """One feature space by its digest."""
    return registry.GetFeatureSpaceRequest(digest=digest)


def get_space_of_schema(schema_digest: str, featuriser: str) -> registry.GetFeatureSpaceRequest:
    """The feature space registered for a schema."""
    key = registry.GetFeatureSpaceRequest.SchemaKey(schema_digest=schema_digest, featuriser=featuriser)
    return registry.GetFeatureSpaceRequest(schema=key)


def list_spaces(modality: Modality | None, page_size: int, page_token: str) -> registry.ListFeatureSpacesRequest:
    """A page of feature spaces."""
    number = types.MODALITY_UNSPECIFIED if modality is None else MODALITY_TO_PROTO[modality]
    return registry.ListFeatureSpacesRequest(modality=number, page_size=page_size, page_token=page_token)


def update_space(digest: str, description: str, revision: int, request_id: str) -> registry.UpdateFeatureSpaceRequest:
    """A change of the description."""
    return registry.UpdateFeatureSpaceRequest(
        request_id=request_id, digest=digest, description=description, revision=revision
    )


def delete_space(digest: str, request_id: str) -> registry.DeleteFeatureSpaceRequest:
    """A deletion."""
    return registry.DeleteFeatureSpaceRequest(request_id=request_id, digest=digest)


def search_by_signature(signature: Signature, options: search.RankingOptions) -> search.SearchRequest:
    """A ranking by signature."""
    return search.SearchRequest(signature=types.Signature(data=signature.encoded), options=options)


def data_header(modality: Modality | None, column: str, options: search.RankingOptions) -> search.SearchByDataRequest:
    """First message of a search by data."""
    number = types.MODALITY_UNSPECIFIED if modality is None else MODALITY_TO_PROTO[modality]
    return search.SearchByDataRequest(
        header=search.SearchByDataRequest.Header(modality=number, column=column, options=options)
    )


def data_chunk(data: bytes) -> search.SearchByDataRequest:
    """Next bytes of an Arrow IPC stream."""
    return search.SearchByDataRequest(arrow_ipc=data)


def list_scores() -> search.ListScoresRequest:
    """The scores."""
    return search.ListScoresRequest()
