"""What an artifact format gives: one file each beside this one, named as the card names the format, with a function

    read(content: Content) -> Inspection

that raises `UnreadableArtifact` for anything but a sound file. It never executes or unpickles what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

from search_service.domain.catalog import Tensor


class Content(mmap):
    """The bytes of a file, mapped: `content[i]`, `content[a:b]`, `len(content)`, and the methods of an open file."""

    def seekable(self) -> bool:
        """Always; zipfile asks, and mmap itself answers only from Python 3.13 on."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a file says of itself.

    `inputs` and `outputs` are None where the format does not say. `unranked` names the tensors without a declared
    shape, whose `shape` is (). `opset` is the version of the standard operators, `parameters` the number of constants.
    """

    inputs: tuple[Tensor, ...] | None = None
    outputs: tuple[Tensor, ...] | None = None
    unranked: frozenset[str] = frozenset()
    opset: int | None = None
    parameters: int | None = None


class UnreadableArtifact(ValueError):
    """The bytes are not a sound file of their format; the message says why, and begins in lower case."""
