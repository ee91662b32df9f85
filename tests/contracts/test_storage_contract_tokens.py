"""Every database keeps tokens, by the digest of their secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_service.domain.access import Role, Token
from search_service.domain.errors import AlreadyExists, NotFound, Reason
from search_service.domain.ports import Database
from tests.catalogue import digest_of, later
from tests.profiling_objects import a_token


def put_tokens(database: Database, *tokens: Token) -> None:
    with database.begin() as work:
        for token in tokens:
            work.tokens.add(token)
        work.commit()


def test_tokens_come_back_as_they_were_added(database: Database) -> None:
    first = a_token("b", role=Role.ADMIN, expires_at=None)
    second = a_token("a", revoked_at=later(3))
    put_tokens(database, first, second)
    with database.begin() as work:
        assert work.tokens.get("b") == first
        assert work.tokens.find("a") == second
        assert work.tokens.by_digest(first.secret_digest) == first
        assert work.tokens.by_digest(digest_of("other")) is None
        assert list(work.tokens.all()) == [second, first], "by name"


def test_an_unknown_token_is_not_found(database: Database) -> None:
    with database.begin() as work:
        for act in (work.tokens.get, work.tokens.find, lambda key: work.tokens.revoke(key, later(0))):
            with pytest.raises(NotFound) as caught:
                act("?")
            assert caught.value.reason is Reason.TOKEN_NOT_FOUND


@pytest.mark.parametrize("same", [{"name": "a"}, {"secret_digest": a_token("a").secret_digest}])
def test_name_and_secret_are_taken_once(database: Database, same: dict[str, str]) -> None:
    put_tokens(database, a_token("a"))
    with database.begin() as work, pytest.raises(AlreadyExists) as caught:
        work.tokens.add(a_token("b", **same))
    assert caught.value.reason is Reason.NAME_TAKEN


def test_the_first_revocation_stays(database: Database) -> None:
    put_tokens(database, a_token("a"), a_token("b"))
    for at in (5, 9):
        with database.begin() as work:
            work.tokens.revoke("a", later(at))
            work.commit()
    with database.begin() as work:
        assert work.tokens.get("a") == replace(a_token("a"), revoked_at=later(5))
        assert work.tokens.get("b") == a_token("b")
