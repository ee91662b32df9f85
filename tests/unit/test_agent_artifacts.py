"""The agent's cache of artifacts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiler_agent.artifacts import ArtifactCache, find_external, refuse_disguises
from profiler_agent.errors import DigestMismatch, JobError, RefusedFormat

DATA = b"model" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def chunks(data: bytes = DATA) -> Iterator[bytes]:
    for start in range(0, len(data), 700):
        yield data[start : start + 700]


def never() -> Iterator[bytes]:
    raise AssertionError("it was fetched again")


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "cache", 20_000)


def test_bytes_are_fetched_once(cache: ArtifactCache) -> None:
    path = cache.get(DIGEST, len(DATA), chunks)
    assert path.read_bytes() == DATA
    assert cache.get(DIGEST, len(DATA), never) == path


@pytest.mark.parametrize("sent", [DATA[:-1], DATA + b"x", b"x" * len(DATA), b""])
def test_other_bytes_than_registered_are_refused_and_leave_nothing(cache: ArtifactCache, sent: bytes) -> None:
    with pytest.raises(DigestMismatch, match=DIGEST[:12]):
        cache.get(DIGEST, len(DATA), lambda: chunks(sent))
    assert cache.get(DIGEST, len(DATA), chunks).read_bytes() == DATA
    assert len(list(cache._folder.iterdir())) == 1


def test_a_file_that_was_damaged_is_fetched_again(cache: ArtifactCache) -> None:
    path = cache.get(DIGEST, len(DATA), chunks)
    path.write_bytes(b"x" * len(DATA))
    assert cache.get(DIGEST, len(DATA), chunks).read_bytes() == DATA


def test_what_was_not_used_for_longest_goes_first(cache: ArtifactCache) -> None:
    def put(name: str) -> Path:
        data = name.encode() * 8000
        return cache.get(hashlib.sha256(data).hexdigest(), len(data), lambda: [data])

    old, older, fresh = put("b"), put("a"), DATA
    for path, age in ((old, 8000), (older, 9000)):
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    cache.get(hashlib.sha256(fresh).hexdigest(), len(fresh), chunks)
    assert not older.exists()
    assert old.exists()


def test_what_was_used_lately_stays_even_beyond_the_limit(cache: ArtifactCache) -> None:
    small = ArtifactCache(cache._folder, 10)
    first = small.get(DIGEST, len(DATA), chunks)
    other = b"other" * 1000
    small.get(hashlib.sha256(other).hexdigest(), len(other), lambda: [other])
    assert first.exists()


def test_an_artifact_elsewhere_is_read_only_below_the_trusted_folder(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    inside, outside = trusted / "m.onnx", tmp_path / "m.onnx"
    for path in (inside, outside):
        path.write_bytes(DATA)
    assert find_external(inside.as_uri(), DIGEST, trusted) == inside
    with pytest.raises(JobError, match="outside"):
        find_external(outside.as_uri(), DIGEST, trusted)
    with pytest.raises(JobError, match="outside"):
        find_external(f"file://{trusted}/../m.onnx", DIGEST, trusted)
    with pytest.raises(JobError, match="does not fetch"):
        find_external("https://example.com/m.onnx", DIGEST, trusted)
    with pytest.raises(JobError, match="does not fetch"):
        find_external(inside.as_uri(), DIGEST, None)
    with pytest.raises(DigestMismatch):
        find_external(inside.as_uri(), "00" * 32, trusted)


@pytest.mark.parametrize(
    ("data", "format", "problem"),
    [(b"\x80\x04\x95rest", "onnx", "is a pickle"), (b"PK\x03\x04rest", "onnx", "zip archive")],
)
def test_formats_that_run_code_are_refused_whatever_they_are_called(
    tmp_path: Path, data: bytes, format: str, problem: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(RefusedFormat, match=problem):
        refuse_disguises(path, format)


def test_a_torch_program_is_a_zip_archive_by_right(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(b"PK\x03\x04rest")
    refuse_disguises(path, "torch_export")
