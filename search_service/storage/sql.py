"""The database on SQLite or PostgreSQL, through SQLAlchemy Core."""

from __future__ import annotations

import threading
from types import TracebackType

import sqlalchemy as sa

from search_service.storage.engines import make_engine
from search_service.storage.schema import check_migrated
from search_service.storage.session import Session
from search_service.storage.sql_agents import SqlAgents
from search_service.storage.sql_datasets import SqlDatasets
from search_service.storage.sql_evaluation_samples import SqlEvaluationSamples
from search_service.storage.sql_evaluations import SqlEvaluations
from search_service.storage.sql_experiments import SqlExperiments
from search_service.storage.sql_forms import SqlForms
from search_service.storage.sql_graph_counts import SqlGraphCounts
from search_service.storage.sql_jobs import SqlJobs
from search_service.storage.sql_logs import SqlChanges, SqlRequests
from search_service.storage.sql_models import SqlModels
from search_service.storage.sql_predictors import SqlPredictors
from search_service.storage.sql_profiles import SqlProfiles
from search_service.storage.sql_queue import SqlQueue
from search_service.storage.sql_scheduling import SqlScheduling
from search_service.storage.sql_spaces import SqlSpaces
from search_service.storage.sql_tokens import SqlTokens


class SqlDatabase:
    """Safe to share between threads; several processes may open the same one."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        # SQLite lets waiting writers poll; inside one process they queue here, which is fairer and faster.
        self._write_lock = threading.Lock()

    def begin(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(Session(self._engine, self._write_lock))

    def close(self) -> None:
        self._engine.dispose()


class SqlUnitOfWork:
    """One transaction; a context manager. A connection is taken with the first statement."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.models = SqlModels(session)
        self.datasets = SqlDatasets(session)
        self.spaces = SqlSpaces(session)
        self.requests = SqlRequests(session)
        self.changes = SqlChanges(session)
        self.jobs = SqlJobs(session)
        self.queue = SqlQueue(session)
        self.agents = SqlAgents(session)
        self.scheduling = SqlScheduling(session)
        self.profiles = SqlProfiles(session)
        self.forms = SqlForms(session)
        self.graph_counts = SqlGraphCounts(session)
        self.tokens = SqlTokens(session)
        self.experiments = SqlExperiments(session)
        self.evaluation_samples = SqlEvaluationSamples(session)
        self.evaluations = SqlEvaluations(session)
        self.predictors = SqlPredictors(session)

    def __enter__(self) -> SqlUnitOfWork:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.end()

    def hold_blob(self, digest: str) -> None:
        self._session.hold(f"blob {digest}")

    def hold_experiment(self, experiment_id: str) -> None:
        self._session.hold(f"experiment {experiment_id}")

    def commit(self) -> None:
        self.changes.append(self._session.pending_changes())
        self._session.commit()


def open_database(url: str) -> SqlDatabase:
    """The database at sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME.

    Raises:
        InvalidArgument: the URL is not one of these.
        StorageNotMigrated: its tables are missing or of another version; the message says how to migrate.
        Unavailable: it does not answer.
    """
    engine = make_engine(url)
    try:
        check_migrated(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlDatabase(engine)
