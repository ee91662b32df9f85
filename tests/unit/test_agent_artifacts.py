"""The agent's cache of artifacts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiler_agent.artifacts import ArtifactCache, find_external, open_within, own_folder, refuse_disguises
from profiler_agent.errors import Crashed, DigestMismatch, RefusedFormat, Unreachable

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
    assert find_external(inside.as_uri(), DIGEST, trusted) == (inside, DIGEST)
    assert find_external(inside.as_uri(), "", trusted) == (inside, DIGEST)
    with pytest.raises(Unreachable, match="no file"):
        find_external(f"{inside.as_uri()}.gone", DIGEST, trusted)
    with pytest.raises(Unreachable, match="outside"):
        find_external(outside.as_uri(), DIGEST, trusted)
    with pytest.raises(Unreachable, match="outside"):
        find_external(f"file://{trusted}/../m.onnx", DIGEST, trusted)
    with pytest.raises(Unreachable, match=r"https://example\.com/m\.onnx, which this agent does not fetch"):
        find_external("https://example.com/m.onnx", DIGEST, trusted)
    with pytest.raises(Unreachable, match="does not fetch"):
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


def test_a_file_that_a_child_made_is_read_only_below_its_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "compiled", tmp_path / "secret"
    folder.mkdir()
    outside.write_bytes(b"secret")
    (folder / "made").write_bytes(b"made")
    with open_within(folder, folder / "made") as stream:
        assert stream.read() == b"made"
    (folder / "link").symlink_to(outside)
    (folder / "inner").symlink_to(folder / "made")
    for path in (outside, folder / "link", folder / "inner", folder / ".." / "secret", folder, folder / "none"):
        with pytest.raises(Crashed, match="which is no file below"):
            open_within(folder, path)


def test_a_torch_program_is_a_zip_archive_by_right(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(b"PK\x03\x04rest")
    refuse_disguises(path, "torch_export")


def test_a_file_in_use_is_kept_however_long(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache", 10)
    path = cache.get(DIGEST, len(DATA), chunks)
    long_ago = path.stat().st_mtime - 9000
    other = b"other" * 1000
    os.utime(path, (long_ago, long_ago))
    cache.keep(DIGEST)
    cache.get(hashlib.sha256(other).hexdigest(), len(other), lambda: [other])
    assert path.exists()
    cache.keep("00" * 32)  # it may be gone already, or lie elsewhere


def test_two_agents_may_fetch_the_same_at_once(cache: ArtifactCache) -> None:
    other = ArtifactCache(cache._folder, 20_000)

    def slowly() -> Iterator[bytes]:
        assert other.get(DIGEST, len(DATA), chunks).read_bytes() == DATA
        yield from chunks()

    assert cache.get(DIGEST, len(DATA), slowly).read_bytes() == DATA
    assert len(list(cache._folder.iterdir())) == 1


def test_folders_of_compiled_models_go_when_unused_for_longest(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"x" * 10_000)
    for name, age in (("old", 9000), ("older", 10_000), ("fresh", 0)):
        folder = own_folder(tmp_path / "compiled", name, 1 << 30)
        (folder / "deep").mkdir()
        (folder / "deep" / "engine").write_bytes(b"x" * 1000)
        (folder / "link").symlink_to(tmp_path / "outside")
        os.utime(folder, (folder.stat().st_mtime - age,) * 2)
    mine = own_folder(tmp_path / "compiled", "mine", 2500)
    assert {entry.name for entry in (tmp_path / "compiled").iterdir()} == {"old", "fresh", "mine"}
    assert own_folder(tmp_path / "compiled", "mine", 10) == mine
    assert {entry.name for entry in (tmp_path / "compiled").iterdir()} == {"fresh", "mine"}
