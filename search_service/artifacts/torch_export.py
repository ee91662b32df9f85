"""Programs saved by torch.export.save: a zip archive of a known layout. Its pickled parts are never opened."""

from __future__ import annotations

import zipfile
from typing import IO, cast

from search_service.artifacts.base import Content, Inspection, UnreadableArtifact

_LONGEST_FORMAT = 64


def read(content: Content) -> Inspection:
    """Checks the archive's directory and layout; inputs and outputs are not read.

    Raises:
        UnreadableArtifact: it is no zip archive, is truncated, or was not written by torch.export.save.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", content)) as archive:  # it has seek, tell and read
            _check_layout(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, UnreadableArtifact):
            raise
        raise UnreadableArtifact(f"is not a readable zip archive: {error}") from None
    return Inspection()


def _check_layout(archive: zipfile.ZipFile) -> None:
    """torch.export.save writes ROOT/archive_format = "pt2", and one ROOT/models/NAME.json a program."""
    names = archive.namelist()
    formats = [name for name in names if name.endswith("/archive_format") and name.count("/") == 1]
    if len(formats) != 1:
        by = "torch.save or torch.jit.save" if any(name.endswith("/data.pkl") for name in names) else "another program"
        raise UnreadableArtifact(f"is a zip archive of {by}; save the program with torch.export.save")
    root = formats[0].removesuffix("archive_format")
    if archive.getinfo(formats[0]).file_size > _LONGEST_FORMAT or archive.read(formats[0]).strip() != b"pt2":
        raise UnreadableArtifact(f"has an unknown {formats[0]}; expected pt2")
    if not any(name.startswith(f"{root}models/") and name.endswith(".json") for name in names):
        raise UnreadableArtifact(f"holds no program: {root}models/ has no .json file")
