"""Small files that travel inside the card: compressed (zlib) and in base64."""

from __future__ import annotations

import base64
import binascii
import zlib

LONGEST_TEXT = 1_900_000
"""Characters of a carried file: the whole card has room for 2 MiB."""

LARGEST_FILE_BYTES = 64 << 20
"""Of a file when unpacked: a small text may hold a very large one."""


def pack_file(data: bytes) -> str:
    """The text that carries the bytes; the same bytes give the same text.

    Raises:
        ValueError: it would be longer than a card has room for.
    """
    text = base64.b64encode(zlib.compress(data, 9)).decode("ascii")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"takes {len(text):,} characters when packed; a card carries at most {LONGEST_TEXT:,}")
    return text


def unpack_file(text: str) -> bytes:
    """The bytes that `pack_file` was given.

    Raises:
        ValueError: it is no such text, or holds more than `LARGEST_FILE_BYTES`.
    """
    try:
        reader = zlib.decompressobj()
        data = reader.decompress(base64.b64decode(text, validate=True), LARGEST_FILE_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(f"must be a file compressed with zlib, in base64 ({error})") from None
    if reader.unconsumed_tail or not reader.eof:
        problem = f"holds more than {LARGEST_FILE_BYTES:,} bytes" if reader.unconsumed_tail else "is cut off"
        raise ValueError(f"must be a file compressed with zlib, in base64; it {problem}")
    return data
