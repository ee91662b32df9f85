"""Inductor is unavailable without a C++ compiler, and offers int8 where it has kernels for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler_agent.backends.base import CompileRequest
from profiler_agent.backends.inductor import BACKEND
from profiler_agent.errors import BackendUnavailable
from profiler_agent.work import Precision, Variant

pytest.importorskip("torch", reason="torch is not installed")


def request(folder: Path, **variant: object) -> CompileRequest:
    return CompileRequest(
        variant=Variant(backend="inductor", **variant),  # type: ignore[arg-type]
        artifact=None,
        format="torch_export",
        digest="",
        cache=folder,
        workspace=folder,
    )


def test_the_compiler_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    probe = BACKEND.probe()
    assert not probe.available
    assert "no-such-compiler, which is not on the PATH; install g++, or set CXX" in probe.detail
    with pytest.raises(BackendUnavailable, match="no-such-compiler"):
        BACKEND.compile(request(tmp_path))


@pytest.mark.skipif(not BACKEND.probe().available, reason=BACKEND.probe().detail)
def test_int8_is_not_compiled_ahead_of_time(tmp_path: Path) -> None:
    for precision in (Precision.INT8_DYNAMIC, Precision.INT8_STATIC):
        with pytest.raises(BackendUnavailable, match=f"{precision} on the cpu only, without a mode"):
            BACKEND.compile(request(tmp_path, precision=precision, mode="aot", device="cpu"))


def test_the_folder_of_inductor_is_private_to_a_compilation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    from profiler_agent.backends import _inductor_models as models

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "somewhere")
    with models._cache_folder(request(tmp_path)) as one:
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(one)
        assert one.parent == tmp_path
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "somewhere"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    with models._cache_folder(request(tmp_path)) as other:
        assert other != one
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
