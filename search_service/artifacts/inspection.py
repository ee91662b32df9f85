"""Opens an artifact, reads it by its format, and holds it against its card."""

from __future__ import annotations

import importlib
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msearch_card import Card
from search_service.artifacts.base import Content, Inspection, UnreadableArtifact
from search_service.artifacts.disguises import name_disguise
from search_service.artifacts.matching import mismatches
from search_service.domain.errors import InvalidArgument, Reason


def inspect(source: str | Path | BinaryIO, card: Card) -> Inspection:
    """Reads the artifact and checks it against the card, without executing it.

    The file is mapped, not read: memory use does not grow with its size. Of an open file the whole is taken; any other
    stream is copied to a temporary file from its present position.

    Raises:
        InvalidArgument: INVALID_ARTIFACT: the card announces no artifact, the file is not a sound file of the card's
            format, or does not match the card; `fields` names each field of the card that disagrees.
    """
    if card.artifact.format == "none":
        problem = "is none, but an artifact is given: name its format"
        raise _invalid(f"artifact.format {problem}", [("artifact.format", problem)])
    reader = importlib.import_module(f"search_service.artifacts.{card.artifact.format}")
    try:
        with _mapped(source) as content:
            if disguise := name_disguise(content, card.artifact.format):
                raise UnreadableArtifact(disguise)
            inspection: Inspection = reader.read(content)
    except UnreadableArtifact as error:
        problem = f"is {card.artifact.format}, but the file is of another kind or damaged"
        raise _invalid(f"the artifact {error}", [("artifact.format", problem)]) from None
    if problems := mismatches(card, inspection):
        listed = "; ".join(f"{path}: {problem}" for path, problem in problems)
        raise _invalid(f"the artifact does not match its card: {listed}", problems)
    return inspection


def _invalid(message: str, fields: list[tuple[str, str]]) -> InvalidArgument:
    return InvalidArgument(message, Reason.INVALID_ARTIFACT, fields)


@contextmanager
def _mapped(source: str | Path | BinaryIO) -> Iterator[Content]:
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as stream, _mapped(stream) as content:
            yield content
        return
    try:
        descriptor = source.fileno()
    except OSError:
        with tempfile.TemporaryFile() as spooled:
            shutil.copyfileobj(source, spooled, 1 << 20)
            spooled.flush()
            with _mapped(spooled) as content:
                yield content
        return
    if os.fstat(descriptor).st_size == 0:
        raise UnreadableArtifact("is empty")
    with Content(descriptor, 0, access=mmap.ACCESS_READ) as content:
        yield content
