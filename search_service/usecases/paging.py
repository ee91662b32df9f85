"""Pages and their tokens.

A token holds the position after which the next page begins and a digest of the request it belongs to, so that a token
of another request is refused instead of giving a page of nonsense. What changes between two pages is seen by the
second: lists continue at their position; rankings are computed anew.
"""

from __future__ import annotations

import base64
import binascii
import json

from search_service.domain.errors import InvalidArgument, Reason
from search_service.usecases.fields import invalid

LARGEST_PAGE = 1000
LONGEST_TOKEN = 4096
_BOUND_DIGITS = 16


def page_size(asked: int, default: int) -> int:
    """The size to use. Raises InvalidArgument outside 0 to 1,000."""
    if not 0 <= asked <= LARGEST_PAGE:
        raise invalid("page_size", f"must be from 0 (meaning {default}) to {LARGEST_PAGE}, not {asked}")
    return asked or default


def encode_token(bound_to: str, after: tuple[str, ...] | None) -> str:
    """The token for the page after that position; empty after the last page. `bound_to` is the request's digest."""
    if after is None:
        return ""
    text = json.dumps([bound_to[:_BOUND_DIGITS], *after], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_token(bound_to: str, token: str, parts: int) -> tuple[str, ...] | None:
    """The position in a token, or None for the first page.

    Raises:
        InvalidArgument: INVALID_PAGE_TOKEN, not a token that this service gave for this request.
    """
    if not token:
        return None
    refusal = InvalidArgument(
        "page_token: not a token of this request; take it from the page before and leave the other fields as they were",
        Reason.INVALID_PAGE_TOKEN,
        [("page_token", "not a token of this request")],
    )
    if len(token) > LONGEST_TOKEN:
        raise refusal
    try:
        padded = token + "=" * (-len(token) % 4)
        held = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise refusal from None
    if not isinstance(held, list) or len(held) != parts + 1 or not all(isinstance(part, str) for part in held):
        raise refusal
    if held[0] != bound_to[:_BOUND_DIGITS]:
        raise refusal
    return tuple(held[1:])
