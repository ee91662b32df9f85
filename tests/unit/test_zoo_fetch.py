"""Fetching archives: only what has the pinned digest is used, and nothing half-fetched stays."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from examples.zoo import fetch
from examples.zoo.fetch import Archive, FetchError

CONTENT = b"the archive"
ARCHIVE = Archive(
    package="somepackage",
    version="1.0",
    kind="wheel",
    file="somepackage-1.0-py3-none-any.whl",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="MIT",
    content="nothing",
)


class Registry:
    """Stands in for the package managers: puts bytes into the folder and counts how often it is asked."""

    def __init__(self, content: bytes = CONTENT, file: str = ARCHIVE.file) -> None:
        self.content, self.file, self.asked = content, file, 0

    def __call__(self, archive: Archive, folder: Path) -> None:
        self.asked += 1
        (folder / self.file).write_bytes(self.content)


def test_a_fetched_archive_is_kept_and_not_asked_for_again(tmp_path):
    registry = Registry()
    path = fetch.fetch(ARCHIVE, tmp_path, registry)
    assert path.read_bytes() == CONTENT
    assert fetch.fetch(ARCHIVE, tmp_path, registry) == path
    assert registry.asked == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_tampered_archive_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(FetchError, match=r"somepackage-1\.0.*not the pinned"):
        fetch.fetch(ARCHIVE, tmp_path, Registry(CONTENT + b"!"))
    assert list(tmp_path.iterdir()) == []


def test_a_broken_copy_in_the_cache_is_fetched_again(tmp_path):
    (tmp_path / ARCHIVE.file).write_bytes(CONTENT[:4])
    registry = Registry()
    assert fetch.fetch(ARCHIVE, tmp_path, registry).read_bytes() == CONTENT
    assert registry.asked == 1


def test_a_broken_copy_is_not_used_when_it_cannot_be_fetched_again(tmp_path):
    (tmp_path / ARCHIVE.file).write_bytes(CONTENT[:4])
    with pytest.raises(FetchError):
        fetch.fetch(ARCHIVE, tmp_path, Registry(b"other"))
    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_file_is_named(tmp_path):
    with pytest.raises(FetchError, match=r"expected the file somepackage.* got other\.whl"):
        fetch.fetch(ARCHIVE, tmp_path, Registry(file="other.whl"))


def test_what_cannot_be_had_is_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    listed = {"good": replace(ARCHIVE, package="good"), "bad": replace(ARCHIVE, package="bad", file="bad.whl")}
    monkeypatch.setattr(fetch, "listed_archives", lambda: listed)

    def download(archive: Archive, folder: Path) -> None:
        if archive.package == "bad":
            raise FetchError("npm is not installed on this machine")
        (folder / archive.file).write_bytes(CONTENT)

    archives = fetch.fetch_all(tmp_path, Console(quiet=True), download)
    assert set(archives.paths) == {"good"}
    assert archives.absent(["good"]) == []
    assert archives.absent(["good", "bad"]) == ["bad: npm is not installed on this machine"]


def test_a_missing_package_manager_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="npm is not installed"):
        fetch.fetch(replace(ARCHIVE, kind="npm"), tmp_path / "archives")


def test_every_listed_archive_is_pinned():
    for package, archive in fetch.listed_archives().items():
        assert archive.package == package
        assert len(archive.sha256) == 64
        assert archive.version in archive.file
        assert "://" not in str(archive)
