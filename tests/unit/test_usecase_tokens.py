"""Tokens: the secret is shown once, and what does not hold is refused."""

from __future__ import annotations

import secrets
from datetime import timedelta
from itertools import count

import pytest

from search_service.domain.access import Role
from search_service.domain.errors import AlreadyExists, InvalidArgument, NotFound, Reason, Unauthenticated
from search_service.storage.memory import MemoryDatabase
from search_service.usecases.tokens import Access, authenticate, create_token, list_tokens, revoke_token
from tests.catalogue import NOW, later


class Clock:
    """Time that passes when told."""

    now = NOW

    def __call__(self):  # type: ignore[no-untyped-def]
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(clock: Clock) -> Access:
    numbers = count(1)
    return Access(
        database=MemoryDatabase(),
        clock=clock,
        new_id=lambda prefix: f"{prefix}_{next(numbers)}",
        new_secret=lambda: secrets.token_urlsafe(32),
    )


@pytest.mark.parametrize("role", list(Role))
def test_a_secret_says_who_calls(access: Access, role: Role) -> None:
    token, secret = create_token(access, "ci", role)
    caller = authenticate(access, secret)
    assert (caller.token_id, caller.name, caller.role) == (token.id, "ci", role)


def test_nothing_that_is_kept_holds_the_secret(access: Access) -> None:
    _, secret = create_token(access, "ci", Role.ADMIN)
    assert len(secret) >= 43, "256 bits"
    (kept,) = list_tokens(access)
    assert secret.removeprefix("msearch_") not in repr(kept)


def test_a_token_ends(access: Access, clock: Clock) -> None:
    _, secret = create_token(access, "ci", Role.READER, later(60))
    clock.now = later(59)
    assert authenticate(access, secret)
    clock.now = later(60)
    with pytest.raises(Unauthenticated):
        authenticate(access, secret)
    with pytest.raises(InvalidArgument, match="future"):
        create_token(access, "late", Role.READER, clock.now)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_revoked_token_is_refused_from_then_on(access: Access, clock: Clock, by_name: bool) -> None:
    token, secret = create_token(access, "ci", Role.READER)
    other, other_secret = create_token(access, "other", Role.READER)
    revoked = revoke_token(access, "ci" if by_name else token.id)
    assert revoked.revoked_at == NOW
    with pytest.raises(Unauthenticated):
        authenticate(access, secret)
    assert authenticate(access, other_secret).token_id == other.id
    clock.now += timedelta(days=1)
    assert revoke_token(access, "ci") == revoked
    with pytest.raises(NotFound) as caught:
        revoke_token(access, "?")
    assert caught.value.reason is Reason.TOKEN_NOT_FOUND


@pytest.mark.parametrize("secret", ["", "msearch_", "x" * 10**6, "\ud800", "msearch_\x00"])
def test_an_unknown_secret_is_refused(access: Access, secret: str) -> None:
    create_token(access, "ci", Role.ADMIN)
    with pytest.raises(Unauthenticated) as caught:
        authenticate(access, secret)
    assert caught.value.reason is Reason.UNAUTHENTICATED


def test_a_name_is_taken_once(access: Access) -> None:
    create_token(access, "ci", Role.ADMIN)
    with pytest.raises(AlreadyExists):
        create_token(access, "ci", Role.READER)
    with pytest.raises(InvalidArgument, match="name"):
        create_token(access, "", Role.READER)
