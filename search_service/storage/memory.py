"""The whole database in dictionaries: for tests, demonstrations, and as the oracle of the SQL adapters."""

from __future__ import annotations

from types import TracebackType

from search_service.storage.memory_evidence import MemoryEvaluations, MemoryEvaluationSamples, MemoryPredictors
from search_service.storage.memory_experiments import MemoryExperiments
from search_service.storage.memory_forms import MemoryForms
from search_service.storage.memory_graph_counts import MemoryGraphCounts
from search_service.storage.memory_jobs import MemoryJobs
from search_service.storage.memory_profiling import MemoryAgents, MemoryProfiles, MemoryTokens
from search_service.storage.memory_scheduling import MemoryQueue, MemoryScheduling
from search_service.storage.memory_session import MemorySession, Shared
from search_service.storage.memory_stores import (
    MemoryChanges,
    MemoryDatasets,
    MemoryModels,
    MemoryRequests,
    MemorySpaces,
)


class MemoryDatabase:
    """A database that lives as long as this object. `lock_timeout_s` bounds the wait for another writer."""

    def __init__(self, lock_timeout_s: float = 10.0) -> None:
        self._shared = Shared(lock_timeout_s)

    def begin(self) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(MemorySession(self._shared))

    def close(self) -> None:
        """Nothing to give back."""


class MemoryUnitOfWork:
    """One transaction; a context manager."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session
        self.models = MemoryModels(session)
        self.datasets = MemoryDatasets(session)
        self.spaces = MemorySpaces(session)
        self.requests = MemoryRequests(session)
        self.changes = MemoryChanges(session)
        self.jobs = MemoryJobs(session)
        self.queue = MemoryQueue(session)
        self.agents = MemoryAgents(session)
        self.scheduling = MemoryScheduling(session)
        self.profiles = MemoryProfiles(session)
        self.forms = MemoryForms(session)
        self.graph_counts = MemoryGraphCounts(session)
        self.tokens = MemoryTokens(session)
        self.experiments = MemoryExperiments(session)
        self.evaluation_samples = MemoryEvaluationSamples(session)
        self.evaluations = MemoryEvaluations(session)
        self.predictors = MemoryPredictors(session)

    def __enter__(self) -> MemoryUnitOfWork:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.end()

    def hold_blob(self, digest: str) -> None:
        del digest  # there is one write lock, and whoever has it holds every blob
        self._session.write()

    def hold_experiment(self, experiment_id: str) -> None:
        del experiment_id
        self._session.write()

    def commit(self) -> None:
        self._session.commit()
