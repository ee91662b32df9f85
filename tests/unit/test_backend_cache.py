"""The cache of compiled artefacts: whole or not at all, and never another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest

from profiler_agent.backends._cache import Entry, adopt_entries, calibration_digest, find_entry, processor_fingerprint
from profiler_agent.backends.base import CompileRequest
from profiler_agent.work import Precision, Variant


def request_in(folder: Path) -> CompileRequest:
    return CompileRequest(
        variant=Variant(backend="torch"), artifact=None, format="onnx", digest="d1", cache=folder, workspace=folder
    )


def entry_of(request: CompileRequest, **words: str) -> Entry:
    return find_entry(request, **({"name": "m.bin", "version": "1", "device": "cpu"} | words))


def store(entry: Entry, content: bytes) -> None:
    entry.store(lambda target: target.write_bytes(content))


def test_what_is_stored_is_found_by_an_equal_request(tmp_path: Path) -> None:
    entry = entry_of(request_in(tmp_path))
    assert not entry.is_sound()
    store(entry, b"compiled")
    found = entry_of(request_in(tmp_path))
    assert found.is_sound()
    assert found.path.read_bytes() == b"compiled"


def test_entries_move_into_another_cache_and_replace_those_of_their_key(tmp_path: Path) -> None:
    cold, shared = tmp_path / "cold", tmp_path / "shared"
    mine, stale, other = (
        entry_of(request_in(cold)), entry_of(request_in(shared)), entry_of(request_in(shared), version="2")
    )  # fmt: skip
    store(mine, b"verified")
    store(stale, b"of an earlier job")
    store(other, b"of another version")
    outside = tmp_path / "outside"
    outside.mkdir()
    (cold / "torch" / "link").symlink_to(outside)
    adopt_entries(cold, shared)
    assert stale.is_sound()
    assert (stale.path.read_bytes(), other.path.read_bytes()) == (b"verified", b"of another version")
    assert not mine.is_sound()
    assert not (shared / "torch" / "link").exists()


def test_every_part_of_the_key_counts(tmp_path: Path) -> None:
    request = request_in(tmp_path)
    others = [
        entry_of(replace(request, digest="d2")),
        *(
            entry_of(replace(request, variant=replace(request.variant, **{field: value})))
            for field, value in {
                "backend": "openvino",
                "precision": Precision.BF16,
                "batch_size": 2,
                "threads": 2,
                "mode": "static",
            }.items()
        ),
        entry_of(request, version="2"),
        entry_of(request, device="gpu"),
        entry_of(request, extra="calibrated"),
    ]
    assert len({entry.path for entry in [entry_of(request), *others]}) == len(others) + 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "no digest", "no file"])
def test_a_damaged_entry_is_removed_and_can_be_stored_again(tmp_path: Path, damage: str) -> None:
    entry = entry_of(request_in(tmp_path))
    store(entry, b"compiled")
    digest = entry.path.with_name("sha256")
    if damage == "cut":
        entry.path.write_bytes(b"comp")
    elif damage == "flipped":
        entry.path.write_bytes(b"compileD")
    else:
        (digest if damage == "no digest" else entry.path).unlink()
    assert not entry.is_sound()
    assert not entry.path.parent.exists()
    store(entry, b"again")
    assert entry.is_sound()


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def write(target: Path) -> None:
        target.write_bytes(b"half")
        raise RuntimeError("the compiler failed")

    entry = entry_of(request_in(tmp_path))
    with pytest.raises(RuntimeError, match="the compiler failed"):
        entry.store(write)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not entry.is_sound()


def test_two_who_store_the_same_entry_do_not_disturb_each_other(tmp_path: Path) -> None:
    entry, together = entry_of(request_in(tmp_path)), Barrier(4)

    def write(target: Path) -> None:
        target.write_bytes(b"compiled")
        together.wait()

    threads = [Thread(target=entry.store, args=(write,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entry.is_sound()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"m.bin", "sha256"}


def test_the_digest_of_calibration_rows_tells_them_apart(tmp_path: Path) -> None:
    request = request_in(tmp_path)
    zeros, ones = {"x": np.zeros((2, 3), np.float32)}, {"x": np.ones((2, 3), np.float32)}
    texts = [{"x": np.array([word], object)} for word in ("a", "b")]
    feeds = [(zeros,), (ones,), (zeros, ones), (ones, zeros), ({"y": zeros["x"]},), ({"x": zeros["x"].reshape(3, 2)},)]
    digests = {calibration_digest(replace(request, calibration=value)) for value in [*feeds, texts[:1], texts[1:]]}
    assert len(digests) == len(feeds) + 2
    assert calibration_digest(request) == ""


def test_the_processor_has_one_fingerprint() -> None:
    first = processor_fingerprint()
    processor_fingerprint.cache_clear()
    assert processor_fingerprint() == first
    assert len(first) == 64
