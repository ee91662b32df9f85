"""The Open Inference Protocol over HTTP: JSON, and the binary tensor extension where the server has it.

The extension (Triton's "binary_tensor_data") sends a JSON header followed by the bytes of the tensors, whose sizes the
header names; the HTTP header Inference-Header-Content-Length says where the JSON ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote

from numpy.typing import NDArray

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
    to_json,
    to_raw,
)
from profiler_agent.errors import CompileFailed, JobError, Unreachable, WrongOutput

_BINARY = "binary_tensor_data"
_HEADER_LENGTH = "Inference-Header-Content-Length"


class HttpConnection:
    """See `Connection`. One TCP connection that is kept alive; no proxy, no redirects."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._model = f"/v2/models/{quote(target.model, safe='')}"
        self._connection = HTTPConnection(target.host, target.port, timeout=CONNECT_TIMEOUT_S)
        self._binary = False

    def describe(self) -> RemoteModelFacts:
        """Asks for readiness and metadata."""
        self._ask("GET", "/v2/health/ready", refused=Unreachable)
        server = self._metadata("/v2", Unreachable)
        self._ask("GET", f"{self._model}/ready", refused=CompileFailed)
        model = self._metadata(self._model, CompileFailed)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(CALL_TIMEOUT_S)
        self._connection.timeout = CALL_TIMEOUT_S
        extensions = server.get("extensions") or []
        self._binary = _BINARY in extensions
        try:
            return RemoteModelFacts(
                inputs=_read_tensors(model.get("inputs") or []),
                outputs=_read_tensors(model.get("outputs") or []),
                server=f"{server.get('name', '')} {server.get('version', '')}".strip(),
                platform=str(model.get("platform", "")),
                extensions=tuple(map(str, extensions)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(f"metadata with tensors of another form ({error!r})", CompileFailed) from error

    def infer(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One inference."""
        inputs: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for name, array in tensors.items():
            described = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
            if self._binary:
                parts.append(to_raw(array))
                inputs.append(described | {"parameters": {"binary_data_size": len(parts[-1])}})
            else:
                inputs.append(described | {"data": to_json(array)})
        request: dict[str, Any] = {"inputs": inputs}
        if self._binary:
            request["parameters"] = {"binary_data_output": True}
        header = json.dumps(request, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/octet-stream" if self._binary else "application/json"}
        if self._binary:
            headers[_HEADER_LENGTH] = str(len(header))
        content, json_length = self._ask(
            "POST", f"{self._model}/infer", body=b"".join([header, *parts]), headers=headers, refused=WrongOutput
        )
        return self._read_answer(content, json_length)

    def close(self) -> None:
        """Ends it."""
        self._connection.close()

    def _read_answer(self, content: bytes, json_length: int | None) -> dict[str, NDArray[Any]]:
        end = len(content) if json_length is None else json_length
        answer = self._read_json(content[:end], WrongOutput)
        outputs: dict[str, NDArray[Any]] = {}
        try:
            for output in answer["outputs"]:
                name, datatype, shape = output["name"], output["datatype"], output["shape"]
                size = (output.get("parameters") or {}).get("binary_data_size")
                if size is None:
                    outputs[name] = from_values(name, datatype, shape, output["data"])
                else:
                    outputs[name] = from_raw(name, datatype, shape, content[end : end + size])
                    end += size
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._strange(f"outputs of another form ({error!r})", WrongOutput) from error
        return outputs

    def _metadata(self, path: str, refused: type[JobError]) -> dict[str, Any]:
        return self._read_json(self._ask("GET", path, refused=refused)[0], refused)

    def _read_json(self, content: bytes, refused: type[JobError]) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise self._strange(f"what is no JSON: {content[:100]!r}", refused) from error
        if not isinstance(answer, dict):
            raise self._strange(f"JSON that is no object: {content[:100]!r}", refused)
        return answer

    def _ask(
        self,
        method: str,
        path: str,
        *,
        refused: type[JobError],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[bytes, int | None]:
        """The body of the answer, and the length of its JSON where bytes follow. Raises `refused` for an error."""
        kept = self._connection.sock is not None
        try:
            try:
                status, content, json_length = self._exchange(method, path, body, headers or {})
            except (ConnectionError, HTTPException):
                # A server may close a kept connection at any time; only then it is worth a second try.
                self._connection.close()
                if not kept:
                    raise
                status, content, json_length = self._exchange(method, path, body, headers or {})
        except TimeoutError as error:
            self._connection.close()
            raise Unreachable(f"{self._target} does not answer within {self._connection.timeout:g} s") from error
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"nothing answers HTTP at {self._target}: {error or type(error).__name__}") from error
        if not 200 <= status < 300:
            words = _gist(content)
            raise refused(f"{self._target} answers {status} to {method} {path}{': ' if words else ''}{words}")
        return content, json_length

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, int | None]:
        self._connection.request(method, path, body=body, headers=dict(headers))
        response = self._connection.getresponse()
        content = response.read(LARGEST_ANSWER_BYTES + 1)
        if len(content) > LARGEST_ANSWER_BYTES:
            self._connection.close()
            raise WrongOutput(f"{self._target} sent more than {LARGEST_ANSWER_BYTES:,} bytes")
        length = response.getheader(_HEADER_LENGTH)
        return response.status, content, int(length) if length is not None and length.isdecimal() else None

    def _strange(self, words: str, kind: type[JobError]) -> JobError:
        return kind(f"{self._target} answers with {words}; does it speak the Open Inference Protocol?")


def _gist(content: bytes) -> str:
    """The text of a refusal in one line; of a long one, such as a traceback, the beginning and the end."""
    words = " ".join(content.decode("utf-8", "replace").split())
    return words if len(words) <= 600 else f"{words[:200]} ... {words[-400:]}"


def _read_tensors(tensors: Sequence[Mapping[str, Any]]) -> tuple[RemoteTensor, ...]:
    return tuple(
        RemoteTensor(str(tensor["name"]), str(tensor["datatype"]), free_extents(tensor["shape"])) for tensor in tensors
    )
