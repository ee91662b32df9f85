"""Programs of torch.export in the layouts and precisions of their variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiler_agent.backends.base import CompileRequest
from profiler_agent.backends.torch import BACKEND
from profiler_agent.errors import BackendUnavailable, CompileFailed, RefusedFormat, UnsupportedOperator
from profiler_agent.work import Precision, TensorSpec, Variant
from tests.compiled_models import damaged, digest, rewrite_program, save_program, write_logarithm, write_model

torch = pytest.importorskip("torch", reason="torch is not installed")


def request_for(path: Path, **variant: Any) -> CompileRequest:
    return CompileRequest(
        variant=Variant(backend="torch", **variant),
        artifact=path,
        format="torch_export",
        digest=digest(path),
        cache=path.parent / "cache",
        workspace=path.parent,
    )


def test_the_batch_is_named_and_threads_are_set(tmp_path: Path) -> None:
    path = write_model(tmp_path, "cnn", "torch_export")
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            compiled = BACKEND.compile(request_for(path, threads=threads))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert compiled.inputs == (TensorSpec(name="image", element_type="float32", shape=("batch", 3, 32, 32)),)
    assert compiled.outputs == (TensorSpec(name="logits", element_type="float32", shape=("batch", 10)),)
    assert not list(tmp_path.glob("*.clean.pt2"))


class Halves(torch.nn.Module):
    """What a conversion to a half precision trips over: casts, constants and buffers inside the program."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor([1.0, 2.0]))
        self.register_buffer("steps", torch.tensor(3))

    def forward(self, x: Any, index: Any) -> Any:
        inside = torch.zeros(2, dtype=torch.float32) + torch.tensor([0.5, 0.25])
        y = (x + self.shift).to(torch.float32) * self.steps + inside
        return {"y": y.softmax(-1), "where": index + 1, "same": x}


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_a_half_precision_changes_neither_inputs_nor_outputs(precision: Precision, tmp_path: Path) -> None:
    x, index = np.float32([[0.1, 0.2], [0.3, -0.4]]), np.array([[1], [2]])
    save_program(Halves(), {"x": x, "index": index}, tmp_path / "m.pt2")
    compiled = BACKEND.compile(request_for(tmp_path / "m.pt2", precision=precision))
    assert {spec.name: spec.element_type for spec in compiled.outputs} == {
        "y": "float32", "where": "int64", "same": "float32",
    }  # fmt: skip
    given = compiled.run({"x": x, "index": index})
    wanted = Halves()(torch.from_numpy(x), torch.from_numpy(index))
    assert (given["y"] == wanted["y"].numpy()).all() == (precision is Precision.FP32)
    np.testing.assert_allclose(given["y"], wanted["y"].numpy(), atol=2e-2)
    np.testing.assert_allclose(given["same"], x, rtol=1e-2)
    np.testing.assert_array_equal(given["where"], index + 1)
    assert [array.dtype.name for array in given.values()] == ["float32", "int64", "float32"]


def test_a_program_that_gives_a_tensor_names_it_by_its_node(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(1, 3),)), path)
    compiled = BACKEND.compile(request_for(path))
    assert [(spec.name, spec.shape) for spec in compiled.inputs] == [("input", (1, 3))]
    assert [(spec.name, spec.shape) for spec in compiled.outputs] == [("linear", (1, 2))]
    assert compiled.run({"input": np.ones((1, 3), np.float32)})["linear"].shape == (1, 2)


def test_images_are_laid_out_with_the_channels_last(tmp_path: Path) -> None:
    from profiler_agent.backends import _torch_programs

    compiled = BACKEND.compile(request_for(write_model(tmp_path, "cnn", "torch_export"), mode="channels_last"))
    assert isinstance(compiled, _torch_programs.TorchModel)
    tensor = compiled._tensor(np.zeros((2, 3, 8, 8), np.float32))
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    kernels = [value for value in compiled._call.parameters() if value.ndim == 4]  # type: ignore[union-attr]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_fp16_is_for_gpus(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="offers no fp16 on cpu"):
        BACKEND.compile(
            request_for(write_model(tmp_path, "mlp", "torch_export"), precision=Precision.FP16, device="cpu")
        )


def test_custom_operators_are_named_and_their_libraries_not_loaded(tmp_path: Path) -> None:
    source = write_logarithm(tmp_path, "torch_export")
    rewrite_program(source, tmp_path / "c.pt2", {"torch.ops.aten.log.default": "torch.ops.mine.log.default"})
    with pytest.raises(UnsupportedOperator, match=r"torch\.ops\.mine\.log\.default .* never loaded"):
        BACKEND.compile(request_for(tmp_path / "c.pt2"))
    rewrite_program(source, tmp_path / "o.pt2", {"torch.ops.aten.log.default": "torch.ops.aten.frobnicate.default"})
    with pytest.raises(UnsupportedOperator, match=r"has no operator torch\.ops\.aten\.frobnicate\.default"):
        BACKEND.compile(request_for(tmp_path / "o.pt2"))


def test_a_pickle_in_disguise_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(damaged(b"", "pickle"))
    with pytest.raises(RefusedFormat, match="is a pickle"):
        BACKEND.compile(request_for(path))


def test_what_torch_says_of_a_program_is_passed_on(tmp_path: Path) -> None:
    source = write_logarithm(tmp_path, "torch_export")
    rewrite_program(source, tmp_path / "m.pt2", {'"name": "self"': '"name": "nobody"'})
    with pytest.raises(CompileFailed, match="self") as caught:
        BACKEND.compile(request_for(tmp_path / "m.pt2"))
    assert "warnings above" not in caught.value.message
