"""Runs the migrations on the connection that `search_service.storage.schema` gives.

For a developer's `alembic -c migrations/alembic.ini -x database=URL ...` it opens one itself.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context

from search_service.storage.engines import make_engine
from search_service.storage.tables import metadata


def run(connection: sa.Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"

    def include_object(item: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
        del name, reflected, compared
        return not (sqlite and kind == "index" and item.dialect_options["postgresql"]["using"] == "gin")

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        # Leaves alone the FTS5 tables, which SQLite manages, and what others keep in the same schema.
        del parents
        return kind != "table" or name in metadata.tables

    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=include_object,
        include_name=include_name,
        render_as_batch=sqlite,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("the migrations run on a database only: leave --sql out")
given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = make_engine(context.get_x_argument(as_dictionary=True)["database"])
    with engine.begin() as opened:
        run(opened)
    engine.dispose()
