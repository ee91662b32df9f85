"""Small servers of the Open Inference Protocol in this process, over gRPC and HTTP, that can be told to misbehave.

The model "double" takes "x" [-1, 3] of any type and gives "y", twice that; texts come back as they are.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np

from msearch.inference import open_inference_service_pb2 as messages
from msearch.inference.open_inference_service_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)
from profiler_agent.backends._remote_tensors import from_raw, from_values, to_json, to_raw


@dataclass
class Behaviour:
    """How the server is; may be changed while it runs."""

    datatype: str = "FP32"
    declares: bool = True
    ready: bool = True
    model_ready: bool = True
    binary: bool = True
    error: str = ""
    metadata: bytes | None = None
    answer: bytes | None = None
    typed: bool = False
    short: bool = False
    extra_raw: bool = False
    closes: bool = False
    connections: set[Any] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)

    def tensors(self, name: str) -> list[dict[str, Any]]:
        return [{"name": name, "datatype": self.datatype, "shape": [-1, 3]}] if self.declares else []


def _double(x: np.ndarray) -> np.ndarray:
    return x if x.dtype == object else np.asarray(x + x, dtype=x.dtype)


class _Servicer(GRPCInferenceServiceServicer):
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def ServerReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return messages.ServerReadyResponse(ready=self._behaviour.ready)

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        if request.name != "double":
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.name}")
        return messages.ModelReadyResponse(ready=self._behaviour.model_ready)

    def ServerMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return messages.ServerMetadataResponse(name="test server", version="1.2", extensions=["a", "b"])

    def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        inputs, outputs = (
            [messages.ModelMetadataResponse.TensorMetadata(**tensor) for tensor in self._behaviour.tensors(name)]
            for name in "xy"
        )
        return messages.ModelMetadataResponse(name="double", platform="numpy", inputs=inputs, outputs=outputs)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._behaviour.connections.add(context.peer())
        if self._behaviour.error:
            context.abort(grpc.StatusCode.INTERNAL, self._behaviour.error)
        given = request.inputs[0]
        y = _double(from_raw("x", given.datatype, given.shape, request.raw_input_contents[0]))
        answer = messages.ModelInferResponse(model_name="double")
        output = answer.outputs.add(name="y", datatype=given.datatype, shape=y.shape)
        if self._behaviour.typed:
            output.contents.fp32_contents.extend(y.reshape(-1).tolist())
            return answer
        raw = to_raw(y)
        answer.raw_output_contents.append(raw[:-1] if self._behaviour.short else raw)
        if self._behaviour.extra_raw:
            answer.raw_output_contents.append(b"")
        return answer


def _handler(behaviour: Behaviour) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/v2/health/ready":
                self._answer(200 if behaviour.ready else 503, b"")
            elif self.path == "/v2":
                extensions = ["binary_tensor_data"] if behaviour.binary else []
                self._json({"name": "test server", "version": "1.2", "extensions": extensions})
            elif self.path == "/v2/models/double/ready":
                self._answer(200 if behaviour.model_ready else 400, b"")
            elif self.path == "/v2/models/double":
                if behaviour.metadata is not None:
                    return self._answer(200, behaviour.metadata)
                inputs, outputs = (behaviour.tensors(name) for name in "xy")
                self._json({"name": "double", "platform": "numpy", "inputs": inputs, "outputs": outputs})
            else:
                self._answer(404, json.dumps({"error": f"no {self.path}"}).encode())
            return None

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            behaviour.connections.add(self.client_address)
            behaviour.requests.append(self.headers["Content-Type"])
            if behaviour.error:
                return self._answer(500, behaviour.error.encode())
            if behaviour.answer is not None:
                return self._answer(200, behaviour.answer)
            length = int(self.headers.get("Inference-Header-Content-Length", len(content)))
            given = json.loads(content[:length])["inputs"][0]
            binary = "parameters" in given
            if binary:
                assert given["parameters"]["binary_data_size"] == len(content) - length
                x = from_raw("x", given["datatype"], given["shape"], content[length:])
            else:
                x = from_values("x", given["datatype"], given["shape"], given["data"])
            y = _double(x)
            output = {"name": "y", "datatype": given["datatype"], "shape": list(y.shape)}
            if not binary:
                return self._json({"outputs": [output | {"data": to_json(y)}]})
            raw = to_raw(y)
            header = json.dumps({"outputs": [output | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
            return self._answer(200, header + (raw[:-1] if behaviour.short else raw), len(header))

        def _json(self, value: Any) -> None:
            self._answer(200, json.dumps(value).encode())

        def _answer(self, status: int, content: bytes, json_length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if json_length is not None:
                self.send_header("Inference-Header-Content-Length", str(json_length))
            self.end_headers()
            self.wfile.write(content)
            # Closed without a word, as a server does whose patience with an idle connection is over.
            self.close_connection = behaviour.closes

    return Handler


@contextmanager
def grpc_server(behaviour: Behaviour) -> Iterator[str]:
    """Runs it, and gives "grpc://HOST:PORT"."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    add_GRPCInferenceServiceServicer_to_server(_Servicer(behaviour), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def http_server(behaviour: Behaviour) -> Iterator[str]:
    """Runs it, and gives "http://HOST:PORT"."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(behaviour))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
