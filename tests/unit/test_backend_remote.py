"""The backend remote against small servers of the protocol in this process."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from profiler_agent.backends import find_backend
from profiler_agent.backends._remote_target import is_loopback, parse_target
from profiler_agent.backends._remote_tensors import DATATYPES, from_raw, from_values, to_json, to_raw
from profiler_agent.backends.base import CompileRequest
from profiler_agent.backends.remote import BACKEND, check_target
from profiler_agent.errors import BackendUnavailable, CompileFailed, Unreachable, UnsupportedOperator, WrongOutput
from profiler_agent.work import Precision, TensorSpec, Variant
from tests.open_inference_server import Behaviour, grpc_server, http_server

SERVERS = {"grpc": grpc_server, "http": http_server}
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture(params=["grpc", "http"])
def server(request: pytest.FixtureRequest, behaviour: Behaviour) -> Iterator[str]:
    """Address of a server of each transport."""
    with SERVERS[request.param](behaviour) as url:
        yield url


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[str], CompileRequest]:
    """Makes the request for a target."""

    def request(url: str) -> CompileRequest:
        return CompileRequest(
            variant=Variant(backend="remote"),
            artifact=None,
            format="",
            digest="",
            cache=tmp_path,
            workspace=tmp_path,
            remote_target=url,
        )

    return request


Asked = Callable[[str], CompileRequest]


def test_it_is_found_and_available() -> None:
    assert find_backend("remote") is BACKEND
    probe = BACKEND.probe()
    assert probe.available
    assert "sends load to loopback" in probe.detail


def test_a_served_model_is_described_and_run(server: str, asked: Asked) -> None:
    model = BACKEND.compile(asked(f"{server}/double"))
    assert model.inputs == (TensorSpec(name="x", element_type="float32", shape=(None, 3)),)
    assert model.outputs == (TensorSpec(name="y", element_type="float32", shape=(None, 3)),)
    assert model.facts.details["server"] == "test server 1.2"
    assert model.facts.details["platform"] == "numpy"
    assert model.facts.device == "remote"
    np.testing.assert_array_equal(model.run({"x": X})["y"], X + X)
    model.close()


def test_all_calls_of_a_model_use_one_connection_and_each_model_its_own(
    server: str, behaviour: Behaviour, asked: Asked
) -> None:
    first, second = (BACKEND.compile(asked(f"{server}/double")) for _ in range(2))
    for _ in range(3):
        first.run({"x": X})
    assert len(behaviour.connections) == 1
    second.run({"x": X})
    assert len(behaviour.connections) == 2
    first.close()
    second.close()


@pytest.mark.parametrize("datatype", sorted(set(DATATYPES.values()) - {"BYTES"}))
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_every_type_comes_back(server: str, behaviour: Behaviour, asked: Asked, datatype: str, binary: bool) -> None:
    behaviour.datatype, behaviour.binary = datatype, binary
    model = BACKEND.compile(asked(f"{server}/double"))
    x = np.array([[0, 1, 1], [1, 0, 3]]).astype(model.inputs[0].element_type)
    y = model.run({"x": x})["y"]
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x + x)
    model.close()


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_texts_come_back(server: str, behaviour: Behaviour, asked: Asked, binary: bool) -> None:
    behaviour.datatype, behaviour.binary = "BYTES", binary
    model = BACKEND.compile(asked(f"{server}/double"))
    texts = np.array([["a", "", "ü"]], dtype=object)
    assert model.run({"x": texts})["y"].tolist() == [[b"a", b"", "ü".encode()]]
    model.close()


def test_binary_tensors_are_sent_only_to_servers_that_name_the_extension(behaviour: Behaviour, asked: Asked) -> None:
    with http_server(behaviour) as url:
        for behaviour.binary in (True, False):
            model = BACKEND.compile(asked(f"{url}/double"))
            model.run({"x": X})
            model.close()
    assert behaviour.requests == ["application/octet-stream", "application/json"]


def test_a_kept_connection_that_the_server_closed_is_opened_again(behaviour: Behaviour, asked: Asked) -> None:
    behaviour.closes = True
    with http_server(behaviour) as url:
        model = BACKEND.compile(asked(f"{url}/double"))
        for _ in range(3):
            np.testing.assert_array_equal(model.run({"x": X})["y"], X + X)
        model.close()


def test_values_in_typed_fields_are_read_too(behaviour: Behaviour, asked: Asked) -> None:
    behaviour.typed = True
    with grpc_server(behaviour) as url:
        model = BACKEND.compile(asked(f"{url}/double"))
        np.testing.assert_array_equal(model.run({"x": X})["y"], X + X)
        model.close()


def test_a_model_that_declares_nothing_gets_the_feed_as_it_is(server: str, behaviour: Behaviour, asked: Asked) -> None:
    behaviour.declares = False
    model = BACKEND.compile(asked(f"{server}/double"))
    assert model.inputs == ()
    assert model.run({"x": X})["y"].tolist() == (X + X).tolist()
    model.close()


def test_a_feed_that_does_not_fit_is_named_before_it_is_sent(server: str, behaviour: Behaviour, asked: Asked) -> None:
    model = BACKEND.compile(asked(f"{server}/double"))
    with pytest.raises(ValueError, match="'x' has the shape"):
        model.run({"x": X[:, :2]})
    assert not behaviour.connections
    model.close()


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_port_where_nothing_listens_is_unreachable_by_name(
    scheme: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler_agent.backends._remote_grpc.CONNECT_TIMEOUT_S", 0.3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused, nobody else takes it
        url = f"{scheme}://127.0.0.1:{free.getsockname()[1]}/double"
        with pytest.raises(Unreachable, match=f"at {url}"):
            BACKEND.compile(asked(url))


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_never_answers_is_unreachable(scheme: str, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler_agent.backends._remote_grpc.CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr("profiler_agent.backends._remote_http.CONNECT_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/double"
        with pytest.raises(Unreachable, match=f"{url}"):
            BACKEND.compile(asked(url))


def test_a_server_that_goes_away_is_unreachable(asked: Asked) -> None:
    for serve in SERVERS.values():
        with serve(Behaviour()) as url:
            model = BACKEND.compile(asked(f"{url}/double"))
            model.run({"x": X})
            if url.startswith("http"):
                model._connection._connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
        with pytest.raises(Unreachable, match=f"{url}/double"):
            model.run({"x": X})
        model.close()


def test_a_server_that_is_not_ready(server: str, behaviour: Behaviour, asked: Asked) -> None:
    behaviour.ready = False
    with pytest.raises(Unreachable, match=f"{server}/double"):
        BACKEND.compile(asked(f"{server}/double"))


def test_an_unknown_model_and_one_that_is_not_ready(server: str, behaviour: Behaviour, asked: Asked) -> None:
    with pytest.raises(CompileFailed, match=f"{server}/triple answers .*no "):
        BACKEND.compile(asked(f"{server}/triple"))
    behaviour.model_ready = False
    with pytest.raises(CompileFailed, match="double"):
        BACKEND.compile(asked(f"{server}/double"))


def test_the_servers_own_words_are_kept(server: str, behaviour: Behaviour, asked: Asked) -> None:
    model = BACKEND.compile(asked(f"{server}/double"))
    behaviour.error = "out of cheese"
    with pytest.raises(WrongOutput, match="out of cheese"):
        model.run({"x": X})
    behaviour.error = ""
    model.run({"x": X})
    model.close()


def test_answers_that_are_cut_short(server: str, behaviour: Behaviour, asked: Asked) -> None:
    model = BACKEND.compile(asked(f"{server}/double"))
    behaviour.short = True
    with pytest.raises(WrongOutput, match=r"'y' has 23 bytes, FP32 \[2, 3\] needs 24"):
        model.run({"x": X})
    model.close()


def test_more_contents_than_outputs(behaviour: Behaviour, asked: Asked) -> None:
    behaviour.extra_raw = True
    with grpc_server(behaviour) as url:
        model = BACKEND.compile(asked(f"{url}/double"))
        with pytest.raises(WrongOutput, match="1 outputs with the bytes of 2"):
            model.run({"x": X})
        model.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "what is no JSON"),
        (b"[]", "JSON that is no object"),
        (b"{}", "outputs of another form"),
        (b'{"outputs": 3}', "outputs of another form"),
        (b'{"outputs": []}', "lacks the output 'y'"),
        (b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 3], "data": [1]}]}', "1 values for the shape"),
        (b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": ["a"]}]}', "what is not FP32"),
        (b'{"outputs": [{"name": "y", "datatype": "FP99", "shape": [1], "data": [1]}]}', "unknown type 'FP99'"),
        (b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [-1], "data": [1]}]}', "impossible shape"),
    ],
)
def test_answers_that_are_not_the_protocols(behaviour: Behaviour, asked: Asked, answer: bytes, words: str) -> None:
    with http_server(behaviour) as url:
        model = BACKEND.compile(asked(f"{url}/double"))
        behaviour.answer = answer
        with pytest.raises(WrongOutput, match=words):
            model.run({"x": X})
        model.close()


def test_metadata_of_another_form(behaviour: Behaviour, asked: Asked) -> None:
    behaviour.metadata = json.dumps({"inputs": [{"name": "x"}]}).encode()
    with http_server(behaviour) as url, pytest.raises(CompileFailed, match="metadata with tensors of another form"):
        BACKEND.compile(asked(f"{url}/double"))


def test_a_type_without_counterpart_is_named(server: str, behaviour: Behaviour, asked: Asked) -> None:
    behaviour.datatype = "BF16"
    with pytest.raises(UnsupportedOperator, match="'x' is of type BF16"):
        BACKEND.compile(asked(f"{server}/double"))


def test_what_the_server_decides_cannot_be_asked_for(asked: Asked) -> None:
    request = asked("grpc://localhost:1/m")
    for change in ({"precision": Precision.FP16}, {"mode": "fast"}, {"device": "cuda:0"}):
        with pytest.raises(BackendUnavailable, match="ask for fp32"):
            BACKEND.compile(replace(request, variant=replace(request.variant, **change)))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "names no remote target"),
        ("localhost:8001/m", "is of the kind 'localhost'"),
        ("https://localhost:8000/m", "is of the kind 'https'"),
        ("grpc://localhost/m", "lacks its port"),
        ("grpc://localhost:8001", "lacks its model"),
        ("grpc://localhost:8001/a/b", "lacks its model"),
        ("grpc://:8001/", "lacks its host and model"),
        ("grpc://localhost:99999/m", "is no address"),
        ("grpc://me:secret@localhost:1/m", "holds a user name or password"),
        ("http://localhost:1/m?a=b", "has a query"),
    ],
)
def test_addresses_that_are_none(url: str, words: str) -> None:
    with pytest.raises(Unreachable, match=words) as caught:
        check_target(url, ())
    assert "grpc://HOST:PORT/MODEL" in caught.value.message


def test_load_goes_to_loopback_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MSEARCH_ALLOWED_REMOTE_TARGETS", raising=False)
    for host in ("localhost", "127.0.0.1", "127.3.4.5", "[::1]", "[::ffff:127.0.0.1]"):
        check_target(f"grpc://{host}:1/m")
    for host in ("192.0.2.1", "example.org", "[2001:db8::1]", "0.0.0.0", "localhost.example.org", "127.0.0.1.nip.io"):
        with pytest.raises(BackendUnavailable, match="--allow-remote-target"):
            check_target(f"http://{host}:1/m")
    monkeypatch.setenv("MSEARCH_ALLOWED_REMOTE_TARGETS", "192.0.2.1, Example.org")
    assert check_target("http://example.ORG:1/m").port == 1
    with pytest.raises(
        BackendUnavailable, match=r"loopback and 192\.0\.2\.1, Example\.org only, not to '192\.0\.2\.2'"
    ):
        check_target("http://192.0.2.2:1/m")
    with pytest.raises(BackendUnavailable):
        check_target("http://192.0.2.1:1/m", ())


def test_an_address_prints_as_it_was_written() -> None:
    for url in ("grpc://[::1]:8001/m", "http://localhost:80/resnet"):
        assert str(parse_target(url)) == url
    assert parse_target("grpc://localhost:1/a%20b").model == "a b"
    assert not is_loopback("")


@given(arrays(np.float32, (3, 2), elements=st.floats(width=32)))
def test_raw_values_come_back_bit_for_bit(values: np.ndarray) -> None:
    back = from_raw("y", "FP32", values.shape, to_raw(values))
    assert back.tobytes() == values.tobytes()
    back[0, 0] = 1.0  # writable
    again = from_values("y", "FP32", values.shape, json.loads(json.dumps(to_json(values))))
    finite = np.isfinite(values)
    assert np.array_equal(again[finite], values[finite])
    assert np.isnan(again[~finite]).all()


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=5), st.binary(min_size=1, max_size=3))
def test_raw_texts_come_back_and_what_is_cut_is_found(texts: list[bytes], rest: bytes) -> None:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    assert from_raw("y", "BYTES", [len(texts)], to_raw(array)).tolist() == texts
    with pytest.raises(WrongOutput):
        from_raw("y", "BYTES", [len(texts)], to_raw(array) + rest)
