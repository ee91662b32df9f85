"""Reads protobuf's wire format in place (protobuf.dev/programming-guides/encoding), field by field.

A model's file is mostly weights. Walking it in the mapped file touches only the bytes around them, where a protobuf
library would copy the whole file at least once.
"""

from __future__ import annotations

from collections.abc import Iterator

from search_service.artifacts.base import Content, UnreadableArtifact

MOST_FIELDS = 5_000_000
"""Fields of one file that are walked, some seconds' worth; it keeps a hostile file from holding a worker."""

LONGEST_NAME = 4096
"""Bytes; names appear in messages."""

VARINT, FIXED64, SPAN, FIXED32 = 0, 1, 2, 5

Span = tuple[int, int]
"""Where a value's bytes begin and end in the file."""


class WireReader:
    """Walks messages inside `content`. Every bound is checked before it is used."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._walked = 0

    @property
    def whole(self) -> Span:
        """The whole file."""
        return 0, len(self._content)

    def fields(self, span: Span) -> Iterator[tuple[int, int, int, Span]]:
        """Each field of the message in `span`: number, wire type, the integer (VARINT only, else 0), its bytes.

        Raises:
            UnreadableArtifact: a field is malformed or ends beyond its message.
        """
        position, end = span
        while position < end:
            self._walked += 1
            if self._walked > MOST_FIELDS:
                raise UnreadableArtifact(f"has more than {MOST_FIELDS:,} parts; this is no usual model")
            start = position
            key, position = self._varint(position, end)
            number, kind = key >> 3, key & 7
            value = 0
            begin = position
            if kind == VARINT:
                value, position = self._varint(position, end)
            elif kind == SPAN:
                length, begin = self._varint(position, end)
                position = begin + length
            elif kind in (FIXED64, FIXED32):
                position += 8 if kind == FIXED64 else 4
            else:
                raise UnreadableArtifact(f"is malformed at byte {start}")
            if number == 0:
                raise UnreadableArtifact(f"is malformed at byte {start}")
            if position > end:
                raise self._beyond(start, position, end)
            yield number, kind, value, (begin, position)

    def text(self, span: Span) -> str:
        """The string in `span`."""
        begin, end = span
        if end - begin > LONGEST_NAME:
            raise UnreadableArtifact(f"has a name of {end - begin:,} bytes at byte {begin}")
        try:
            text = self._content[begin:end].decode()
        except UnicodeDecodeError:
            raise UnreadableArtifact(f"has a name that is not UTF-8 at byte {begin}") from None
        if "\0" in text:  # a database may not store it
            raise UnreadableArtifact(f"has a name that contains a NUL at byte {begin}")
        return text

    def varints(self, span: Span) -> list[int]:
        """The packed integers in `span`, without sign."""
        position, end = span
        values = []
        while position < end:
            value, position = self._varint(position, end)
            values.append(value)
        return values

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        start = position
        while True:
            if position >= end:
                raise self._beyond(start, position + 1, end)
            byte = self._content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, position
            shift += 7
            if shift > 63:
                raise UnreadableArtifact(f"is malformed at byte {start}")

    def _beyond(self, start: int, position: int, end: int) -> UnreadableArtifact:
        size = len(self._content)
        if end == size or position > size:
            return UnreadableArtifact(
                f"is truncated or no such file: a part at byte {start:,} ends at byte {position:,}, but the file has"
                f" {size:,} bytes"
            )
        return UnreadableArtifact(f"is malformed at byte {start}: a part ends beyond the one that holds it")
