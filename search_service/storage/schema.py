"""Brings a database to the version of the schema that this program needs, and checks that it is there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from search_service.domain.errors import InvalidArgument, PreconditionFailed, Reason, Unavailable
from search_service.storage.driver_errors import sqlite_problem, translated
from search_service.storage.engines import make_engine, masked, parse_url, sqlite_path

# Any number will do, if it is always the same.
_MIGRATION_LOCK = sa.text("SELECT pg_advisory_xact_lock(7046023971)")


class StorageNotMigrated(PreconditionFailed):
    """The database's tables are missing or of another version than this program's."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.STORAGE_UNAVAILABLE)


def migrations_folder() -> Path:
    """Where the migrations are: inside the package once installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise FileNotFoundError(f"no migrations in {package} or beside it: the installation is incomplete")


def migrate(url: str, revision: str = "head") -> None:
    """Upgrades the database; creates a SQLite file. All or nothing, and safe when several processes do it at once.

    Raises:
        InvalidArgument: the URL, or the revision, is unknown, or the folder of the file cannot be made.
        Unavailable: the database does not answer, or its file cannot be used.
    """
    path = sqlite_path(parse_url(url))
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(
                f"the folder of the database {masked(url)} cannot be made ({error.strerror}): "
                "name another place with --database or --data-dir"
            ) from error
    with _migration(url) as config:
        command.upgrade(config, revision)


def downgrade(url: str, revision: str) -> None:
    """Takes the database back to a revision; "base" removes every table with all that is in it. Raises as `migrate`."""
    with _migration(url) as config:
        command.downgrade(config, revision)


def check_migrated(engine: sa.Engine) -> None:
    """Raises StorageNotMigrated, with the command that helps, unless the database has this program's schema."""
    url = masked(engine.url.render_as_string())
    path = sqlite_path(engine.url)
    # Connecting would create the file.
    found: set[str] = set()
    if path is None or path.exists():
        with _answering(url), engine.connect() as connection:
            found = set(MigrationContext.configure(connection).get_current_heads())
    script = ScriptDirectory(str(migrations_folder()))
    if found == set(script.get_heads()):
        return
    known = {revision.revision for revision in script.walk_revisions()}
    if found - known:
        raise StorageNotMigrated(
            f"the database {url} has schema {', '.join(sorted(found))}, unknown to this program: upgrade msearch"
        )
    state = f"has schema {', '.join(sorted(found))}" if found else "is empty"
    raise StorageNotMigrated(
        f"the database {url} {state}, this program needs {', '.join(script.get_heads())}: "
        f"run `msearch-service migrate --database {url}`"
    )


@contextmanager
def _migration(url: str) -> Iterator[Config]:
    """Alembic's configuration for one locked transaction on the database."""
    engine = make_engine(url)
    try:
        with _answering(masked(url)), engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(_MIGRATION_LOCK)
            config = Config(stdout=io.StringIO())
            config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
            config.attributes["connection"] = connection
            yield config
    except CommandError as error:
        raise InvalidArgument(f"the database {masked(url)} cannot be migrated: {error}") from error
    finally:
        engine.dispose()


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """Names the database in the error when it does not answer, or its file cannot be used."""
    try:
        with translated():
            yield
    except Unavailable as error:
        detail = str(getattr(error.__cause__, "orig", error.__cause__)).strip().partition("\n")[0]
        problem = sqlite_problem(error.__cause__) or f"does not answer: {detail}"
        raise Unavailable(f"the database {url} {problem}", Reason.STORAGE_UNAVAILABLE) from error
