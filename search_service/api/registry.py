"""The servicer of the catalogue: reads the request, calls the use case, writes the answer."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import structlog

from msearch.v1 import registry_service_pb2 as pb
from msearch.v1 import registry_service_pb2_grpc, types_pb2
from search_service.api.wire import registry as wire
from search_service.api.wire.catalogue import read_filter, write_artifact, write_dataset, write_model, write_space
from search_service.api.wire.enums import read_optional_modality
from search_service.usecases import datasets, models, samples, spaces
from search_service.usecases.fields import invalid
from search_service.usecases.register_model import register_model
from search_service.usecases.registry import Registry

_log = structlog.get_logger()


class RegistryServicer(registry_service_pb2_grpc.RegistryServiceServicer):
    """See registry_service.proto; method by method."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def RegisterModel(
        self, request_iterator: Iterator[pb.RegisterModelRequest], context: grpc.ServicerContext
    ) -> pb.RegisterModelResponse:
        header = wire.read_header(request_iterator)
        new = wire.read_new_model(header)
        announced = header.WhichOneof("location") == "upload"
        chunks = wire.read_chunks(request_iterator, announced)
        if not announced:
            for _ in chunks:
                pass  # refuses whatever follows, before anything is registered
        model = register_model(self._registry, header.request_id, new, chunks)
        _log.info("model_registered", id=model.id, name=model.name, version=model.version)
        return pb.RegisterModelResponse(model=write_model(model))

    def GetModel(self, request: pb.GetModelRequest, context: grpc.ServicerContext) -> pb.GetModelResponse:
        model = models.get_model(self._registry, wire.read_reference(request.model, "model"))
        return pb.GetModelResponse(model=write_model(model))

    def ListModels(self, request: pb.ListModelsRequest, context: grpc.ServicerContext) -> pb.ListModelsResponse:
        wanted = read_filter(request.filter, "filter")
        page, token = models.list_models(self._registry, wanted, request.page_size, request.page_token)
        items = [write_model(model) for model in page.items]
        return pb.ListModelsResponse(models=items, next_page_token=token, total_size=page.total)

    def UpdateModel(self, request: pb.UpdateModelRequest, context: grpc.ServicerContext) -> pb.UpdateModelResponse:
        reference, update = wire.read_reference(request.model, "model"), wire.read_model_update(request)
        model = models.update_model(self._registry, request.request_id, reference, update)
        _log.info("model_updated", id=model.id, revision=model.revision)
        return pb.UpdateModelResponse(model=write_model(model))

    def DeleteModel(self, request: pb.DeleteModelRequest, context: grpc.ServicerContext) -> pb.DeleteModelResponse:
        reference = wire.read_reference(request.model, "model")
        models.delete_model(self._registry, request.request_id, reference, request.revision)
        _log.info("model_deleted", id=reference.id, name=reference.name, version=reference.version)
        return pb.DeleteModelResponse()

    def DownloadArtifact(
        self, request: pb.DownloadArtifactRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadArtifactResponse]:
        reference = wire.read_reference(request.model, "model")
        artifact, chunks = models.open_artifact(self._registry, reference)
        yield pb.DownloadArtifactResponse(artifact=write_artifact(artifact))
        for chunk in chunks:
            if not context.is_active():
                return
            yield pb.DownloadArtifactResponse(chunk=chunk)
        _log.info("artifact_downloaded", digest=artifact.digest, size_bytes=artifact.size_bytes)

    def RegisterDataset(
        self, request: pb.RegisterDatasetRequest, context: grpc.ServicerContext
    ) -> pb.RegisterDatasetResponse:
        new = wire.read_new_dataset(request.dataset, "dataset")
        dataset = datasets.register_dataset(self._registry, request.request_id, new)
        _log.info("dataset_registered", id=dataset.id, name=dataset.name, version=dataset.version)
        return pb.RegisterDatasetResponse(dataset=write_dataset(dataset))

    def GetDataset(self, request: pb.GetDatasetRequest, context: grpc.ServicerContext) -> pb.GetDatasetResponse:
        reference = wire.read_reference(request.dataset, "dataset")
        dataset, signatures = datasets.get_dataset(self._registry, reference, request.include_signatures)
        return pb.GetDatasetResponse(
            dataset=write_dataset(dataset),
            signatures=[types_pb2.Signature(data=signature.data) for signature in signatures],
        )

    def ListDatasets(self, request: pb.ListDatasetsRequest, context: grpc.ServicerContext) -> pb.ListDatasetsResponse:
        wanted = read_filter(request.filter, "filter")
        page, token = datasets.list_datasets(self._registry, wanted, request.page_size, request.page_token)
        items = [write_dataset(dataset) for dataset in page.items]
        return pb.ListDatasetsResponse(datasets=items, next_page_token=token, total_size=page.total)

    def UpdateDataset(
        self, request: pb.UpdateDatasetRequest, context: grpc.ServicerContext
    ) -> pb.UpdateDatasetResponse:
        reference, update = wire.read_reference(request.dataset, "dataset"), wire.read_dataset_update(request)
        dataset = datasets.update_dataset(self._registry, request.request_id, reference, update)
        _log.info("dataset_updated", id=dataset.id, revision=dataset.revision)
        return pb.UpdateDatasetResponse(dataset=write_dataset(dataset))

    def PutDatasetSample(
        self, request_iterator: Iterator[pb.PutDatasetSampleRequest], context: grpc.ServicerContext
    ) -> pb.PutDatasetSampleResponse:
        reference, sample = wire.read_sample_header(request_iterator)
        chunks = wire.read_sample_chunks(request_iterator)
        dataset = samples.put_sample(self._registry, reference, sample, chunks)
        _log.info("dataset_sample_stored", id=dataset.id, size_bytes=sample.size_bytes, rows=sample.row_count)
        return pb.PutDatasetSampleResponse(dataset=write_dataset(dataset))

    def DeleteDatasetSample(
        self, request: pb.DeleteDatasetSampleRequest, context: grpc.ServicerContext
    ) -> pb.DeleteDatasetSampleResponse:
        dataset = samples.delete_sample(self._registry, wire.read_reference(request.dataset, "dataset"))
        _log.info("dataset_sample_deleted", id=dataset.id)
        return pb.DeleteDatasetSampleResponse(dataset=write_dataset(dataset))

    def DeleteDataset(
        self, request: pb.DeleteDatasetRequest, context: grpc.ServicerContext
    ) -> pb.DeleteDatasetResponse:
        reference = wire.read_reference(request.dataset, "dataset")
        datasets.delete_dataset(self._registry, request.request_id, reference, request.revision)
        _log.info("dataset_deleted", id=reference.id, name=reference.name, version=reference.version)
        return pb.DeleteDatasetResponse()

    def RegisterFeatureSpace(
        self, request: pb.RegisterFeatureSpaceRequest, context: grpc.ServicerContext
    ) -> pb.RegisterFeatureSpaceResponse:
        space = spaces.register_space(self._registry, request.request_id, request.document, request.description)
        _log.info("feature_space_registered", digest=space.digest, featuriser=space.featuriser)
        return pb.RegisterFeatureSpaceResponse(space=write_space(space))

    def GetFeatureSpace(
        self, request: pb.GetFeatureSpaceRequest, context: grpc.ServicerContext
    ) -> pb.GetFeatureSpaceResponse:
        match request.WhichOneof("by"):
            case "digest":
                space = spaces.get_space(self._registry, request.digest)
            case "schema":
                space = spaces.find_space(self._registry, request.schema.schema_digest, request.schema.featuriser)
            case _:
                raise invalid("by", "must hold a digest or a schema")
        return pb.GetFeatureSpaceResponse(space=write_space(space))

    def ListFeatureSpaces(
        self, request: pb.ListFeatureSpacesRequest, context: grpc.ServicerContext
    ) -> pb.ListFeatureSpacesResponse:
        modality = read_optional_modality(request.modality, "modality")
        page, token = spaces.list_spaces(self._registry, modality, request.page_size, request.page_token)
        items = [write_space(space) for space in page.items]
        return pb.ListFeatureSpacesResponse(spaces=items, next_page_token=token, total_size=page.total)

    def UpdateFeatureSpace(
        self, request: pb.UpdateFeatureSpaceRequest, context: grpc.ServicerContext
    ) -> pb.UpdateFeatureSpaceResponse:
        space = spaces.update_space(
            self._registry, request.request_id, request.digest, request.description, request.revision
        )
        _log.info("feature_space_updated", digest=space.digest, revision=space.revision)
        return pb.UpdateFeatureSpaceResponse(space=write_space(space))

    def DeleteFeatureSpace(
        self, request: pb.DeleteFeatureSpaceRequest, context: grpc.ServicerContext
    ) -> pb.DeleteFeatureSpaceResponse:
        spaces.delete_space(self._registry, request.request_id, request.digest)
        _log.info("feature_space_deleted", digest=request.digest)
        return pb.DeleteFeatureSpaceResponse()
