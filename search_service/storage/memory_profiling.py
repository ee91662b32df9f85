"""Agents, profiles and tokens of the memory database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.pace import PaceRecords
from msearch_scheduling.trust import Record
from search_service.domain.access import Token
from search_service.domain.catalog import Page
from search_service.domain.jobs import JobState
from search_service.domain.profiling import Agent, Figures, Profile, ProfileFilter
from search_service.domain.scheduling import Member, is_exclusive, offers_of, peak_of
from search_service.storage import refusals
from search_service.storage.memory_experiments import MemoryExperiments
from search_service.storage.memory_session import MemorySession, Tables
from search_service.storage.memory_stores import Position, newest
from search_service.storage.profile_series import figures_of, models_that_changed, series_of


class MemoryAgents:
    """The agents as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, agent: Agent) -> None:
        agents = self._session.write().agents
        if agent.id in agents or any(other.name == agent.name for other in agents.values()):
            raise refusals.only_name_taken("agent", agent.name)
        agents[agent.id] = agent

    def get(self, agent_id: str) -> Agent:
        return _agent(self._session.read(), agent_id)

    def find(self, name: str) -> Agent:
        found = next((agent for agent in self._session.read().agents.values() if agent.name == name), None)
        if found is None:
            raise refusals.agent_not_found(name)
        return found

    def all(self) -> Sequence[Agent]:
        return sorted(self._session.read().agents.values(), key=lambda agent: agent.name)

    def lock(self, agent_id: str) -> Agent:
        return _agent(self._session.write(), agent_id)

    def replace(self, agent: Agent) -> None:
        tables = self._session.write()
        tables.agents[agent.id] = replace(agent, name=_agent(tables, agent.id).name)

    def touch(self, agent_id: str, at: datetime) -> None:
        agents = self._session.write().agents
        agent = agents.get(agent_id)
        if agent is not None:
            agents[agent_id] = replace(agent, last_seen_at=at)

    def members(self) -> Sequence[Member]:
        tables = self._session.read()
        return [
            Member(
                id=agent.id,
                name=agent.name,
                host_class=agent.host_class,
                offers=offers_of(agent),
                capacity=agent.capacity,
                draining=agent.draining,
                last_seen_at=agent.last_seen_at,
                devices=frozenset(agent.devices),
                gflop_per_s=peak_of(agent.host_json),
                conduct=tables.conducts.get(agent.id, Conduct()),
                pace=PaceRecords(
                    agent=tables.size_records.get(f"agent {agent.id}", Record()),
                    host_class=tables.size_records.get(f"host {agent.host_class}", Record()),
                ),
            )
            for agent in self.all()
        ]

    def is_free(self, agent_id: str, *, exclusive: bool) -> bool:
        tables = self._session.read()
        agent = tables.agents.get(agent_id)
        held = [job for job in tables.jobs.values() if job.state is JobState.LEASED]
        if agent is None or agent.draining or sum(job.agent_id == agent_id for job in held) >= agent.capacity:
            return False
        others = [tables.agents[job.agent_id] for job in held if job.agent_id != agent_id and is_exclusive(job.spec)]
        return not exclusive or not any(set(agent.devices) & set(other.devices) for other in others)

    def lock_free(self, agent_id: str, *, exclusive: bool) -> bool:
        self._session.write()
        return self.is_free(agent_id, exclusive=exclusive)


class MemoryProfiles:
    """The profiles as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, profiles: Sequence[Profile]) -> None:
        tables = self._session.write()
        for profile in profiles:
            if profile.model_id and profile.model_id not in tables.models:
                raise refusals.model_not_found(profile.model_id)
            tables.last_profile_number += 1
            tables.profiles[profile.id] = profile
            tables.profile_numbers[profile.id] = tables.last_profile_number
            if profile.valid:
                tables.current_profiles[series_of(profile)] = profile.id
        for model_id in models_that_changed(profiles):
            self._session.log("profiles", model_id)

    def get(self, profile_id: str) -> Profile:
        profile = self._session.read().profiles.get(profile_id)
        if profile is None:
            raise refusals.profile_not_found(profile_id)
        return profile

    def get_many(self, profile_ids: Sequence[str], *, whole: bool = False) -> dict[str, Profile]:
        profiles = self._session.read().profiles
        return {key: profiles[key] if whole else _shortened(profiles[key]) for key in profile_ids if key in profiles}

    def page(self, filter: ProfileFilter, after: Position | None, size: int) -> Page[Profile]:
        tables = self._session.read()
        passing = [profile for profile in tables.profiles.values() if _passes(profile, filter)]
        page = newest(passing, lambda profile: tables.profile_numbers[profile.id], after, size)
        return replace(page, items=tuple(_shortened(profile) for profile in page.items))

    def outdated(self, before: datetime, most: int) -> Sequence[str]:
        tables = self._session.read()
        kept = set(tables.current_profiles.values())
        old = [one.id for one in tables.profiles.values() if one.created_at < before and one.id not in kept]
        referred = MemoryExperiments(self._session).referred(old)
        return [profile_id for profile_id in old if profile_id not in referred][:most]

    def delete(self, profile_ids: Sequence[str]) -> int:
        tables = self._session.write()
        gone = [tables.profiles.pop(key) for key in dict.fromkeys(profile_ids) if key in tables.profiles]
        for profile in gone:
            del tables.profile_numbers[profile.id]
        for series in {
            series_of(profile) for profile in gone if tables.current_profiles.get(series_of(profile)) == profile.id
        }:
            del tables.current_profiles[series]
            left = [one for one in tables.profiles.values() if one.valid and series_of(one) == series]
            if left:
                newest_left = max(left, key=lambda one: tables.profile_numbers[one.id])
                tables.current_profiles[series] = newest_left.id
        for model_id in models_that_changed(gone):
            self._session.log("profiles", model_id)
        return len(gone)

    def best_candidates(
        self, metrics: Sequence[str], *, model_ids: Sequence[str] | None, load_text: str, host_class: str
    ) -> Sequence[Figures]:
        tables = self._session.read()
        wanted = None if model_ids is None else frozenset(model_ids)
        found = [
            profile
            for profile in (tables.profiles[key] for key in tables.current_profiles.values())
            if profile.offered
            and profile.model_id
            and (wanted is None or profile.model_id in wanted)
            and load_text in ("", profile.load_text)
            and profile.host_class.startswith(host_class)
        ]
        found.sort(key=lambda profile: profile.model_id)
        return [_figures(profile, metrics) for profile in found]


class MemoryTokens:
    """The tokens as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, token: Token) -> None:
        tokens = self._session.write().tokens
        for other in tokens.values():
            if token.id == other.id or token.name == other.name or token.secret_digest == other.secret_digest:
                raise refusals.only_name_taken("token", token.name)
        tokens[token.id] = token

    def get(self, token_id: str) -> Token:
        return _token(self._session.read(), token_id)

    def find(self, name: str) -> Token:
        found = next((token for token in self._session.read().tokens.values() if token.name == name), None)
        if found is None:
            raise refusals.token_not_found(name)
        return found

    def by_digest(self, secret_digest: str) -> Token | None:
        tokens = self._session.read().tokens.values()
        return next((token for token in tokens if token.secret_digest == secret_digest), None)

    def all(self) -> Sequence[Token]:
        return sorted(self._session.read().tokens.values(), key=lambda token: token.name)

    def revoke(self, token_id: str, at: datetime) -> None:
        tables = self._session.write()
        token = _token(tables, token_id)
        tables.tokens[token_id] = replace(token, revoked_at=token.revoked_at or at)


def _agent(tables: Tables, agent_id: str) -> Agent:
    agent = tables.agents.get(agent_id)
    if agent is None:
        raise refusals.agent_not_found(agent_id)
    return agent


def _token(tables: Tables, token_id: str) -> Token:
    token = tables.tokens.get(token_id)
    if token is None:
        raise refusals.token_not_found(token_id)
    return token


def _shortened(profile: Profile) -> Profile:
    return replace(profile, histogram="", runs=())


def _passes(profile: Profile, filter: ProfileFilter) -> bool:
    return (
        filter.model_id in ("", profile.model_id)
        and filter.backend in ("", profile.variant.backend)
        and filter.load_text in ("", profile.load_text)
        and filter.job_id in ("", profile.job_id)
        and profile.host_class.startswith(filter.host_class)
        and (profile.valid or filter.include_invalid)
    )


def _figures(profile: Profile, metrics: Sequence[str]) -> Figures:
    figures = figures_of(profile)
    return Figures(profile.id, profile.model_id, tuple(figures.get(metric) for metric in metrics))
