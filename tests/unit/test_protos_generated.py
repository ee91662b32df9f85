"""The generated code in the repository is what the protos give."""

from __future__ import annotations

from pathlib import Path

from protos.generate import ROOT, generate


def test_regenerating_changes_nothing(tmp_path: Path) -> None:
    generate(tmp_path)
    fresh = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*_pb2*") if path.is_file()}
    kept = {
        path.relative_to(ROOT): path.read_bytes()
        for path in ROOT.rglob("*_pb2*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert fresh.keys() == kept.keys()
    assert [str(name) for name in fresh if fresh[name] != kept[name]] == []
