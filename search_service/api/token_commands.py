"""`msearch-service token ...`: tokens made, listed and revoked on the database itself, where no token is needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from search_service.domain.access import Role, Token
from search_service.usecases.tokens import Access, create_token, list_tokens, revoke_token

OpenAccess = Callable[[str | None, Path | None], AbstractContextManager[Access]]
"""Opens the database of these options; says what is wrong and ends the program where that fails."""

DatabaseOption = Annotated[str | None, typer.Option(help="As for serve; by default a file in the data folder.")]
DataDirOption = Annotated[Path | None, typer.Option(help="As for serve.")]


def token_commands(open_access: OpenAccess) -> typer.Typer:
    """The commands below `token`."""
    commands = typer.Typer(
        name="token",
        help="Bearer tokens, directly on the database: the first admin token is made here.",
        no_args_is_help=True,
    )

    @commands.command()
    def create(
        name: Annotated[str, typer.Argument(help="For people; unique.")],
        role: Annotated[Role, typer.Option(help="What it allows.")],
        days: Annotated[int | None, typer.Option(min=1, max=36_500, help="It ends after so many days.")] = None,
        database: DatabaseOption = None,
        data_dir: DataDirOption = None,
    ) -> None:
        """Create a token and print its secret, once, alone on standard output."""
        with open_access(database, data_dir) as access:
            ends = None if days is None else access.clock() + timedelta(days=days)
            token, secret = create_token(access, name, role, ends)
        typer.echo(f"token {token.name} ({token.role}, {_end(token)}); keep it safe, it is not shown again:", err=True)
        typer.echo(secret)

    @commands.command("list")
    def list_all(database: DatabaseOption = None, data_dir: DataDirOption = None) -> None:
        """List the tokens, without their secrets."""
        with open_access(database, data_dir) as access:
            for token in list_tokens(access):
                typer.echo(f"{token.name}\t{token.role}\tcreated {_day(token.created_at)}\t{_end(token)}")

    @commands.command()
    def revoke(
        name: Annotated[str, typer.Argument(help="Name or id of the token.")],
        database: DatabaseOption = None,
        data_dir: DataDirOption = None,
    ) -> None:
        """Revoke a token: a running service refuses it within two seconds."""
        with open_access(database, data_dir) as access:
            token = revoke_token(access, name)
        typer.echo(f"token {token.name} is revoked")

    return commands


def _end(token: Token) -> str:
    if token.revoked_at is not None:
        return f"revoked {_day(token.revoked_at)}"
    return "never ends" if token.expires_at is None else f"ends {_day(token.expires_at)}"


def _day(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d}"
