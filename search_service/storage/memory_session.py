"""One transaction on tables in memory.

Readers see what is committed. The first write takes the one write lock and copies the tables, commit publishes
the copy.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.fairness import Usage
from msearch_scheduling.trust import Record
from search_service.domain.access import Token
from search_service.domain.catalog import Dataset, FeatureSpace, Model, StoredSignature
from search_service.domain.evaluation import Evaluation, EvaluationSample, PredictorVersion
from search_service.domain.experiments import Cell, Experiment
from search_service.domain.graph_counts import GraphCounts
from search_service.domain.jobs import Job
from search_service.domain.ports import Change, RequestRecord
from search_service.domain.profiling import Agent, Profile
from search_service.domain.scheduling import Learned
from search_service.storage import refusals


@dataclass(slots=True)
class Tables:
    """One state of the database. A published state is never changed again."""

    models: dict[str, Model] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    signatures: dict[str, dict[str, StoredSignature]] = field(default_factory=dict)
    spaces: dict[str, FeatureSpace] = field(default_factory=dict)
    requests: dict[str, tuple[RequestRecord, datetime]] = field(default_factory=dict)
    model_names: dict[tuple[str, str], str] = field(default_factory=dict)
    dataset_names: dict[tuple[str, str], str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    job_numbers: dict[str, int] = field(default_factory=dict)
    overtaken_s: dict[str, float] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)
    size_records: dict[str, Record] = field(default_factory=dict)
    usages: dict[str, Usage] = field(default_factory=dict)
    conducts: dict[str, Conduct] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    profile_numbers: dict[str, int] = field(default_factory=dict)
    current_profiles: dict[str, str] = field(default_factory=dict)
    forms: dict[tuple[str, str], int] = field(default_factory=dict)
    graph_counts: dict[str, GraphCounts] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    experiment_numbers: dict[str, int] = field(default_factory=dict)
    cells: dict[str, tuple[Cell, ...]] = field(default_factory=dict)
    evaluation_samples: dict[str, EvaluationSample] = field(default_factory=dict)
    sample_numbers: dict[str, int] = field(default_factory=dict)
    evaluations: dict[tuple[str, str], Evaluation] = field(default_factory=dict)
    evaluation_numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    predictors: dict[int, PredictorVersion] = field(default_factory=dict)
    last_sample_number: int = 0
    last_evaluation_number: int = 0
    last_fencing_token: int = 0
    last_job_number: int = 0
    last_experiment_number: int = 0
    last_profile_number: int = 0

    def copied(self) -> Tables:
        """A state to change."""
        held = {column.name: getattr(self, column.name) for column in fields(self)}
        copies: dict[str, Any] = {key: dict(value) if isinstance(value, dict) else value for key, value in held.items()}
        return Tables(**copies)


class Shared:
    """What all transactions share: the published tables, the log of changes and the write lock."""

    def __init__(self, lock_timeout_s: float) -> None:
        self.lock_timeout_s = lock_timeout_s
        self.write_lock = threading.Lock()
        self.tables = Tables()
        self.changes: list[Change] = []


class MemorySession:
    """One transaction."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._own: Tables | None = None
        self._noted: list[tuple[str, str]] = []
        self._open = True

    def read(self) -> Tables:
        """The tables as this transaction sees them."""
        self._check_open()
        return self._shared.tables if self._own is None else self._own

    def write(self) -> Tables:
        """Tables to change; visible to others from `commit` on. Raises Unavailable when another writer is slow."""
        self._check_open()
        if self._own is None:
            if not self._shared.write_lock.acquire(timeout=self._shared.lock_timeout_s):
                raise refusals.writer_busy(self._shared.lock_timeout_s)
            self._own = self._shared.tables.copied()
        return self._own

    def log(self, kind: str, id: str) -> None:
        """Notes a change, to be numbered at commit."""
        self._noted.append((kind, id))

    def committed_changes(self) -> list[Change]:
        """The log that everyone sees."""
        self._check_open()
        return self._shared.changes

    def commit(self) -> None:
        """Publishes and ends."""
        self._check_open()
        if self._own is not None:
            first = len(self._shared.changes) + 1
            changes = [Change(first + n, kind, key) for n, (kind, key) in enumerate(self._noted)]
            # The tables first: whoever sees a change must see what changed.
            self._shared.tables = self._own
            self._shared.changes.extend(changes)
        self.end()

    def end(self) -> None:
        """Undoes what was not committed; harmless when repeated."""
        self._open = False
        if self._own is not None:
            self._own = None
            self._shared.write_lock.release()

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("this unit of work has ended: begin a new one")
