"""Who calls: bearer tokens, remembered for a moment by the hash of their secret."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from search_service.domain.access import Caller, Role
from search_service.domain.errors import Unauthenticated
from search_service.usecases.tokens import digest_secret

REMEMBERED_S = 2.0
"""A token that was revoked, or has ended, works for at most this long in the replicas that did not revoke it."""

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

    What is remembered is keyed by the hash of a secret, so no secret stays in memory, and only callers that were found
    are: an unknown token is looked up each time, and works as soon as it was created. `rule` is the setting
    `require_tokens`; once a token was ever created, "auto" requires one for good.

    Args:
        authenticate: who calls with a secret; raises Unauthenticated, or Unavailable.
        any_exist: whether any token was ever created; raises Unavailable.
        rule: "auto", "always" or "never".
        ticks: seconds that never go back.
    """

    def __init__(
        self,
        authenticate: Callable[[str], Caller],
        any_exist: Callable[[], bool],
        rule: str,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authenticate = authenticate
        self._any_exist = any_exist
        self._ticks = ticks
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
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

    def identify(self, authorization: Sequence[str]) -> Caller:
        """The caller that these values of the metadata key "authorization" name; NOBODY where none is required.

        Raises:
            Unauthenticated: there is none or more than one, or the token is unknown, revoked or past its end.
            Unavailable: the database does not answer.
        """
        if not self.required():
            return NOBODY
        if not authorization:
            raise Unauthenticated(
                "this service requires a token, and the call carries none: send the metadata "
                "'authorization: Bearer ...'; an admin creates tokens"
            )
        scheme, secret = authorization[0][: len(_SCHEME)], authorization[0][len(_SCHEME) :].strip()
        if len(authorization) > 1 or scheme.lower() != _SCHEME:
            raise Unauthenticated("the call must carry one 'authorization', which reads 'Bearer ' and the token")
        # By its digest: how long the look-up takes tells nothing of a secret.
        digest = digest_secret(secret)
        now = self._ticks()
        with self._lock:
            known = self._remembered.get(digest)
        if known is not None and now - known[1] < REMEMBERED_S:
            return known[0]
        try:
            caller = self._authenticate(secret)
        except Unauthenticated:
            with self._lock:
                self._remembered.pop(digest, None)
            raise
        with self._lock:
            self._remembered.pop(digest, None)  # so that the order stays that of the look-ups
            self._remembered[digest] = (caller, now)
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return caller
