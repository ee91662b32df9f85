"""What every backend that discovery finds must keep to, on small real models."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiler_agent.backends import Backend, find_backends
from profiler_agent.backends.base import CompiledModel, CompileRequest, Feed, Probe
from profiler_agent.errors import BackendUnavailable, CompileFailed, JobError, RefusedFormat, UnsupportedOperator
from profiler_agent.work import Precision, Variant
from tests import compiled_models
from tests.compiled_models import EXAMPLES, digest, reference, write_model

BACKENDS = find_backends()
SLOW = frozenset({"inductor"})  # 5 to 30 seconds a compilation
TOLERANCES = {Precision.FP32: 1e-4, Precision.BF16: 3e-2, Precision.FP16: 5e-3}
RUNTIMES = (
    "torch", "torchao", "onnx", "onnxruntime", "openvino", "nncf", "tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"
)  # fmt: skip


def named(names: Sequence[str]) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in names]


ALL = sorted(BACKENDS)
READERS = [name for name in ALL if BACKENDS[name].formats]
readers = pytest.mark.parametrize("name", named(READERS))


@cache
def probed(name: str) -> Probe:
    return BACKENDS[name].probe()


def usable(name: str) -> Backend:
    if not probed(name).available:
        pytest.skip(probed(name).detail)
    return BACKENDS[name]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


Ask = Callable[..., CompileRequest]


@pytest.fixture
def ask(models: Path, tmp_path: Path) -> Ask:
    """Makes requests with a cache and workspaces of the test's own."""

    def make(name: str, example: str | Path = "mlp", *, calibrate: bool = True, **variant: Any) -> CompileRequest:
        kind = BACKENDS[name].formats[0] if BACKENDS[name].formats else ""
        path = write_model(models, example, kind) if isinstance(example, str) and kind else example
        asked = Variant(backend=name, **variant)
        static = asked.precision is Precision.INT8_STATIC and calibrate and isinstance(example, str)
        workspace = tmp_path / f"workspace-{len(list(tmp_path.iterdir()))}"
        workspace.mkdir()
        return CompileRequest(
            variant=asked,
            artifact=path if isinstance(path, Path) else None,
            format=kind,
            digest=digest(path) if isinstance(path, Path) else "",
            cache=tmp_path / "cache",
            workspace=workspace,
            calibration=[EXAMPLES[str(example)].feed(32, seed) for seed in range(3)] if static else (),
        )

    return make


def feed_of(compiled: CompiledModel, example: str, rows: int, seed: int = 7) -> Feed:
    """Rows for a model; one that is fixed to a batch gets that many."""
    extent = compiled.inputs[0].shape[0]
    return EXAMPLES[example].feed(extent if isinstance(extent, int) else rows, seed)


def outputs_of(compiled: CompiledModel, example: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Outputs for at least that many rows, and the reference for the same."""
    given, wanted, seed = [], [], 100
    while sum(map(len, given)) < rows:
        feed = feed_of(compiled, example, rows, seed)
        given.append(compiled.run(feed)["logits"])
        wanted.append(reference(example, feed))
        seed += 1
    return np.concatenate(given), np.concatenate(wanted)


def assert_agrees(given: np.ndarray, wanted: np.ndarray, precision: Precision) -> None:
    assert given.shape == wanted.shape
    assert given.dtype == np.float32
    if precision in TOLERANCES:
        assert np.abs(given - wanted).max() <= TOLERANCES[precision] * np.abs(wanted).max()
        return
    noise = np.square(given - wanted).sum()
    assert 10 * np.log10(np.square(wanted).sum() / noise) >= 20  # dB
    assert np.mean(given.argmax(axis=1) == wanted.argmax(axis=1)) >= 0.9


def in_new_process(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_backends_of_this_project_are_found() -> None:
    assert {"null", "torch", "inductor", "onnxruntime", "openvino"} <= BACKENDS.keys()
    assert all(name == backend.name for name, backend in BACKENDS.items())
    assert all(set(backend.formats) <= {"onnx", "torch_export"} for backend in BACKENDS.values())


@pytest.mark.parametrize("name", ALL)
def test_a_probe_explains_itself(name: str) -> None:
    probe = probed(name)
    assert probe.detail
    if probe.available:
        assert probe.version
        assert len(set(probe.devices)) == len(probe.devices)
        assert Precision.FP32 in probe.precisions
        assert probe.modes


def test_finding_backends_imports_no_runtime() -> None:
    found = in_new_process(f"""
        import sys
        from profiler_agent.backends import find_backends
        import profiler_agent.onnx_files
        find_backends()
        print([name for name in {RUNTIMES!r} if name in sys.modules])
    """)
    assert found.strip() == "[]"


def test_a_missing_runtime_is_explained_with_how_to_install_it() -> None:
    found = in_new_process(f"""
        import sys
        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {RUNTIMES!r}:
                    raise ImportError(f"no {{name}} here")
        sys.meta_path.insert(0, Missing())
        from profiler_agent.backends import find_backends
        for name, backend in find_backends().items():
            if backend.formats:
                probe = backend.probe()
                print(name, probe.available, "install" in probe.detail)
    """)
    assert found.splitlines() == [f"{name} False True" for name in READERS]


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("example", list(EXAMPLES))
@readers
def test_outputs_agree_with_the_reference(
    name: str, example: str, precision: Precision, ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    backend, probe = usable(name), probed(name)
    if precision not in probe.precisions:
        with pytest.raises(BackendUnavailable, match=precision):
            backend.compile(ask(name, example, precision=precision))
        return
    compiled_in: list[str] = []
    for mode in probe.modes:
        try:
            compiled = backend.compile(ask(name, example, precision=precision, mode=mode))
        except BackendUnavailable:  # a precision may be offered in one mode only
            continue
        compiled_in.append(mode)
        assert_agrees(*outputs_of(compiled, example, 64), precision)
        assert compiled.facts.device in probe.devices
        assert compiled.facts.size_bytes > 0
        assert compiled.facts.compile_ns > 0
        assert compiled.facts.load_ns > 0
        compiled.close()
    assert compiled_in
    assert capfd.readouterr() == ("", "")  # runtimes are captured, not let at the terminal


@readers
def test_batches(name: str, ask: Ask) -> None:
    backend = usable(name)
    for mode in probed(name).modes:
        for batch_size in (1, 8):
            compiled = backend.compile(ask(name, "cnn", batch_size=batch_size, mode=mode))
            extent = compiled.inputs[0].shape[0]
            assert extent == compiled.outputs[0].shape[0]
            assert extent == batch_size or isinstance(extent, str)
            for rows in (1, 3, 8) if isinstance(extent, str) else (batch_size,):
                feed = EXAMPLES["cnn"].feed(rows)
                assert_agrees(compiled.run(feed)["logits"], reference("cnn", feed), Precision.FP32)
            if isinstance(extent, int):
                with pytest.raises(ValueError, match=f"{batch_size}, 3, 32, 32"):
                    compiled.run(EXAMPLES["cnn"].feed(batch_size + 1))
            compiled.close()


@readers
def test_results_are_not_overwritten_by_the_next_call(name: str, ask: Ask) -> None:
    compiled = usable(name).compile(ask(name))
    first = compiled.run(feed_of(compiled, "mlp", 1, 1))["logits"]
    before = first.copy()
    compiled.run(feed_of(compiled, "mlp", 1, 2))
    np.testing.assert_array_equal(first, before)


@readers
def test_feeds_that_do_not_fit_are_refused_by_name(name: str, ask: Ask) -> None:
    compiled = usable(name).compile(ask(name))
    good = dict(feed_of(compiled, "mlp", 1))
    for bad, said in (
        ({}, "lacks the input 'x'"),
        ({"y": good["x"]}, "lacks the input 'x' and has the unknown 'y'"),
        (good | {"y": good["x"]}, "has the unknown 'y'"),
        ({"x": good["x"].astype(np.float64)}, "'x' is float64"),
        ({"x": good["x"][:, :15]}, "15"),
        ({"x": good["x"][0]}, "'x' has the shape"),
    ):
        with pytest.raises(ValueError, match=said.replace("[", r"\[")):
            compiled.run(bad)
    assert_agrees(compiled.run(good)["logits"], reference("mlp", good), Precision.FP32)
    good["x"].flags.writeable = False
    compiled.run(good)


@readers
def test_closing(name: str, ask: Ask) -> None:
    compiled = usable(name).compile(ask(name))
    feed = feed_of(compiled, "mlp", 1)
    compiled.run(feed)
    compiled.close()
    compiled.close()
    with pytest.raises(ValueError, match="closed"):
        compiled.run(feed)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8_STATIC])
@readers
def test_what_is_kept_is_found_again_and_made_again_when_damaged(name: str, precision: Precision, ask: Ask) -> None:
    backend = usable(name)
    if precision not in probed(name).precisions:
        pytest.skip(f"{name} offers no {precision} here: {probed(name).detail}")
    for mode in probed(name).modes:
        request = ask(name, precision=precision, mode=mode)
        try:
            first = backend.compile(request)
        except BackendUnavailable:
            continue
        given, wanted = outputs_of(first, "mlp", 16)
        kept = sorted(path for path in request.cache.rglob("*") if path.is_file())
        assert not first.facts.from_cache
        second = backend.compile(ask(name, precision=precision, mode=mode))
        assert second.facts.from_cache == bool(kept)
        np.testing.assert_allclose(outputs_of(second, "mlp", 16)[0], given, atol=1e-6)
        second.close()
        for path in kept:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"damage")
        third = backend.compile(ask(name, precision=precision, mode=mode))
        assert not third.facts.from_cache
        assert_agrees(outputs_of(third, "mlp", 16)[0], wanted, precision)
        assert sorted(path for path in request.cache.rglob("*") if path.is_file()) == kept
        for compiled in (first, third):
            compiled.close()


@readers
def test_other_batches_threads_and_models_do_not_share_what_is_kept(name: str, ask: Ask) -> None:
    backend = usable(name)
    mode = probed(name).modes[-1]
    backend.compile(ask(name, "mlp", mode=mode)).close()
    for other in ({"batch_size": 2}, {"threads": 2}):
        assert not backend.compile(ask(name, "mlp", mode=mode, **other)).facts.from_cache
    assert not backend.compile(ask(name, "cnn", mode=mode)).facts.from_cache


@pytest.mark.parametrize("name", ALL)
def test_modes_and_devices_that_are_not_there_are_refused(name: str, ask: Ask) -> None:
    backend = usable(name)
    with pytest.raises(JobError, match=r"nonsense|no other"):
        backend.compile(ask(name, mode="nonsense"))
    if backend.formats:
        with pytest.raises(BackendUnavailable, match="cuda:99"):
            backend.compile(ask(name, device="cuda:99"))


@pytest.mark.parametrize("name", READERS)
def test_other_formats_are_refused(name: str, ask: Ask) -> None:
    backend = usable(name)
    with pytest.raises(UnsupportedOperator, match="pickle"):
        backend.compile(replace(ask(name), format="pickle"))
    with pytest.raises(UnsupportedOperator, match="nothing"):
        backend.compile(replace(ask(name), artifact=None, format=""))


@pytest.mark.parametrize("name", READERS)
def test_an_unknown_operator_is_named(name: str, ask: Ask, models: Path) -> None:
    backend = usable(name)
    path = compiled_models.write_unknown_operator(models, backend.formats[0])
    with pytest.raises(UnsupportedOperator, match=r"[Ff]robnicate"):
        backend.compile(ask(name, path))


@pytest.mark.parametrize("kind", ["empty", "noise", "truncated", "pickle", "text"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_artifact_is_a_clear_failure(name: str, kind: str, ask: Ask, tmp_path: Path) -> None:
    backend = usable(name)
    good = ask(name).artifact
    assert good is not None
    path = tmp_path / f"bad{good.suffix}"
    path.write_bytes(compiled_models.damaged(good.read_bytes(), kind))
    request = ask(name, path)
    with pytest.raises(JobError) as caught:
        backend.compile(request)
    assert isinstance(caught.value, CompileFailed | RefusedFormat)
    assert len(caught.value.message) > 20
    assert not list(request.cache.rglob("*.*"))


@readers
def test_nan_passes_through(name: str, ask: Ask, models: Path) -> None:
    backend = usable(name)
    compiled = backend.compile(ask(name, compiled_models.write_logarithm(models, backend.formats[0])))
    output = compiled.run({"x": np.array([[-1.0, 1.0]], np.float32)})["y"]
    np.testing.assert_array_equal(np.isnan(output), [[True, False]])


@pytest.mark.parametrize("name", READERS)
def test_a_fixed_batch_is_not_stretched(name: str, ask: Ask, models: Path) -> None:
    backend = usable(name)
    path = compiled_models.write_fixed(models, backend.formats[0], batch=4)
    with pytest.raises(CompileFailed, match="fixed batch of 4, not 8"):
        backend.compile(ask(name, path, batch_size=8))


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8_STATIC])
@readers
def test_a_fixed_batch_is_kept(name: str, precision: Precision, ask: Ask, models: Path) -> None:
    backend = usable(name)
    if precision not in probed(name).precisions:
        pytest.skip(f"{name} offers no {precision} here: {probed(name).detail}")
    path = compiled_models.write_fixed(models, backend.formats[0], batch=4)
    request = ask(name, path, precision=precision, batch_size=4)
    rows = EXAMPLES["mlp"].feed(70, 1)
    compiled = backend.compile(replace(request, calibration=[rows]))
    feed = EXAMPLES["mlp"].feed(4)
    (output,) = compiled.run(feed).values()
    assert compiled.inputs[0].shape == (4, 16)
    assert_agrees(output, reference("mlp", feed), precision)


@readers
def test_calibration_is_asked_for(name: str, ask: Ask) -> None:
    backend = usable(name)
    if Precision.INT8_STATIC not in probed(name).precisions:
        pytest.skip(f"{name} offers no int8_static here: {probed(name).detail}")
    with pytest.raises((CompileFailed, BackendUnavailable), match=r"calibrate|int8_static"):
        backend.compile(ask(name, precision=Precision.INT8_STATIC, mode=probed(name).modes[-1], calibrate=False))
