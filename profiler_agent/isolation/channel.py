"""What a child says to its parent: one JSON document a line, over a pipe.

The parent trusts no byte of it: it parses JSON, never a pickle, and takes anything else for a crash.
"""

from __future__ import annotations

import json
from typing import Any

LONGEST_LINE_BYTES = 64 << 20
LONGEST_TEXT = 4000


class Garbage(Exception):
    """The child wrote something that is not what children write."""


def encode_line(kind: str, value: object) -> bytes:
    """One line. Raises ValueError or TypeError where `value` is not JSON (NaN and infinities are not)."""
    return json.dumps([kind, value], allow_nan=False, separators=(",", ":")).encode() + b"\n"


class LineReader:
    """Cuts what arrives into lines of (kind, value)."""

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._longest = longest_bytes

    def feed(self, data: bytes) -> list[tuple[str, Any]]:
        """The lines that `data` completes. Raises Garbage."""
        *complete, rest = data.split(b"\n")
        lines = []
        for part in complete:
            self._keep(part)
            lines.append(decode_line(b"".join(self._parts)))
            self._parts, self._size = [], 0
        self._keep(rest)
        return lines

    @property
    def unfinished(self) -> bool:
        """Whether the last line has no end yet."""
        return self._size > 0

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            raise Garbage(f"a line of more than {self._longest} bytes")
        if part:
            self._parts.append(part)


def decode_line(line: bytes) -> tuple[str, Any]:
    """The kind and value of a line. Raises Garbage."""
    try:
        document = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise Garbage(f"{_excerpt(line)} is not JSON") from None
    if not (isinstance(document, list) and len(document) == 2 and isinstance(document[0], str)):
        raise Garbage(f"{_excerpt(line)} is not a message")
    return document[0], document[1]


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _excerpt(line: bytes) -> str:
    return repr(line[:60])
