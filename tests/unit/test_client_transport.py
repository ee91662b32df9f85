"""Deadlines, retries and errors of the transport, against a real gRPC server that follows a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from msearch.v1 import registry_service_pb2 as pb
from msearch.v1 import types_pb2
from msearch.v1.registry_service_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from msearch_client import (
    AlreadyExistsError,
    ApiError,
    CancelledError,
    Client,
    ConflictError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    LocalError,
    MsearchError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from msearch_client._channels import check_server
from msearch_client._transport import Transport
from msearch_client._wire import requests

Reply = Callable[[Any, grpc.ServicerContext], Any]


class Script(RegistryServiceServicer):
    """Answers the calls one after another as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[Any] = []
        self.deadlines: list[float] = []

    def GetModel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._reply(request, context)

    def DeleteModel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._reply(request, context)

    def RegisterModel(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._reply(list(request_iterator), context)

    def DownloadArtifact(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        yield from self._reply(request, context)

    def _reply(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.asked.append(request)
        self.deadlines.append(context.time_remaining())
        return self.replies.pop(0)(request, context)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def address(script: Script) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    add_RegistryServiceServicer_to_server(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def transport(address: str, pauses: list[float]) -> Iterator[Transport]:
    with Transport(address, timeout_s=20, retries=3, pause=pauses.append, chance=lambda: 0.5) as opened:
        yield opened


def fail(code: Code.ValueType, *details: Any, message: str = "it failed") -> Reply:
    def reply(request: Any, context: grpc.ServicerContext) -> Any:
        packed = []
        for detail in details:
            packed.append(AnyMessage())
            packed[-1].Pack(detail)
        context.abort_with_status(rpc_status.to_status(Status(code=code, message=message, details=packed)))

    return reply


def model_reply(request: Any, context: grpc.ServicerContext) -> pb.GetModelResponse:
    return pb.GetModelResponse(model=types_pb2.Model(name="digits", version="2", modality=types_pb2.MODALITY_IMAGE))


def get(transport: Transport, **options: Any) -> Any:
    request = requests.get_model(requests.ModelReference(name="digits"))
    return transport.call(transport.registry.GetModel, request, **options)


def test_reads_are_repeated_while_unavailable(script: Script, transport: Transport, pauses: list[float]) -> None:
    script.replies = [fail(Code.UNAVAILABLE), fail(Code.UNAVAILABLE), model_reply]
    assert get(transport).model.name == "digits"
    assert pauses == [0.2, 0.4]


def test_gives_up_after_the_last_retry(script: Script, transport: Transport, pauses: list[float]) -> None:
    script.replies = [fail(Code.UNAVAILABLE)] * 9
    with pytest.raises(UnavailableError):
        get(transport)
    assert (len(script.asked), len(pauses)) == (4, 3)


def test_what_is_not_repeatable_is_sent_once(script: Script, transport: Transport) -> None:
    script.replies = [fail(Code.UNAVAILABLE)] * 9
    with pytest.raises(UnavailableError):
        get(transport, repeatable=False)
    assert len(script.asked) == 1


@pytest.mark.parametrize("code", [Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.ABORTED, Code.RESOURCE_EXHAUSTED])
def test_other_failures_are_not_repeated(script: Script, transport: Transport, code: Code.ValueType) -> None:
    script.replies = [fail(code)] * 9
    with pytest.raises(ApiError):
        get(transport)
    assert len(script.asked) == 1


def test_retries_share_one_deadline(script: Script, address: str) -> None:
    waited: list[float] = []
    script.replies = [fail(Code.UNAVAILABLE)] * 99
    options: dict[str, Any] = {"timeout_s": 0.5, "retries": 99, "pause": waited.append, "chance": lambda: 0.5}
    with Transport(address, **options) as transport, pytest.raises(UnavailableError):
        get(transport)
    # The pauses are not slept here, so only the rule "no pause beyond the deadline" ends the attempts.
    assert waited == [0.2, 0.4]


def test_a_passed_deadline_is_an_error_of_its_own(script: Script, address: str) -> None:
    release = threading.Event()
    script.replies = [lambda request, context: release.wait(30)]
    expected = pytest.raises(DeadlineExceededError, match=r"did not answer within 0\.2 s")
    with Transport(address, timeout_s=0.2, retries=3) as transport, expected as caught:
        get(transport)
    release.set()
    assert len(script.asked) == 1
    assert "MSEARCH_TIMEOUT_S" in caught.value.hint


def test_every_call_has_a_deadline(script: Script, transport: Transport) -> None:
    script.replies = [model_reply]
    get(transport)
    # grpc counts what is left with a clock of its own, so that it may be a little more than was given.
    assert 0 < script.deadlines[0] < 30


STATUSES = {
    Code.INVALID_ARGUMENT: InvalidArgumentError,
    Code.NOT_FOUND: NotFoundError,
    Code.ALREADY_EXISTS: AlreadyExistsError,
    Code.FAILED_PRECONDITION: PreconditionFailedError,
    Code.ABORTED: ConflictError,
    Code.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    Code.CANCELLED: CancelledError,
    Code.UNAUTHENTICATED: UnauthenticatedError,
    Code.PERMISSION_DENIED: PermissionDeniedError,
    Code.INTERNAL: InternalError,
    Code.UNKNOWN: InternalError,
    Code.UNIMPLEMENTED: InternalError,
}


@pytest.mark.parametrize("code", STATUSES, ids=Code.Name)
def test_statuses_become_exceptions(script: Script, transport: Transport, code: Code.ValueType) -> None:
    info = ErrorInfo(domain="msearch", reason="SOME_REASON", metadata={"request_id": "r-17"})
    fields = BadRequest(field_violations=[BadRequest.FieldViolation(field="card.name", description="is missing")])
    script.replies = [fail(code, info, fields, message="what is wrong")]
    with pytest.raises(STATUSES[code]) as caught:
        get(transport)
    error = caught.value
    assert type(error) is STATUSES[code]
    assert isinstance(error, MsearchError)
    assert (error.message, error.reason, error.request_id) == ("what is wrong", "SOME_REASON", "r-17")
    assert error.fields == (("card.name", "is missing"),)
    assert error.to_dict()["fields"] == [["card.name", "is missing"]]


def test_reasons_of_other_domains_are_not_taken_for_ours(script: Script, transport: Transport) -> None:
    script.replies = [fail(Code.NOT_FOUND, ErrorInfo(domain="proxy.example", reason="NO_ROUTE"))]
    with pytest.raises(NotFoundError) as caught:
        get(transport)
    assert caught.value.reason == ""


def test_storage_trouble_keeps_the_services_words(script: Script, transport: Transport) -> None:
    info = ErrorInfo(domain="msearch", reason="STORAGE_UNAVAILABLE")
    script.replies = [fail(Code.UNAVAILABLE, info, message="the database does not answer")] * 9
    with pytest.raises(UnavailableError, match="the database does not answer") as caught:
        get(transport)
    assert "try again" in caught.value.hint


def test_nobody_listens(pauses: list[float]) -> None:
    expected = pytest.raises(UnavailableError, match=r"no answer from the service at 127\.0\.0\.1:1")
    with Transport("127.0.0.1:1", timeout_s=20, retries=1, pause=pauses.append) as transport, expected as caught:
        get(transport)
    assert "msearch-cli serve" in caught.value.hint


def test_uploads_start_over(script: Script, transport: Transport) -> None:
    script.replies = [
        fail(Code.UNAVAILABLE),
        lambda request, context: pb.RegisterModelResponse(model=types_pb2.Model(name="digits")),
    ]
    chunks = [requests.model_chunk(b"one"), requests.model_chunk(b"two")]
    answer = transport.send(transport.registry.RegisterModel, lambda: iter(chunks), repeatable=True)
    assert answer.model.name == "digits"
    assert [[part.chunk for part in stream] for stream in script.asked] == [[b"one", b"two"]] * 2


@pytest.mark.parametrize("verdict", ["accepts", "refuses"])
def test_a_source_that_breaks_raises_its_own_error(script: Script, transport: Transport, verdict: str) -> None:
    def messages() -> Iterator[Any]:
        yield requests.model_chunk(b"one")
        raise LocalError("the disk went away")

    accept: Reply = lambda request, context: pb.RegisterModelResponse()  # noqa: E731
    script.replies = [accept if verdict == "accepts" else fail(Code.INVALID_ARGUMENT)]
    with pytest.raises(LocalError, match="the disk went away"):
        transport.send(transport.registry.RegisterModel, messages, repeatable=True)


def test_downloads_start_over(script: Script, transport: Transport) -> None:
    def breaks(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield pb.DownloadArtifactResponse(chunk=b"one")
        fail(Code.UNAVAILABLE)(request, context)

    script.replies = [
        breaks,
        lambda request, context: iter([pb.DownloadArtifactResponse(chunk=part) for part in (b"one", b"two")]),
    ]
    request = requests.download_artifact(requests.ModelReference(name="digits"))
    received = transport.receive(
        transport.registry.DownloadArtifact, request, lambda stream: b"".join(message.chunk for message in stream)
    )
    assert received == b"onetwo"


def test_a_closed_client_says_so(address: str) -> None:
    client = Client(address)
    client.close()
    with pytest.raises(LocalError, match="client is closed"):
        client.get_model("digits")


def test_a_channel_that_was_handed_in_stays_open(script: Script, address: str) -> None:
    script.replies = [model_reply, model_reply]
    with grpc.insecure_channel(address) as channel:
        for _ in range(2):
            with Client(channel=channel) as client:
                assert client.get_model("digits").version == "2"


def test_a_name_that_is_no_name_is_tried_as_an_id(script: Script, address: str) -> None:
    missing = fail(Code.NOT_FOUND, ErrorInfo(domain="msearch", reason="MODEL_NOT_FOUND"), message="no model digits")
    script.replies = [missing, model_reply, missing, missing]
    with Client(address) as client:
        assert client.get_model("digits").name == "digits"
        with pytest.raises(NotFoundError, match="no model digits"):
            client.get_model("digits")
    assert [request.model.WhichOneof("by") for request in script.asked] == ["name", "id", "name", "id"]


def test_a_write_without_request_id_is_sent_once(script: Script, address: str) -> None:
    script.replies = [fail(Code.UNAVAILABLE)] * 9
    with Client(address) as client, pytest.raises(UnavailableError):
        client.delete_model("digits", request_id="")
    assert len(script.asked) == 1


def test_a_repeated_write_keeps_its_request_id(script: Script, address: str) -> None:
    script.replies = [fail(Code.UNAVAILABLE), lambda request, context: pb.DeleteModelResponse()]
    with Client(address) as client:
        client.delete_model("digits")
    assert script.asked[0] == script.asked[1]
    assert len(script.asked[0].request_id) == 32


def test_one_client_serves_many_threads(script: Script, address: str) -> None:
    script.replies = [model_reply] * 40
    with Client(address) as client, ThreadPoolExecutor(8) as pool:
        assert {model.name for model in pool.map(client.get_model, ["digits"] * 40)} == {"digits"}


@pytest.mark.parametrize("server", ["localhost:50051", "10.0.0.1:1", "[::1]:50051", "unix:/tmp/s", "dns:///host:1"])
def test_addresses_that_are_fine(server: str) -> None:
    check_server(server)


@pytest.mark.parametrize(
    "server", ["", "localhost", ":50051", "host:", "host:x", "host:0", "http://host:1", "host:70000"]
)
def test_addresses_that_are_not(server: str) -> None:
    with pytest.raises(LocalError, match="host:port"):
        check_server(server)


@pytest.mark.parametrize("options", [{"timeout_s": 0, "retries": 1}, {"timeout_s": 1, "retries": -1}])
def test_impossible_settings(options: Any) -> None:
    with pytest.raises(LocalError):
        Transport("localhost:1", **options)
