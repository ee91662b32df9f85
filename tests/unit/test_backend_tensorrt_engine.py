"""The bookkeeping around an engine - shapes, buffers, parts, refusals - with a pretended engine in host memory.

What a GPU computes is tested in tests/gpu; here the addresses that the engine gets are those of CPU tensors.
"""

from __future__ import annotations

import contextlib
import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="TensorRT's buffers are torch tensors: pip install torch")

from profiler_agent.backends._tensorrt_engine import TensorRtModel, UnusableEngine  # noqa: E402
from profiler_agent.backends._tensorrt_library import Library  # noqa: E402
from profiler_agent.backends.base import CompileFacts  # noqa: E402
from profiler_agent.errors import WrongOutput  # noqa: E402
from profiler_agent.work import TensorSpec  # noqa: E402

BATCH = 4
FACTS = CompileFacts(compile_ns=1, load_ns=1, from_cache=False, device="cpu", size_bytes=1)
SPECS = (
    (TensorSpec(name="x", element_type="float32", shape=("batch", 3)),),
    (TensorSpec(name="y", element_type="float32", shape=("batch", 2)),),
)


class PretendedEngine:
    """Gives the first two columns of "x" doubled as "y"; counts its runs."""

    def __init__(self) -> None:
        self.addresses: dict[str, int] = {}
        self.rows = 0
        self.runs: list[int] = []
        self.fails = False
        self.free = False

    def create_execution_context(self) -> PretendedEngine:
        return self

    def get_tensor_dtype(self, name: str) -> str:
        return "float"

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.rows = shape[0]
        return shape[0] <= BATCH

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, 2) if self.free else (self.rows, 2)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self.runs.append(self.rows)
        x, y = (
            np.ctypeslib.as_array((ctypes.c_float * (self.rows * columns)).from_address(self.addresses[name]))
            for name, columns in (("x", 3), ("y", 2))
        )
        y[:] = 2 * x.reshape(self.rows, 3)[:, :2].reshape(-1)
        return not self.fails


class PretendedLogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO = range(4)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> PretendedEngine:
    """An engine, with torch's CUDA made to mean the CPU."""
    for name in ("device", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: SimpleNamespace(cuda_stream=7, synchronize=lambda: None))
    return PretendedEngine()


def opened(engine: PretendedEngine | None) -> TensorRtModel:
    module: Any = SimpleNamespace(
        ILogger=PretendedLogger,
        DataType=SimpleNamespace(FLOAT="float"),
        Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: engine),
    )
    library = Library(module, "TensorRT for RTX", "1")
    return TensorRtModel(library, b"plan", device="cpu", batch_size=BATCH, specs=SPECS, facts=FACTS)


def test_any_number_of_rows_is_run_in_parts_that_the_engine_takes(engine: PretendedEngine) -> None:
    model = opened(engine)
    for rows, parts in ((1, [1]), (4, [4]), (9, [4, 4, 1]), (2, [2])):
        engine.runs.clear()
        x = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
        np.testing.assert_array_equal(model.run({"x": x})["y"], 2 * x[:, :2])
        assert engine.runs == parts


def test_results_are_not_overwritten_by_the_next_run(engine: PretendedEngine) -> None:
    model = opened(engine)
    x = np.ones((2, 3), dtype=np.float32)
    first = model.run({"x": x})["y"]
    model.run({"x": 5 * x})
    np.testing.assert_array_equal(first, 2 * x[:, :2])


def test_what_the_engine_refuses_is_an_error(engine: PretendedEngine) -> None:
    model = opened(engine)
    x = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="'x' has the shape"):
        model.run({"x": x[:, :2]})
    engine.fails = True
    with pytest.raises(WrongOutput, match="cannot run: it gives no reason"):
        model.run({"x": x})
    engine.free = True
    with pytest.raises(WrongOutput, match="'y' depends on values"):
        model.run({"x": x})
    model.close()
    model.close()
    with pytest.raises(ValueError, match="closed"):
        model.run({"x": x})


def test_an_engine_that_does_not_load_names_the_gpus_that_are_supported(engine: PretendedEngine) -> None:
    with pytest.raises(
        UnusableEngine, match=r"cannot load the engine: it gives no reason .*7\.5, 8\.6, 8\.9 and 12\.x"
    ):
        opened(None)
    engine.create_execution_context = lambda: None  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(UnusableEngine, match="cannot run the engine on cpu"):
        opened(engine)
