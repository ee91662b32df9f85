"""The Open Inference Protocol over gRPC, tensors as raw bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
from numpy.typing import NDArray

from msearch.inference import open_inference_service_pb2 as messages
from msearch.inference.open_inference_service_pb2_grpc import GRPCInferenceServiceStub
from profiler_agent.backends._remote_connection import (
    CALL_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    LARGEST_ANSWER_BYTES,
    RemoteModelFacts,
)
from profiler_agent.backends._remote_target import Target
from profiler_agent.backends._remote_tensors import (
    RemoteTensor,
    datatype_of,
    free_extents,
    from_raw,
    from_values,
    to_raw,
)
from profiler_agent.errors import CompileFailed, JobError, Unreachable, WrongOutput

_Answer = TypeVar("_Answer")

_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES),
    ("grpc.max_send_message_length", LARGEST_ANSWER_BYTES),
    ("grpc.enable_http_proxy", 0),  # a proxy would be measured too, and may be anywhere
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own, not one shared by all models of the process
)
_SILENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class GrpcConnection:
    """See `Connection`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._channel = grpc.insecure_channel(target.authority, options=_OPTIONS)
        self._stub = GRPCInferenceServiceStub(self._channel)

    def describe(self) -> RemoteModelFacts:
        """Asks for readiness and metadata."""
        name = self._target.model
        try:
            grpc.channel_ready_future(self._channel).result(timeout=CONNECT_TIMEOUT_S)
        except grpc.FutureTimeoutError as error:
            raise Unreachable(f"nothing answers gRPC at {self._target}: is the server running there?") from error
        if not self._ask(self._stub.ServerReady, messages.ServerReadyRequest(), Unreachable).ready:
            raise Unreachable(f"the server at {self._target} says that it is not ready yet")
        if not self._ask(self._stub.ModelReady, messages.ModelReadyRequest(name=name), CompileFailed).ready:
            raise CompileFailed(f"the server at {self._target} says that its model {name!r} is not ready")
        model = self._ask(self._stub.ModelMetadata, messages.ModelMetadataRequest(name=name), CompileFailed)
        server = self._ask(self._stub.ServerMetadata, messages.ServerMetadataRequest(), Unreachable)
        return RemoteModelFacts(
            inputs=_read_tensors(model.inputs),
            outputs=_read_tensors(model.outputs),
            server=f"{server.name} {server.version}".strip(),
            platform=model.platform,
            extensions=tuple(server.extensions),
        )

    def infer(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One inference."""
        request = messages.ModelInferRequest(model_name=self._target.model)
        for name, array in tensors.items():
            request.inputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
            request.raw_input_contents.append(to_raw(array))
        answer = self._ask(self._stub.ModelInfer, request, WrongOutput)
        raw = answer.raw_output_contents
        if raw and len(raw) != len(answer.outputs):
            raise WrongOutput(f"{self._target} sent {len(answer.outputs)} outputs with the bytes of {len(raw)}")
        if raw:
            return {
                output.name: from_raw(output.name, output.datatype, output.shape, content)
                for output, content in zip(answer.outputs, raw, strict=True)
            }
        return {output.name: _read_contents(output) for output in answer.outputs}

    def close(self) -> None:
        """Ends it."""
        self._channel.close()

    def _ask(self, method: Callable[..., _Answer], request: object, refused: type[JobError]) -> _Answer:
        try:
            return method(request, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            code = error.code()
            words = error.details() or code.name
            if code in _SILENT:
                raise Unreachable(f"{self._target} does not answer: {words}") from error
            if code is grpc.StatusCode.UNIMPLEMENTED:
                raise Unreachable(f"{self._target} does not speak the Open Inference Protocol: {words}") from error
            raise refused(f"{self._target} answers {code.name}: {words}") from error


def _read_tensors(
    tensors: Sequence[messages.ModelMetadataResponse.TensorMetadata],
) -> tuple[RemoteTensor, ...]:
    return tuple(RemoteTensor(tensor.name, tensor.datatype, free_extents(tensor.shape)) for tensor in tensors)


def _read_contents(output: messages.ModelInferResponse.InferOutputTensor) -> NDArray[Any]:
    field = _FIELDS.get(output.datatype)
    if field is None:
        raise WrongOutput(f"the remote output {output.name!r} of type {output.datatype!r} has no raw bytes")
    return from_values(output.name, output.datatype, output.shape, list(getattr(output.contents, field)))
