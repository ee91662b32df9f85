"""Every database keeps agents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_service.domain.errors import AlreadyExists, NotFound, Reason
from search_service.domain.ports import Database
from tests.catalogue import later
from tests.profiling_objects import a_full_agent, an_agent, put_agents


def test_agents_come_back_as_they_were_added(database: Database) -> None:
    full = a_full_agent("full", capacity=3, draining=True, token_id="t", name="größer")
    put_agents(database, full, an_agent("plain"))
    with database.begin() as work:
        assert work.agents.get("full") == full
        assert work.agents.find("größer") == full
        assert work.agents.lock("plain") == an_agent("plain")
        assert list(work.agents.all()) == [full, an_agent("plain")], "by name"


def test_an_unknown_agent_is_not_found(database: Database) -> None:
    with database.begin() as work:
        for act in (
            work.agents.get,
            work.agents.find,
            work.agents.lock,
            lambda key: work.agents.replace(an_agent(key)),
        ):
            with pytest.raises(NotFound) as caught:
                act("?")
            assert caught.value.reason is Reason.AGENT_NOT_FOUND
        work.agents.touch("?", later(0))


def test_a_name_is_taken_once(database: Database) -> None:
    put_agents(database, an_agent("a"))
    with database.begin() as work:
        with pytest.raises(AlreadyExists) as caught:
            work.agents.add(an_agent("b", name="a"))
        assert caught.value.reason is Reason.NAME_TAKEN
        work.agents.add(an_agent("b"))
        work.commit()


def test_replacing_keeps_the_name(database: Database) -> None:
    put_agents(database, an_agent("a"))
    with database.begin() as work:
        work.agents.replace(a_full_agent("a", name="other", draining=True))
        work.commit()
    with database.begin() as work:
        assert work.agents.get("a") == a_full_agent("a", name="a", draining=True)
        with pytest.raises(NotFound):
            work.agents.find("other")


def test_an_agent_was_heard_of_when_it_was_noted_last(database: Database) -> None:
    put_agents(database, an_agent("a", last_seen_at=later(10)))
    for at, expected in ((20, 20), (-3600, -3600), (15, 15)):
        with database.begin() as work:
            work.agents.touch("a", later(at))
            work.commit()
        with database.begin() as work:
            assert work.agents.get("a") == replace(an_agent("a"), last_seen_at=later(expected))
