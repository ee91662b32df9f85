"""`token`: create, list and revoke bearer tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from msearch_client import Client, Role, Token
from msearch_client.cli import options
from msearch_client.cli.output import count, format_time, print_json, print_line, print_note, print_table
from msearch_client.cli.times import parse_time

app = typer.Typer(help="Bearer tokens: who may do what. For admins.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For people, unique.")],
    *,
    role: Annotated[
        Role,
        typer.Option(
            "--role",
            metavar="ROLE",
            help="reader: search and read; publisher: also register, change, delete and submit jobs; agent: only agent "
            "calls on its own leases; admin: everything.",
        ),
    ],
    expires_in: Annotated[
        str | None, typer.Option("--expires-in", metavar="TIME", help="Such as 12h, 30d or 8w; never by default.")
    ] = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Create a token and print its secret, alone on stdout. It is not shown again."""
    ends = None if expires_in is None else datetime.now(UTC) + parse_time(expires_in, "--expires-in")
    with Client(server) as client:
        created = client.create_token(name, role, expires_at=ends)
    if json:
        print_json(created.to_dict())
        return
    token = created.token
    until = f", until {format_time(token.expires_at)}" if token.expires_at else ""
    print_note(f"token {token.name} ({token.role}{until}); keep it safe, it is not shown again:")
    print_line(created.secret)


@app.command("list")
def list_tokens(*, server: options.Server = None, json: options.Json = False) -> None:
    """List tokens by name, without their secrets."""
    with Client(server) as client:
        found = client.list_tokens()
    if json:
        print_json({"tokens": [token.to_dict() for token in found], "total": len(found)})
        return
    if found:
        print_table([_row(token) for token in found])
    print_line(count(len(found), "token"))


def _row(token: Token) -> dict[str, str]:
    return {
        "token": token.name,
        "role": token.role.value,
        "state": _state(token, datetime.now(UTC)),
        "created": format_time(token.created_at),
        "ends": format_time(token.expires_at) or "never",
        "id": token.id,
    }


def _state(token: Token, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "ended" if token.expires_at is not None and token.expires_at <= now else "valid"


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Name or id.")],
    *,
    yes: options.Yes = False,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Revoke a token: calls with it are refused from then on."""
    options.confirm(f"Revoke the token {token}? Whoever uses it is locked out.", yes=yes)
    with Client(server) as client:
        revoked = client.revoke_token(token)
    if json:
        print_json(revoked.to_dict())
    else:
        print_line(f"revoked {revoked.name}")
