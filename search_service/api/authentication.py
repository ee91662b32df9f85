"""Who calls: bearer tokens, looked up by the hash of their secret and remembered for a moment."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from search_service.domain.access import Caller, Role, Token
from search_service.domain.errors import PermissionDenied, Unauthenticated
from search_service.domain.ports import Clock

REMEMBERED_S = 2.0
"""A revoked token works for at most this long in the replicas that did not revoke it."""

LONGEST_SECRET = 512
MOST_REMEMBERED = 4096

_SCHEME = "bearer "


NOBODY = Caller(token_id="", name="", role=Role.ADMIN)
"""Whoever calls a service that requires no tokens; may do everything."""

_caller: ContextVar[Caller] = ContextVar("msearch_caller", default=NOBODY)


def present_caller() -> Caller:
    """Who makes the call that this thread answers."""
    return _caller.get()


@contextmanager
def acting_for(caller: Caller) -> Iterator[None]:
    """Makes `present_caller` give this caller meanwhile."""
    before = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(before)


class Tokens:
    """Tells from a call's metadata who makes it.

    What is remembered is keyed by the hash of a secret, so no secret stays in memory, and only tokens that were found
    are: an unknown one is looked up each time, and works as soon as it was created. `rule` is the setting
    `require_tokens`; once a token was ever created, "auto" requires one for good.

    Args:
        find: the token whose secret has that digest, or None.
        digest: the digest of a secret.
        any_exist: whether any token was ever created.
        rule: "auto", "always" or "never".
        clock: tells whether a token has ended.
        ticks: seconds that never go back.
    """

    def __init__(
        self,
        *,
        find: Callable[[str], Token | None],
        digest: Callable[[str], str],
        any_exist: Callable[[], bool],
        rule: str,
        clock: Clock,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._digest = digest
        self._any_exist = any_exist
        self._clock = clock
        self._ticks = ticks
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, tuple[Token, float]] = OrderedDict()
        self._never = rule == "never"
        self._required = rule == "always"
        self._looked_at: float | None = None

    def required(self) -> bool:
        """Whether a call needs a token. Raises Unavailable."""
        if self._required or self._never:
            return self._required
        now = self._ticks()
        if self._looked_at is None or now - self._looked_at >= REMEMBERED_S:
            self._required = self._any_exist()
            self._looked_at = now
        return self._required

    def forget(self) -> None:
        """Looks everything up again with the next call: tokens were created or revoked here."""
        with self._lock:
            self._remembered.clear()
        self._looked_at = None

    def identify(self, authorization: list[str]) -> Caller:
        """The caller that these values of the metadata key "authorization" name.

        Raises:
            Unauthenticated: there is none or more than one, or the token is unknown, revoked or past its end.
            Unavailable: the database does not answer.
        """
        if not self.required():
            return NOBODY
        if not authorization:
            raise _refused("this service requires a token, and the call carries none: send 'authorization: Bearer ...'")
        value = authorization[0]
        if len(authorization) > 1 or value[: len(_SCHEME)].lower() != _SCHEME:
            raise _refused("the call must carry one 'authorization' and it must read 'Bearer ' and the token")
        secret = value[len(_SCHEME) :].strip()
        # Asked of the database by its digest: how long the look-up takes tells nothing of the secret.
        token = self._look_up(self._digest(secret)) if 0 < len(secret) <= LONGEST_SECRET else None
        if token is None:
            raise _refused("the token is unknown to this service: check it, or ask an admin for a new one")
        if token.revoked_at is not None:
            raise _refused(f"the token {token.name!r} was revoked: ask an admin for a new one")
        if token.expires_at is not None and token.expires_at <= self._clock():
            raise _refused(f"the token {token.name!r} ended at {token.expires_at:%Y-%m-%d %H:%M} UTC: get a new one")
        return Caller(token_id=token.id, name=token.name, role=token.role)

    def _look_up(self, digest: str) -> Token | None:
        now = self._ticks()
        with self._lock:
            known = self._remembered.get(digest)
        if known is not None and now - known[1] < REMEMBERED_S:
            return known[0]
        token = self._find(digest)
        with self._lock:
            self._remembered.pop(digest, None)
            if token is not None:
                self._remembered[digest] = (token, now)
                if len(self._remembered) > MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
        return token


def _refused(problem: str) -> Unauthenticated:
    return Unauthenticated(problem)


def denied(problem: str) -> PermissionDenied:
    """The refusal of a call that this caller may not make."""
    return PermissionDenied(problem)
