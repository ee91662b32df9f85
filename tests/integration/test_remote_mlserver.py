"""The backend remote against a real server: MLServer from PyPI, over gRPC and HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from profiler_agent.backends.base import CompiledModel, CompileRequest
from profiler_agent.backends.remote import BACKEND
from profiler_agent.errors import CompileFailed, Unreachable, WrongOutput
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.work import Load, RunLimits, Scenario, TensorSpec, Variant
from tests.mlserver.environment import CannotInstall, mlserver, running_mlserver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WEIGHTS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.25]], dtype=np.float32)
X = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """HOST:PORT of a running MLServer by scheme."""
    try:
        program = mlserver()
    except CannotInstall as error:
        pytest.skip(str(error))
    with running_mlserver(tmp_path_factory.mktemp("mlserver"), program) as (grpc_address, http_address):
        yield {"grpc": grpc_address, "http": http_address}


Connect = Callable[[str], CompiledModel]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Compiles a target; closes what it opened."""
    opened: list[CompiledModel] = []

    def connected(url: str) -> CompiledModel:
        request = CompileRequest(
            variant=Variant(backend="remote"),
            artifact=None,
            format="",
            digest="",
            cache=tmp_path,
            workspace=tmp_path,
            remote_target=url,
        )
        opened.append(BACKEND.compile(request))
        return opened[-1]

    yield connected
    for model in opened:
        model.close()


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_served_model_is_described_and_answers(addresses: dict[str, str], connect: Connect, scheme: str) -> None:
    model = connect(f"{scheme}://{addresses[scheme]}/linear")
    assert model.inputs == (TensorSpec(name="x", element_type="float32", shape=(None, 3)),)
    assert model.outputs == (TensorSpec(name="scores", element_type="float32", shape=(None, 2)),)
    assert model.facts.details["server"].startswith("mlserver 1.")
    assert model.facts.details["platform"] == "numpy"
    for rows in (1, 5):
        scores = model.run({"x": X[:rows]})["scores"]
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, X[:rows] @ WEIGHTS, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_what_the_server_refuses_is_told_in_its_words(addresses: dict[str, str], connect: Connect, scheme: str) -> None:
    with pytest.raises(CompileFailed, match="unheard_of"):
        connect(f"{scheme}://{addresses[scheme]}/unheard_of")
    model = connect(f"{scheme}://{addresses[scheme]}/linear")
    with pytest.raises(WrongOutput, match="a million is too much"):
        model.run({"x": np.full((1, 3), 1e6, dtype=np.float32)})
    # The connection outlives the refusal.
    np.testing.assert_allclose(model.run({"x": X})["scores"], X @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_the_wrong_port_is_not_taken_for_the_protocol(addresses: dict[str, str], connect: Connect) -> None:
    with pytest.raises(Unreachable, match=addresses["http"]):
        connect(f"grpc://{addresses['http']}/linear")
    with pytest.raises(Unreachable, match=addresses["grpc"]):
        connect(f"http://{addresses['grpc']}/linear")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_load_is_driven_at_it(addresses: dict[str, str], connect: Connect, scheme: str) -> None:
    model = connect(f"{scheme}://{addresses[scheme]}/linear")

    class Served:
        samples = len(X)

        def run(self, samples: object) -> None:
            model.run({"x": X[np.asarray(samples)]})

    load = Load(scenario=Scenario.SERVER, rate_per_s=40.0)
    requests = drive(Served(), load, RunLimits(min_duration_s=1.0, min_queries=20), seed=1)
    assert len(requests.finished_ns) >= 20
    assert not requests.failed.any(), requests.first_error
